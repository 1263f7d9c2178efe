"""Folds that were published as lists of files: read exactly, and their known weaknesses counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.experiment import Split
from local.splits.data import Corpus, Fold
from local.splits.schemes import make_folds
from tests.local.splits.corpora import FOUR, corpus, data_dir
from utils.errors import UserError


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
