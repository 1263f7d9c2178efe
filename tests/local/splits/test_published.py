"""Folds that were published as lists of files: read exactly, and their known weaknesses counted."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from local.experiment import Split
from local.splits.data import Corpus, Fold
from local.splits.overlap import audit_fold, count_test
from local.splits.schemes import make_folds
from tests.local.splits.corpora import FOUR, corpus, data_dir
from utils.errors import UserError


@pytest.fixture(scope="session")
def shared(corpora: Path) -> Path:
    """The lists of study A (``file,answer``), beside the real speech."""
    folder = corpora.parent / "published_splits"
    if not folder.is_dir():
        pytest.skip(f"no published splits at {folder}")
    return folder


def labels(folder: Path) -> dict[str, str]:
    """Collect every file that a corpus's lists name, with its label."""
    found = {}
    for path in sorted(folder.glob("*/*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            found |= {row["file"].removesuffix(".wav"): row["answer"].lower() for row in csv.DictReader(file)}
    return found


def esd(folder: Path, shared: Path) -> Corpus:
    """The names and labels that ESD really has; its sentence is the number within the emotion's block of 350."""
    names = labels(shared / "CN_ESD")
    rows = [(f"esd_{name[:4]}-{name}", f"esd_{name[:4]}", emotion) for name, emotion in names.items()]
    sentences = {utterance: f"esd_{(int(utterance[-6:]) - 1) % 350}" for utterance, _, _ in rows}
    return corpus(data_dir(folder, rows, utt2sent=sentences))


def test_esd_folds_are_the_published_ones(shared: Path, tmp_path: Path) -> None:
    corpus_ = esd(tmp_path / "esd", shared)
    folds, notes = make_folds(corpus_, Split(scheme="published", published_dir=str(shared)), "CN_ESD")
    assert notes == []
    for k, fold in enumerate(folds):
        for part, folder in (("train", "train"), ("dev", "eval"), ("test", "test")):
            lines = (shared / "CN_ESD" / folder / f"metadata_fold{k}.csv").read_text().splitlines()[1:]
            names = {line.split(".wav,")[0] for line in lines}
            assert {utterance.split("-")[1] for utterance in getattr(fold, part)} == names
            assert list(getattr(fold, part)) == sorted(getattr(fold, part))
        assert [len(part) for part in fold.parts().values()] == [1600, 200, 200]


def test_esd_shares_sentences_and_dev_has_the_test_speakers(shared: Path, tmp_path: Path) -> None:
    corpus_ = esd(tmp_path / "esd", shared)
    folds, _ = make_folds(corpus_, Split(scheme="published", published_dir=str(shared)), "CN_ESD")
    found = [audit_fold(corpus_, fold, {}) for fold in folds]
    assert [fold["speakers"] for fold in found] == [{"train": 8, "dev": 2, "test": 2}] * 5
    assert [fold["shared"]["speakers"] for fold in found] == [{"train_dev": 0, "train_test": 0, "dev_test": 2}] * 5
    assert [round(100 * fold["test_seen"]["sentences"], 1) for fold in found] == [97.5, 100, 100, 98.5, 100]
    assert count_test(folds) == {"slots": 1000, "distinct": 1000, "repeated": 0}


def test_pavoque_has_one_speaker_and_tests_utterances_again(shared: Path, tmp_path: Path) -> None:
    names = labels(shared / "DE_PAVOQUE")
    rows = [(f"pavoque_s-{name}", "pavoque_s", emotion) for name, emotion in names.items()]
    corpus_ = corpus(data_dir(tmp_path / "pavoque", rows))
    folds, _ = make_folds(corpus_, Split(scheme="published", published_dir=str(shared)), "DE_PAVOQUE")
    test = count_test(folds)
    assert (test["slots"], test["distinct"]) == (1000, 720)
    assert test["repeated"] == sum(sum(u in fold.test for fold in folds) > 1 for u in corpus_.emotion)
    assert all(audit_fold(corpus_, fold, {})["test_seen"]["speakers"] == 1 for fold in folds)
    # No folds by speaker can be made of it.
    with pytest.raises(UserError, match="has one speaker"):
        make_folds(corpus_, Split(), "DE_PAVOQUE")


def test_iemocap_names_are_found_and_half_are_scripted(shared: Path, tmp_path: Path) -> None:
    names = labels(shared / "EN_IEMOCAP")
    # A speaker is the session with the last letter's gender: Ses04F_script01_2_M008 is said by the man.
    speaker = {name: f"iemocap_{name[:5]}{name.rsplit('_', 1)[1][0]}" for name in names}
    rows = [(f"{speaker[name]}-{name}", speaker[name], emotion) for name, emotion in names.items()]
    sessions = {utterance: f"iemocap_{utterance.split('-')[1][:5]}" for utterance, _, _ in rows}
    corpus_ = corpus(data_dir(tmp_path / "iemocap", rows, utt2sess=sessions))
    folds, _ = make_folds(corpus_, Split(scheme="published", published_dir=str(shared)), "EN_IEMOCAP")
    scripted = sum("script" in utterance for fold in folds for utterance in fold.test)
    assert scripted == 495
    for fold in (audit_fold(corpus_, fold, {}) for fold in folds):
        assert fold["shared"]["speakers"]["dev_test"] == 2
        assert fold["test_seen"]["sessions"] == 0


# Lists made by the test


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Three folds of a corpus with nine utterances of each of two emotions."""
    for k in range(3):
        for part, folder in (("train", "train"), ("dev", "eval"), ("test", "test")):
            turn = (k + ("test", "dev", "train").index(part)) % 3
            path = tmp_path / "published/c" / folder / f"metadata_fold{k}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [
                f"{emotion}{n}.wav,{emotion.title()}" for emotion in FOUR[:2] for n in range(3 * turn, 3 * turn + 3)
            ]
            path.write_text("\n".join(["file,answer", *rows]) + "\n")
    return tmp_path / "published"


@pytest.fixture
def small(tmp_path: Path) -> Corpus:
    rows = [(f"c_s{n % 3}-{emotion}{n}", f"c_s{n % 3}", emotion) for emotion in FOUR[:2] for n in range(9)]
    return corpus(data_dir(tmp_path / "c", rows), FOUR[:2])


def published(lists: Path, small: Corpus, folds: int = 3) -> tuple[list[Fold], list[str]]:
    return make_folds(small, Split(scheme="published", folds=folds, published_dir=str(lists)), "c")


def test_lists_become_folds(lists: Path, small: Corpus) -> None:
    folds, notes = published(lists, small)
    assert notes == []
    assert {utterance.split("-")[1] for utterance in folds[1].test} == {f"{e}{n}" for e in FOUR[:2] for n in (3, 4, 5)}
    assert folds[1].test == folds[0].dev == folds[2].train


def test_a_file_named_twice_is_used_once_and_said(lists: Path, small: Corpus) -> None:
    path = lists / "c/train/metadata_fold0.csv"
    path.write_text(path.read_text() + "angry6.wav,Angry\n")
    folds, notes = published(lists, small)
    assert len(folds[0].train) == 6
    assert notes == [f"{path}: names 1 files again; they are used once"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "angry6.wav",
            "angry99.wav",
            "names 1 of 6 utterances that .*/c does not have .* first angry99; is the corpus",
        ),
        ("angry6.wav,Angry", "angry6.wav,Happy", "labels 1 of 6 utterances otherwise .* c_s0-angry6: happy and angry"),
        ("angry6.wav", "angry0.wav", "fold 0: 1 utterances are in train and in test, first c_s0-angry0"),
        ("file,answer", "name,label", "expected the header 'file,answer', got 'name,label'"),
        ("angry6.wav,Angry", "angry6.wav", "metadata_fold0.csv:2: expected a file and its label"),
    ],
)
def test_lists_that_do_not_fit_are_errors(lists: Path, small: Corpus, old: str, new: str, words: str) -> None:
    path = lists / "c/train/metadata_fold0.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=words):
        published(lists, small)


def test_lists_that_are_not_there_are_errors(lists: Path, small: Corpus) -> None:
    with pytest.raises(UserError, match="3 folds are published and split.folds is 5; set it to 3"):
        published(lists, small, folds=5)
    with pytest.raises(UserError, match="say in split.published_dir where the lists are"):
        make_folds(small, Split(scheme="published"), "c")
    with pytest.raises(UserError, match="found no .csv files; correct split.published_dir"):
        make_folds(small, Split(scheme="published", published_dir=str(lists)), "nobody")
    (lists / "c/eval/metadata_fold2.csv").unlink()
    with pytest.raises(UserError, match="the parts differ in their number of folds: train 3, eval 2, test 3"):
        published(lists, small)


def test_names_must_be_unambiguous(lists: Path, tmp_path: Path) -> None:
    rows = [(f"c_{s}-{e}{n}", f"c_{s}", e) for s in "ab" for e in FOUR[:2] for n in range(9)]
    with pytest.raises(UserError, match="several utterances are called angry0, so lists of files are ambiguous"):
        published(lists, corpus(data_dir(tmp_path / "c", rows), FOUR[:2]))
