"""What two files of a condition's directory say of a representation, before something was trained on it and after.

    records = Records([*sources, target], emotions)
    before, after = (records.pair(fold, train, test) for train, test in (...))  # features, corpus after corpus
    records.read(fold, layer, INPUT, "", before)
    records.read(fold, layer, HIDDEN, seed, after)
    records.lay_out(layer, before, after)

``representation.csv``: a row a fold, layer and side; what ``input`` and ``hidden``, of each seed, are, whoever trains
says. local/representation/measures.py says what is read.

``points.csv``: some test utterances on the first two principal components of the sources' train lists, those of the
hidden values turned to lie as near to the input's as can be, and both scaled alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from local.representation.measures import CHANCES, MEASURES, Lists, measure
from local.representation.plane import plane_of, spread
from local.representation.reader import numbered
from local.results.corpus import Corpus

INPUT, HIDDEN = "input", "hidden"
READ, PLACED = "representation.csv", "points.csv"
COLUMNS = {
    READ: ["fold", "layer", "side", "seed", *MEASURES, *CHANCES],
    PLACED: ["side", "layer", "utt", "speaker", "language", "emotion", "x", "y", "explained"],
}
POINTS = 48  # of each corpus, at most


class Pair(NamedTuple):
    """Features of one side: what is learnt from, and what is read."""

    train: Lists
    test: Lists


class Records:
    """Rows of both files.

    Parameters
    ----------
    corpora : sequence of Corpus
        The sources and, last, the target.
    emotions : sequence of str
        What classes are called.

    Attributes
    ----------
    files : dict of str to (list of str, list of dict)
        Columns and rows by file.
    """

    def __init__(self, corpora: Sequence[Corpus], emotions: Sequence[str]):
        self._corpora, self._emotions = corpora, emotions
        self.files: dict[str, tuple[list[str], list[dict]]] = {name: (columns, []) for name, columns in COLUMNS.items()}

    def pair(self, fold: int, train: np.ndarray, test: np.ndarray) -> Pair:
        """Say who and what the features of a fold are of.

        Parameters
        ----------
        fold : int
            Which.
        train, test : ndarray of float32, shape (utterances, dim)
            Of its train and test lists, corpus after corpus.

        Returns
        -------
        Pair
        """
        return Pair(self._lists(fold, "train", train), self._lists(fold, "test", test))

    def read(self, fold: int, layer: int, side: str, seed: int | str, pair: Pair) -> None:
        """Add what is read from a side."""
        found = {name: "" if np.isnan(value) else f"{value:.6f}" for name, value in measure(*pair).items()}
        self.files[READ][1].append({"fold": fold, "layer": layer, "side": side, "seed": seed} | found)

    def lay_out(self, layer: int, before: Pair, after: Pair) -> None:
        """Add where test utterances lie in two dimensions, on both sides."""
        test = before.test
        own = [spread(np.flatnonzero(test.corpora == number), POINTS) for number in range(len(self._corpora))]
        rows = np.concatenate(own)
        first, share = plane_of(*before, rows)
        second, other = plane_of(*after, rows, first)
        for side, plane, explained in ((INPUT, first, share), (HIDDEN, second, other)):
            for row, (x, y) in zip(rows, plane, strict=True):
                language = "+".join(self._corpora[test.corpora[row]].languages)
                self.files[PLACED][1].append({
                    "side": side, "layer": layer, "utt": test.utts[row], "speaker": test.persons[row],
                    "language": language, "emotion": self._emotions[test.labels[row]],
                    "x": f"{x:.4f}", "y": f"{y:.4f}", "explained": f"{explained:.4f}",
                })  # fmt: skip

    def _lists(self, fold: int, part: str, features: np.ndarray) -> Lists:
        rows = [corpus.folds[fold][part] for corpus in self._corpora]
        number = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        spoken = numbered(["+".join(corpus.languages) for corpus in self._corpora])
        there = list(zip(self._corpora, rows, strict=True))
        persons, utts = (
            [getattr(corpus, name)[row] for corpus, own in there for row in own] for name in ("persons", "utts")
        )
        labels = np.concatenate([corpus.labels[own] for corpus, own in there])
        return Lists(features, labels, number, spoken[number], persons, utts)
