"""Features of some layers of a fold, laid out for training and treated without looking at test utterances.

After the scaling come the steps of the condition's factors, each a module with the function ``fit(value, training)``:
it may learn from the training utterances (:class:`Training`), and gives a function ``step(x, corpus)`` that is applied
to all features, of shape (layers, utterances, dim) and of one corpus, whose name it is told. A step may change how many
dimensions there are. Where a module has them, ``posteriors(value, probabilities, shares)`` treats what heads say of a
test list, given the shares of emotions in training, and ``record(value, looked)`` gives rows for files of its own in a
condition's directory, by file; their columns are in its ``COLUMNS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from local.representation.scaling import Scaling, measure
from local.results.corpus import Corpus


@dataclass(frozen=True)
class Training:
    """What a step may learn from: the training utterances of a fold.

    Attributes
    ----------
    x : ndarray of float32, shape (layers, utterances, dim)
        Scaled, and treated by the steps before.
    labels : ndarray of int64, shape (utterances,)
    utts, persons, corpora : list of str
        Of each utterance: its name, who speaks, and the corpus that it is from.
    target : ndarray of float32, shape (layers, utterances, dim), or None
        The train list of the corpus that is tested on, treated as ``x`` and without labels, for a factor with
        ``sees_test``.
    """

    x: np.ndarray
    labels: np.ndarray
    utts: list[str]
    persons: list[str]
    corpora: list[str]
    target: np.ndarray | None


@dataclass(frozen=True)
class Looked:
    """One layer of a fold, before a step, from which the step's module may make a record.

    Attributes
    ----------
    fold, layer : int
    training : Training
        Of one layer.
    x : ndarray of float32, shape (1, test utterances, dim)
        The test list.
    labels : ndarray of int64, shape (test utterances,)
    persons : list of str
        Who speaks each of the test utterances.
    """

    fold: int
    layer: int
    training: Training
    x: np.ndarray
    labels: np.ndarray
    persons: list[str]


def pick(features: np.ndarray, rows: np.ndarray, layers: range) -> np.ndarray:
    """Copy some utterances' features of some layers.

    Parameters
    ----------
    features : ndarray of float32, shape (utterances, all layers, dim)
        A corpus's features.
    rows : ndarray of int, shape (n,)
        Which utterances, in which order.
    layers : range
        Which layers.

    Returns
    -------
    ndarray of float32, shape (layers, n, dim)
    """
    picked = np.empty((len(layers), len(rows), features.shape[2]), dtype=np.float32)
    for place, layer in enumerate(layers):
        picked[place] = features[rows, layer]
    return picked


class FoldFeatures:
    """Normalised features of one fold and some layers.

    Parameters
    ----------
    train : list of (Corpus, ndarray)
        Training corpora with their features.
    fold : int
        Which fold.
    layers : range
        Which layers.
    normalise : str
        ``train``: by the training utterances of all training corpora together; ``per-corpus``: every corpus by
        its own training list of this fold, whose labels are not looked at; ``none``.
    steps : mapping of str to value
        Modules of further steps, in their order, and the value of the factor of each.
    target : (Corpus, ndarray), optional
        The corpus that is tested on with its features, for steps that look at its train list.

    Attributes
    ----------
    x : ndarray of float32, shape (layers, training utterances, dim)
        Corpus after corpus, in the order of their lists.
    """

    def __init__(
        self, train: list[tuple[Corpus, np.ndarray]], fold: int, layers: range, normalise: str,
        steps: Mapping[str, Any] | None = None, target: tuple[Corpus, np.ndarray] | None = None,
    ):  # fmt: skip
        self._fold, self._layers, self._normalise = fold, layers, normalise
        self._train, self._target = train, target
        self._shared: Scaling | None = None
        self._steps: list[Callable[[np.ndarray, str], np.ndarray]] = []
        parts = [self.of(*source, "train") for source in train]
        self.x = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if normalise == "train":
            self._shared = measure(self.x)
            self._shared.apply(self.x)
        ends = np.cumsum([part.shape[1] for part in parts])
        for module, value in (steps or {}).items():
            step = importlib.import_module(module).fit(value, self.training)
            pieces = zip(train, np.split(self.x, ends[:-1], axis=1), strict=True)
            self.x = np.concatenate([step(piece, corpus.name) for (corpus, _), piece in pieces], axis=1)
            self._steps.append(step)

    @property
    def training(self) -> Training:
        """What the next step may learn from."""
        rows = [(corpus, row) for corpus, _ in self._train for row in corpus.folds[self._fold]["train"]]
        return Training(
            x=self.x,
            labels=np.array([corpus.labels[row] for corpus, row in rows]),
            utts=[corpus.utts[row] for corpus, row in rows],
            persons=[corpus.persons[row] for corpus, row in rows],
            corpora=[corpus.name for corpus, _ in rows],
            target=self.of(*self._target, "train") if self._target else None,
        )

    def looked(self, corpus: Corpus, features: np.ndarray) -> Looked:
        """Give the test list of a corpus beside the training utterances, for a record; of one layer."""
        rows = corpus.folds[self._fold]["test"]
        persons = [corpus.persons[row] for row in rows]
        x = self.of(corpus, features, "test")
        return Looked(self._fold, self._layers[0], self.training, x, corpus.labels[rows], persons)

    def of(self, corpus: Corpus, features: np.ndarray, part: str) -> np.ndarray:
        """Take a part of this fold of any corpus, shape (layers, utterances, dim)."""
        rows = corpus.folds[self._fold]
        x = pick(features, rows[part], self._layers)
        scaling = self._shared
        if self._normalise == "per-corpus":
            own = rows.get("scale", rows["train"])  # where few of the train list are trained on, all of it may scale
            scaling = measure(x if rows[part] is own else pick(features, own, self._layers))
        if scaling:
            scaling.apply(x)
        for step in self._steps:
            x = step(x, corpus.name)
        return x

    def release(self) -> None:
        """Give up the training features, and keep how to normalise others."""
        self.x = np.empty((len(self._layers), 0, self.x.shape[2]), dtype=np.float32)
