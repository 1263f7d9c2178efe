"""EmoBox's lists become folds: joined by file, labels agreed on, and dev cut from train by us."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.corpora import spec
from local.experiment import Split
from local.splits.data import Corpus, Fold
from local.splits.emobox import read_emobox
from local.splits.make import make
from local.splits.overlap import audit_fold
from tests.conftest import REPO
from tests.local.corpora.trees import prepared
from tests.local.splits.corpora import FOUR, corpus, data_dir
from utils.errors import UserError
from utils.folds import read_folds
from utils.table import read_table

MEANS = {"A": "Angry", "H": "Happy", "N": "Neutral", "S": "Sad", "B": "Boredom"}
RAW = dict(zip((*FOUR, "bored"), MEANS, strict=True))


def write(folder: Path, dataset: str, folds: Iterable[dict[str, list[dict]]]) -> Path:
    """Write lists as EmoBox has them, of what an utterance has beside what all have."""
    for number, parts in enumerate(folds, 1):
        own = folder / "data" / dataset / f"fold_{number}"
        own.mkdir(parents=True)
        for part, rows in parts.items():
            fixed = {"dataset": dataset, "type": "raw", "sample_rate": 16000, "task": "category", "length": 1.0}
            lines = [{"key": f"{dataset}-{Path(row['wav']).stem}".replace("_", "-")} | fixed | row for row in rows]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (own / f"{dataset}_{part}_fold_{number}.jsonl").write_text(text)
    (folder / "data" / dataset / "label_map.json").write_text(json.dumps(MEANS))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight speakers, each with two utterances of each of five emotions, in a folder of their own."""
    names = [(f"s{s}", emotion, n) for s in range(8) for emotion in RAW for n in range(2)]
    rows = [(f"c_{who}-{who}_{emotion}{n}", f"c_{who}", emotion) for who, emotion, n in names]
    paths = {row[0]: Path(f"/corpus/{who}/{who}_{emotion}{n}.wav") for row, (who, emotion, n) in
             zip(rows, names, strict=True)}  # fmt: skip
    return data_dir(tmp_path / "c", rows, paths)


def listed(data: Path, tested: Callable[[str], bool]) -> dict[str, list[dict]]:
    """List a data directory's files as EmoBox would."""
    emotion, parts = read_table(data / "utt2emo"), {"train": [], "test": []}
    for utterance, path in read_table(data / "wav.scp").items():
        row = {"wav": "downloads" + path, "emo": RAW[emotion[utterance]]}
        parts["test" if tested(utterance) else "train"].append(row)
    return parts


@pytest.fixture
def box(tmp_path: Path, data: Path) -> Path:
    """One fold that tests two speakers, one that tests every second utterance of all."""
    apart = listed(data, lambda utterance: utterance[:4] in ("c_s0", "c_s1"))
    return write(tmp_path / "box", "c", [apart, listed(data, lambda utterance: utterance[-1] == "0")])


def read(box: Path, data: Path, emotions: Iterable[str] = FOUR) -> tuple[list[Fold], list[str]]:
    return read_emobox(corpus(data, emotions), Split(scheme="emobox", emobox_dir=str(box)), "c")


def who(own: Corpus, utterances: Iterable[str]) -> set[str]:
    return {own.person[utterance] for utterance in utterances}


def test_lists_become_folds_and_dev_is_cut_from_train(box: Path, data: Path) -> None:
    (apart, mixed), notes = read(box, data)
    own = corpus(data)
    assert notes == []
    assert who(own, apart.test) == {"c_s0", "c_s1"} and {u[-1] for u in mixed.test} == {"0"}
    for fold in (apart, mixed):
        # Boredom is not asked for; nothing else is lost.
        assert sorted(fold.train + fold.dev + fold.test) == sorted(own.emotion)
        assert not who(own, fold.train) & who(own, fold.dev)
        assert all(own.count(fold.dev).values()) and all(own.count(fold.train).values())
        assert 0.1 < len(fold.dev) / len(fold.train + fold.dev) < 0.35
    assert who(own, mixed.test) == who(own, mixed.train) | who(own, mixed.dev)
    assert read(box, data)[0] == [apart, mixed]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("s0_angry0.wav", "s0_angry9.wav", "names 1 of 20 files that .*/c does not have, first downloads/.*s0_angry9"),
        (
            '"emo": "A"',
            '"emo": "S"',
            "labels 4 of 20 utterances otherwise than .*utt2emo, first c_s0-s0_angry0: sad",
        ),
        ('"emo": "A"', '"emo": "Z"', r"fold_1.jsonl:1: expected a JSON object with `wav`, and an `emo` .* 'Z'"),
        ('{"key"', '"key"', "fold_1.jsonl:1: expected a JSON object"),
    ],
)
def test_lists_that_do_not_fit_are_errors(box: Path, data: Path, old: str, new: str, words: str) -> None:
    path = box / "data/c/fold_1/c_test_fold_1.jsonl"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=words):
        read(box, data)


