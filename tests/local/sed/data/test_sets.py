"""Sets are read as they were written, and what is wrong with one is said by name."""

from __future__ import annotations

import numpy as np
import pytest

from local.sed.data import sets
from utils.data_dir import write_data_dir
from utils.errors import UserError
from utils.rttm import Segment

EMOTIONS = ["angry", "happy", "neutral", "sad"]
LINES = {
    "a-1": [(0.0, 1.5, "neutral"), (1.5, 3.0, "angry")],
    "a-2": [(0.0, 2.0, "sad")],
    "b-1": [(0.0, 1.0, "happy"), (1.0, 2.0, "neutral")],
    "c-1": [(0.0, 2.0, "fearful")],
}


def write(lines, folder="data/zed", duration=None, folds=({"train": ["a-1"], "dev": ["a-2"], "test": ["b-1", "c-1"]},)):
    tables = {
        "utt2spk": {name: name[0] for name in LINES},
        "utt2emo": {name: next(label for *_, label in own if label != "neutral") for name, own in LINES.items()},
        "utt2lang": dict.fromkeys(LINES, "en"),
        "wav.scp": {name: f"{name}.wav" for name in LINES},
        "utt2dur": {name: str(own[-1][1]) for name, own in LINES.items()} | (duration or {}),
    }
    rttm = "".join(
        f"SPEAKER {name} 1 {start} {end - start} <NA> <NA> {label} <NA> <NA>\n"
        for name, own in lines.items()
        for start, end, label in own
    )
    write_data_dir(folder, tables, {"ref.rttm": rttm})
    for number, fold in enumerate(folds):
        for part, names in fold.items():
            path = sets.Path(folder, "folds", "speaker", str(number), part)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{name}\n" for name in names))


@pytest.fixture(autouse=True)
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_set_is_read_without_what_has_other_labels():
    write(LINES)
    got = sets.read("zed", "speaker", EMOTIONS)
    assert list(got.utterances) == list(got.reference) == list(got.duration) == ["a-1", "a-2", "b-1"]
    assert got.left_out == 1
    assert got.reference["a-1"] == [Segment("a-1", 0.0, 1.5, "neutral"), Segment("a-1", 1.5, 3.0, "angry")]
    assert got.speaker == {"a-1": "a", "a-2": "a", "b-1": "b"}
    assert got.emotion == {"a-1": "angry", "a-2": "sad", "b-1": "happy"}
    assert got.duration == {"a-1": 3.0, "a-2": 2.0, "b-1": 2.0}
    assert set(got.language.values()) == {"en"}
    assert got.folds == [{"train": ["a-1"], "dev": ["a-2"], "test": ["b-1"]}]


def test_a_corpus_needs_no_folds_and_a_set_that_was_made_does():
    write(LINES, folds=())
    assert sets.read("zed", "speaker", EMOTIONS).folds == []
    write(LINES, "data/emodb/sed/single", folds=())
    with pytest.raises(UserError, match=r"data/emodb/sed/single/folds/speaker: expected folds .* local\.sed\.make"):
        sets.read("emodb.single", "speaker", EMOTIONS)


@pytest.mark.parametrize("name", ["", ".single", "emodb.triple", "emodb.single.noisy", "../zed"])
def test_a_name_that_is_no_set_is_refused(name):
    with pytest.raises(UserError, match=r"is not a set; expected"):
        sets.path_of(name)


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match=r"data/zed: no such set; run python3 -m local\.corpora\.prepare first"):
        sets.read("zed", "speaker", EMOTIONS)
    write(LINES)
    sets.Path("data/zed/ref.rttm").unlink()
    with pytest.raises(UserError, match=r"data/zed/ref\.rttm: no such file; zed has no segment-level labels"):
        sets.read("zed", "speaker", EMOTIONS)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"a-2": []}, r"ref\.rttm: a-2 has no segments"),
        ({"a-2": [(0.0, 2.3, "sad")]}, r"ref\.rttm: a-2 is 2 s long, but has a segment at 0-2\.3 s"),
        ({"a-2": [(0.0, 1.0, "sad"), (2.0, 2.01, "neutral")]}, r"a-2 is 2 s long, but has a segment at 2-2\.01 s"),
        ({"a-2": [(0.0, 1.2, "sad"), (1.0, 2.0, "neutral")]}, r"two segments of a-2 overlap at 1 s"),
        ({"z-9": [(0.0, 1.0, "sad")]}, r"ref\.rttm: z-9 is not in data/zed/utt2spk"),
    ],
)
def test_wrong_segments_are_refused(changed, message):
    write(LINES | changed)
    with pytest.raises(UserError, match=message):
        sets.read("zed", "speaker", EMOTIONS)


def test_what_rounding_explains_is_cut_off():
    write(LINES | {"a-1": [(0.0, 1.5004, "neutral"), (1.5, 3.04, "angry")]})
    got = sets.read("zed", "speaker", EMOTIONS).reference["a-1"]
    assert got == [Segment("a-1", 0.0, 1.5, "neutral"), Segment("a-1", 1.5, 3.0, "angry")]


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ({"train": ["a-1"], "dev": ["a-2"], "test": ["b-9"]}, r"speaker/0: b-9 is not in data/zed/utt2spk"),
        ({"train": ["a-1", "a-2"], "dev": ["a-2"], "test": ["b-1"]}, r"speaker/0: an utterance is in two of"),
        ({"train": ["a-1"], "dev": ["a-2"], "test": ["c-1"]}, r"speaker/0/test: no utterances"),
    ],
)
def test_wrong_folds_are_refused(fold, message):
    write(LINES, folds=(fold,))
    with pytest.raises(UserError, match=message):
        sets.read("zed", "speaker", EMOTIONS)


def test_a_set_without_any_label_asked_for_is_refused():
    write(LINES)
    with pytest.raises(UserError, match=r"every utterance has a label that is not asked for"):
        sets.read("zed", "speaker", ["neutral", "bored"])


def test_a_frame_has_the_label_at_its_centre():
    # Centres at 12.5, 32.5, 52.5, 72.5, 92.5, 112.5 ms.
    segments = [Segment("u", 0.0, 0.033, "sad"), Segment("u", 0.053, 0.1, "angry")]
    labels = sets.frame_labels(segments, 6, EMOTIONS)
    assert labels.dtype == np.int64
    assert [EMOTIONS[label] for label in labels] == ["sad", "sad", "neutral", "angry", "angry", "neutral"]
    assert sets.frame_labels([], 3, EMOTIONS).tolist() == [2, 2, 2]
    assert sets.frame_labels(segments, 0, EMOTIONS).shape == (0,)


def test_frames_agree_with_a_search_for_every_centre():
    random = np.random.default_rng(3)
    times = np.concatenate(([0.0], np.sort(random.choice(9000, 12, replace=False)) / 1000 + 0.0007))
    labels = random.integers(0, 4, 12)
    segments = [Segment("u", *times[i : i + 2], EMOTIONS[labels[i]]) for i in range(12)]
    got = sets.frame_labels(segments, 500, EMOTIONS)
    for frame in range(500):
        centre = 0.02 * frame + 0.0125
        own = [s.label for s in segments if s.start <= centre < s.end] or ["neutral"]
        assert EMOTIONS[got[frame]] == own[0]
