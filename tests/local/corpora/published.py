"""The fold lists of study A, and what must come of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from local.experiment import Split
from local.splits.data import PARTS, Corpus, Fold, load, read_folds
from local.splits.make import make

FOUR = ("angry", "happy", "neutral", "sad")


def lists_of(corpora: Path, published: str) -> Path:
    """Find a corpus's lists, which stand beside the real speech; skips where there are none."""
    folder = corpora.parent / "published_splits" / published
    if not folder.is_dir():
        pytest.skip(f"no published splits at {folder}")
    return folder


def labels(lists: Path) -> dict[str, str]:
    """Collect every file that the lists name, without its suffix, with its label in lower case."""
    rows = [row for path in sorted(lists.glob("*/*.csv")) for row in _rows(path)]
    return {Path(row["file"]).stem: row["answer"].lower() for row in rows}


def folds_of(data_dir: Path, lists: Path) -> tuple[Corpus, list[Fold]]:
    """Make a prepared corpus's published folds, and see that they hold exactly the files that the lists name."""
    make(data_dir, Split(scheme="published", published_dir=str(lists.parent)), FOUR, lists.name)
    corpus = load(data_dir, FOUR)
    folds = read_folds(corpus, "published")
    assert len(folds) == 5
    for k, fold in enumerate(folds):
        for part, folder in zip(PARTS, ("train", "eval", "test"), strict=True):
            names = {Path(row["file"]).stem for row in _rows(lists / folder / f"metadata_fold{k}.csv")}
            assert {utterance.partition("-")[2] for utterance in fold.parts()[part]} == names
    return corpus, folds


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