def test_lists_that_are_not_there_are_errors(box: Path, data: Path) -> None:
    own = corpus(data)
    with pytest.raises(UserError, match="say in split.emobox_dir where EmoBox is"):
        read_emobox(own, Split(scheme="emobox"), "c")
    with pytest.raises(UserError, match="EmoBox does not have it; name its folder there in `emobox`"):
        read_emobox(own, Split(scheme="emobox", emobox_dir=str(box)), "")
    with pytest.raises(UserError, match="label_map.json: no such file; correct split.emobox_dir"):
        read_emobox(own, Split(scheme="emobox", emobox_dir=str(box)), "d")
    (box / "data/c/fold_2/c_train_fold_2.jsonl").unlink()
    with pytest.raises(UserError, match="c_train_fold_2.jsonl: no such file"):
        read(box, data)
    (box / "data/c/fold_2").rename(box / "data/c/fold_3")
    with pytest.raises(UserError, match="expected fold_1, fold_2 and so on, found fold_1, fold_3"):
        read(box, data)


def test_a_part_of_a_corpus_is_noted_and_a_file_that_was_excluded_too(box: Path, data: Path) -> None:
    train = box / "data/c/fold_1/c_train_fold_1.jsonl"
    elsewhere = train.read_text().replace("/s2/", "/t2/").replace("s2_", "t2_")
    train.write_text(elsewhere + train.read_text())
    (data / "excluded.tsv").write_text("item\treason\ns3/s3_sad7.wav\ttruncated\n")
    one = [line for line in elsewhere.splitlines() if "s3_sad0" in line][0]
    with open(train, "a", encoding="utf-8") as file:
        file.write(one.replace("s3_sad0", "s3_sad7") + "\n")
    folds, notes = read(box, data)
    # Of the eight in t2's folder two are of an emotion that nobody asked for.
    assert len(notes) == 1 and "9 of 121 files are left out, which are not here, first downloads/corpus/t2/" in notes[0]
    assert len(folds[0].train + folds[0].dev + folds[0].test) == len(corpus(data).emotion)


def test_a_choice_on_labels_is_no_disagreement(tmp_path: Path, data: Path, box: Path) -> None:
    """What a variant calls otherwise is compared by its own word; what only EmoBox calls otherwise needs a variant."""
    emotion = read_table(data / "utt2emo")
    rows = [(u, u.partition("-")[0], "neutral" if e == "bored" else e) for u, e in emotion.items()]
    paths = {utterance: Path(path) for utterance, path in read_table(data / "wav.scp").items()}
    merged = data_dir(tmp_path / "merged/c", rows, paths, utt2emo_raw=emotion)
    folds, _ = read(box, merged)
    assert sorted(folds[0].train + folds[0].dev + folds[0].test) == sorted(emotion)
    (box / "data/c/label_map.json").write_text(json.dumps(MEANS | {"B": "Sad"}))
    with pytest.raises(UserError, match="labels 12 of 60 .*: sad and bored; name a variant in `labels`"):
        read(box, data)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    names = [(who, emotion) for who in ("ann", "bob", "cyd", "dan") for emotion in FOUR]
    rows = [(f"c_{who}-201-{emotion}-{who}", f"c_{who}", emotion) for who, emotion in names]
    paths = {row[0]: Path(f"/x/{who}/{emotion}/201.WAV") for row, (who, emotion) in zip(rows, names, strict=True)}
    data = data_dir(tmp_path / "c", rows, paths)
    box = write(tmp_path / "box", "c", [listed(data, lambda u: "ann" in u)])
    (fold,), _ = read(box, data)
    assert fold.test == tuple(sorted(row[0] for row in rows if "ann" in row[0]))
    path = box / "data/c/fold_1/c_test_fold_1.jsonl"
    path.write_text(path.read_text().replace("downloads/x/ann/angry/", "downloads/"))
    with pytest.raises(UserError, match="c_ann-201-angry-ann and c_.* may both be EmoBox's downloads/201"):
        read(box, data)


