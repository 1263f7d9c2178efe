"""Baselines tile every utterance and say what they claim to."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from local.sed.data.sets import SedSet
from local.sed.score import baselines
from local.sed.score.baselines import FUNCTIONS, fill
from tests.conftest import REPO
from utils import audio, rttm
from utils.data_dir import Utterance
from utils.rttm import Segment, read_rttm
from utils.table import read_text

CORPUS = REPO / "egs" / "mini" / "corpus"
TRAIN = {
    "t1": [Segment("t1", 0.0, 1.0, "neutral"), Segment("t1", 1.0, 1.25, "angry")],
    "t2": [Segment("t2", 0.0, 0.5, "sad"), Segment("t2", 0.5, 2.0, "neutral")],
}


@pytest.fixture(scope="module")
def data() -> SedSet:
    """The bundled recordings of German whose emotion changes, and one that is neutral throughout."""
    reference, table = read_rttm(CORPUS / "sed.rttm"), read_text(CORPUS / "sed.tsv").splitlines()
    utterances, emotion = {}, {}
    for row in (dict(zip(table[0].split("\t"), line.split("\t"), strict=True)) for line in table[1:]):
        if row["language"] == "de":
            id_, start, end = row["utterance"], float(row["start"]), float(row["end"])
            source = str(CORPUS / "de" / f"{row['recording']}.ogg")
            utterances[id_] = Utterance(id_, row["speaker"], id_, source, start, end, end - start)
            emotion[id_] = row["emotion"]
    id_ = next(iter(utterances))
    utterances["plain"] = utterances[id_]
    emotion["plain"] = "neutral"
    duration = {id_: utterance.duration for id_, utterance in utterances.items()}
    reference["plain"] = [Segment("plain", 0.0, duration["plain"], "neutral")]
    return SedSet(
        "mini_sed", utterances, {id_: reference[id_] for id_ in utterances}, dict.fromkeys(utterances, "de1"),
        dict.fromkeys(utterances, "de1"), emotion, dict.fromkeys(utterances, "de"), duration, [],
    )  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_baseline_tiles_every_utterance_asked_for_and_repeats_itself(data: SedSet, name: str) -> None:
    asked = list(data.utterances)[2:]
    hypothesis = FUNCTIONS[name](data, asked, TRAIN)
    assert list(hypothesis) == asked
    for utterance, segments in hypothesis.items():
        assert {segment.utterance for segment in segments} == {utterance}
        assert segments[0].start == 0.0 and segments[-1].end == data.duration[utterance]
        for before, after in itertools.pairwise(segments):
            assert before.end == after.start and before.label != after.label
        assert min(segment.duration for segment in segments) > 0
    assert FUNCTIONS[name](data, asked, TRAIN) == hypothesis
    assert FUNCTIONS[name](data, asked[1:], TRAIN) == {utterance: hypothesis[utterance] for utterance in asked[1:]}


def test_neutral_and_whole_file(data: SedSet) -> None:
    for utterance in data.utterances:
        whole = (utterance, 0.0, data.duration[utterance])
        assert baselines.all_neutral(data, [utterance], {})[utterance] == [Segment(*whole, "neutral")]
        assert baselines.oracle_utterance(data, [utterance], {})[utterance] == [
            Segment(*whole, data.emotion[utterance])
        ]


def test_only_what_is_spoken_gets_the_emotion(data: SedSet, tmp_path: Path) -> None:
    import soundfile

    utterance = next(id_ for id_ in data.utterances if data.emotion[id_] == "angry")
    speech = data.utterances[utterance].load()
    silence = np.zeros(audio.SAMPLE_RATE, dtype=np.float32)
    soundfile.write(tmp_path / "padded.wav", np.concatenate([silence, speech, silence]), audio.SAMPLE_RATE)
    length = 2.0 + len(speech) / audio.SAMPLE_RATE
    padded = SedSet(
        "padded", {"u": Utterance("u", "s", "u", str(tmp_path / "padded.wav"), 0.0, None, length)}, {"u": []},
        {"u": "s"}, {"u": "s"}, {"u": "angry"}, {"u": "de"}, {"u": length}, [],
    )  # fmt: skip
    segments = baselines.oracle_speech(padded, ["u"], {})["u"]
    assert [segments[0].label, segments[1].label, segments[-1].label] == ["neutral", "angry", "neutral"]
    assert segments[0].end == pytest.approx(1.0, abs=0.15)
    assert segments[-1].start == pytest.approx(length - 1.0, abs=0.15)
    padded.emotion["u"] = "neutral"
    assert baselines.oracle_speech(padded, ["u"], {})["u"] == [Segment("u", 0.0, length, "neutral")]


def long_set(names: list[str], length: float) -> SedSet:
    return SedSet("s", {}, {}, {}, {}, {}, {}, dict.fromkeys(names, length), [])


def test_chance_draws_whole_training_segments_and_differs_between_utterances() -> None:
    names = [f"u{number}" for number in range(40)]
    hypothesis = baselines.chance(long_set(names, 100.0), names, TRAIN)
    allowed = {("neutral", 1.0), ("angry", 0.25), ("sad", 0.5), ("neutral", 1.5)}
    drawn = Counter((segment.label, round(segment.duration, 6)) for own in hypothesis.values() for segment in own[:-1])
    assert drawn.keys() == allowed
    assert len({tuple(segment.end for segment in own) for own in hypothesis.values()}) == len(names)
    # Of the segments that may follow, each is as likely: after angry these are sad and two neutral ones.
    pairs = [pair for own in hypothesis.values() for pair in itertools.pairwise(own)]
    follows = Counter(after.label for before, after in pairs if before.label == "angry")
    assert follows["neutral"] / follows.total() == pytest.approx(2 / 3, abs=0.05)
    assert drawn["neutral", 1.0] / drawn["neutral", 1.5] == pytest.approx(1.0, abs=0.1)


def test_chance_depends_on_the_training_parts_not_on_their_order_or_names() -> None:
    data = long_set(["u"], 30.0)
    again = {"b": TRAIN["t2"][::-1], "a": TRAIN["t1"]}
    assert baselines.chance(data, ["u"], TRAIN) == baselines.chance(data, ["u"], again)
    only = {"t": [Segment("t", 0.0, 0.7, "sad")]}
    assert baselines.chance(data, ["u"], only) == {"u": [Segment("u", 0.0, 30.0, "sad")]}
    with pytest.raises(ValueError, match="no training segments"):
        baselines.chance(data, ["u"], {"t": []})


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [(0.0, 3.0, "neutral")]),
        ([(0.0, 3.0)], [(0.0, 3.0, "sad")]),
        ([(2.0, 3.0), (0.0, 1.0)], [(0.0, 1.0, "sad"), (1.0, 2.0, "neutral"), (2.0, 3.0, "sad")]),
        ([(1.0, 2.0), (1.5, 1.7), (1.9, 2.2)], [(0.0, 1.0, "neutral"), (1.0, 2.2, "sad"), (2.2, 3.0, "neutral")]),
        ([(2.5, 3.004), (3.01, 3.02)], [(0.0, 2.5, "neutral"), (2.5, 3.0, "sad")]),
    ],
)  # fmt: skip
def test_fill(spans: list, expected: list) -> None:
    assert [(s.start, s.end, s.label) for s in fill("u", 3.0, spans, "sad")] == expected


def test_what_is_shorter_than_rttm_can_say_joins_the_segment_before(tmp_path: Path) -> None:
    times = baselines.fill("u", 2.0, [(0.5, 1.9999)], "sad")
    assert [(s.start, s.end, s.label) for s in times] == [(0.0, 0.5, "neutral"), (0.5, 2.0, "sad")]
    rttm.write_rttm(tmp_path / "hyp.rttm", times)