def test_utterances_of_long_recordings_are_found_by_their_start(tmp_path: Path) -> None:
    rows = [(f"c_a-{n}-{emotion}", "c_a", emotion) for n in range(10) for emotion in FOUR]
    recordings = {f"c_{emotion}": f"/x/long-{emotion}.flac" for emotion in FOUR}
    segments = {f"c_a-{n}-{emotion}": f"c_{emotion} {7 * n}.00 {7 * n + 5}.00" for n in range(10) for emotion in FOUR}
    data = data_dir(tmp_path / "c", rows, segments=segments)
    (data / "wav.scp").write_text("".join(f"{name} {path}\n" for name, path in recordings.items()))
    listed = {
        part: [
            {"wav": f"downloads/long-{emotion}.flac", "emo": RAW[emotion], "start_time": 7.0 * n + 1e-9}
            for n in own for emotion in FOUR
        ]
        for part, own in (("test", range(2)), ("train", range(2, 10)))
    }  # fmt: skip
    box = write(tmp_path / "box", "c", [listed])
    (fold,), notes = read(box, data)
    assert {u.split("-")[1] for u in fold.test} == {"0", "1"} and len(fold.test) == 8
    # One speaker: dev shares it with train, and a note says so.
    assert len(fold.dev) == 8 and len(fold.train) == 24
    assert "too few speakers: dev is cut at random" in notes[0]


def test_dev_goes_by_what_is_heard_whatever_it_is_called(tmp_path: Path) -> None:
    random, kinds = np.random.default_rng(0), [(s, emotion) for s in range(7) for emotion in FOUR]
    files = [tmp_path / f"audio/{place}.wav" for place in range(len(kinds))]
    (tmp_path / "audio").mkdir()
    for path in files:
        soundfile.write(path, random.normal(0, 0.1, 800), 16000)
    found = []
    for name, order in (("c", range(7)), ("d", (3, 0, 6, 2, 5, 1, 4))):
        who = [f"{name}_{order[s]}" for s, _ in kinds]
        rows = [(f"{own}-{path.stem}", own, kind[1]) for own, kind, path in zip(who, kinds, files, strict=True)]
        data = data_dir(tmp_path / name, rows, {row[0]: path for row, path in zip(rows, files, strict=True)})
        box = write(tmp_path / f"box_{name}", "c", [listed(data, lambda u: int(u.split("-")[1]) < 8)])
        make(data, Split(scheme="emobox", emobox_dir=str(box)), FOUR, "c")
        (fold,) = read_folds(data / "folds/emobox")
        found.append({part: {u.split("-")[1] for u in own} for part, own in fold.items()})
    assert found[0] == found[1]


@pytest.mark.parametrize(("name", "shared"), [("emodb", 10), ("ravdess", 0)])
def test_the_audit_finds_shared_speakers_of_real_speech(corpora: Path, tmp_path: Path, name: str, shared: int) -> None:
    """EmoDB in folds of all speakers and RAVDESS in folds of actors, as EmoBox's are."""
    if not (corpora / name).is_dir():
        pytest.skip(f"{corpora / name} is not here")
    data = prepared(corpora / name, tmp_path / name, name)
    mixed = {u: n % 5 == 0 for n, u in enumerate(sorted(read_table(data / "utt2spk")))}
    tested = {"emodb": mixed.__getitem__, "ravdess": lambda u: u.split("-")[0][-2:] in ("01", "02", "03", "04")}[name]
    box = write(tmp_path / "box", name, [listed(data, tested)])
    assert spec(name).emobox == name
    (fold,) = audited(data, box, name)
    assert _shared(fold) == shared and fold["shared"]["speakers"]["train_dev"] == 0


def audited(data: Path, box: Path, dataset: str) -> list[dict]:
    """Audit EmoBox's folds of a prepared corpus, its audio aside."""
    own = corpus(data)
    folds, _ = read_emobox(own, Split(scheme="emobox", emobox_dir=str(box)), dataset)
    return [audit_fold(own, fold, {}, {}) for fold in folds]


def _shared(fold: dict) -> int:
    """Count who is tested and in EmoBox's train, which is our train and dev."""
    pairs = fold["shared"]["speakers"]
    return pairs["train_test"] + (0 if pairs["train_dev"] else pairs["dev_test"])


def test_the_audit_finds_what_is_known_of_emobox(corpora: Path, tmp_path: Path) -> None:
    box = Path(os.environ.get("XSER_TEST_EMOBOX", REPO.parent / "shared/emobox"))
    known = REPO.parent / "shared/published_results/emobox_speaker_overlap.csv"
    known = Path(os.environ.get("XSER_TEST_EMOBOX_OVERLAP", known))
    if not (box / "data").is_dir() or not known.is_file():
        pytest.skip(f"EmoBox's lists are not here ({box}/data; XSER_TEST_EMOBOX), so our audit of them is not compared")
    with open(known, encoding="utf-8", newline="") as file:
        expected = [row for row in csv.DictReader(file) if row["shared"]]
    for name in sorted(path.name for path in corpora.iterdir() if (box / "data" / path.name).is_dir()):
        data = prepared(corpora / name, tmp_path / name, name)
        folds = audited(data, box, spec(name).emobox)
        rows = [row for row in expected if row["dataset"] == name]
        assert [_shared(fold) for fold in folds] == [int(row["shared"]) for row in rows]
        assert [fold["speakers"]["test"] for fold in folds] == [int(row["test_speakers"]) for row in rows]
