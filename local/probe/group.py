"""Train the heads of a group of conditions, and test them on a corpus."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from local.grid.conditions import Condition, Group
from local.probe.conditions import steps
from local.probe.fit import Source, Task, Trained, fit, fold_features, labels
from local.probe.selection import UTTERANCES
from local.results.corpus import Corpus, check_classes
from local.results.selection import choose
from utils.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Layers that are trained together. More would share the cost of calling torch among more heads, but their
# batches would no longer fit a core's cache, and a single fold would no longer occupy two cores.
AT_ONCE = 7


@dataclass(frozen=True)
class Selection:
    """What training and dev say of every head; arrays of shape (folds, seeds, layers).

    Attributes
    ----------
    epoch, dev_loss, dev_ua, strength : ndarray
        As of :class:`local.probe.fit.Trained`.
    n_train, n_dev : ndarray of int, shape (folds,)
        Utterances that the heads are trained on, and that choose; inner folds choose by all that are trained on.
    """

    epoch: np.ndarray
    dev_loss: np.ndarray
    dev_ua: np.ndarray
    strength: np.ndarray
    n_train: np.ndarray
    n_dev: np.ndarray

    @property
    def layer(self) -> np.ndarray:
        """The layer that dev chooses (``local.results.selection``); shape (folds, seeds)."""
        folds, seeds, _ = self.dev_ua.shape
        chosen = [choose(self.dev_ua[cell], self.dev_loss[cell])[0] for cell in np.ndindex(folds, seeds)]
        return np.reshape(chosen, (folds, seeds))


class Heads:
    """The trained heads of a group: every fold, seed and layer.

    Parameters
    ----------
    group : Group
    trained : list of Trained
        Of every fold in turn, its layers in turn.
    learnt_from : Source
        A corpus that they are trained on: heads fit features of its shape alone.
    n_train, n_dev : ndarray of int, shape (folds,)
        As of :class:`Selection`.

    Attributes
    ----------
    trained : list of Trained
    selection : Selection
    """

    def __init__(
        self, group: Group, trained: list[Trained], learnt_from: Source, n_train: np.ndarray, n_dev: np.ndarray
    ):
        self._lead, self.trained, self._folds = group.first, trained, len(n_train)
        self._like, self._shape = learnt_from[0].name, learnt_from[1].shape[1:]
        arrays = {
            name: np.stack(self._by_fold([getattr(one, name) for one in trained]))
            for name in ("epoch", "dev_loss", "dev_ua", "strength")
        }
        self.selection = Selection(**arrays, n_train=n_train, n_dev=n_dev)

    @property
    def number(self) -> int:
        """How many heads there are."""
        return self.selection.epoch.size

    @property
    def inner(self) -> str:
        """What inner folds keep whole, in every fold; empty where there are none."""
        return next((trained.inner for trained in self.trained if trained.inner == UTTERANCES), self.trained[0].inner)

    @property
    def params(self) -> int:
        """Trainable parameters of one head."""
        return max(sum(int(np.prod(shape)) for shape in trained.kind.shapes) for trained in self.trained)

    def test(self, corpus: Corpus, features: np.ndarray) -> list[np.ndarray]:
        """Apply the heads of every fold to that fold's test list of a corpus.

        Parameters
        ----------
        corpus : Corpus
            Any corpus with as many folds.
        features : ndarray, shape (utterances, layers, dim)
            Its features.

        Returns
        -------
        list of ndarray of float32
            For each fold, probabilities of shape (seeds, layers, test utterances, emotions).

        Raises
        ------
        UserError
            The features' shape is not that of the training corpora.
        """
        if features.shape[1:] != self._shape:
            raise UserError(
                f"dump/{self._lead.encoder}/{corpus.name}/feats.scp: (layers, dim) is {features.shape[1:]}, that of "
                f"{self._like} is {self._shape}; extract both with the same encoder"
            )

        def probabilities(trained: Trained) -> np.ndarray:
            x, scores = {}, []
            for own, weights in zip(trained.features, trained.weights, strict=True):
                if own not in x:  # as a rule, all seeds have the same
                    x = {own: torch.from_numpy(own.of(corpus, features, "test"))}
                scores.append(torch.softmax(trained.kind.logits(weights, x[own]), 1))
            found = torch.stack(scores).transpose(2, 3).numpy()
            for module, value in _having("posteriors", self._lead):
                found = module.posteriors(value, found, trained.shares)
            return found

        return self._by_fold(parallel(probabilities, self.trained))

    def _by_fold(self, parts: list[np.ndarray]) -> list[np.ndarray]:
        """Join what the tasks of each fold gave, arrays of shape (seeds, layers of the task, ...)."""
        blocks = len(parts) // self._folds
        return [np.concatenate(parts[k * blocks : (k + 1) * blocks], axis=1) for k in range(self._folds)]


def train(
    group: Group, train_on: list[Source], select_on: list[Source], nested: bool = False, target: Source | None = None
) -> Heads:
    """Train a group's heads.

    Parameters
    ----------
    group : Group
        Whose.
    train_on, select_on : list of (Corpus, ndarray)
        Corpora with their features; fold k is trained on their train lists k, and selected on dev lists k.
    nested : bool
        Whether inner folds choose, and not the dev list; the lists are then those of ``selection.merged``.
    target : (Corpus, ndarray), optional
        The corpus whose train lists are looked at without their labels.

    Returns
    -------
    Heads

    Raises
    ------
    UserError
        An emotion has no training utterance, a dev loss is never finite, or a regression does not converge.
    """
    emotions, folds = group.first.factors["emotions"], len(train_on[0][0].folds)
    for fold in range(folds):
        check_classes(labels(train_on, fold, "train"), emotions, group.first.train, fold)
    trained = parallel(
        lambda task: fit(group, task, train_on, select_on, nested, target), tasks(folds, train_on[0][1].shape[1])
    )
    parts = (train_on, "train"), (select_on, "dev")
    sizes = (np.array([len(labels(own, fold, part)) for fold in range(folds)]) for own, part in parts)
    return Heads(group, trained, train_on[0], *sizes)


def records(
    group: Group, heads: Heads, train_on: list[Source], target: Source | None, corpus: Corpus, features: np.ndarray
) -> dict[str, tuple[list[str], list[dict]]]:
    """Let steps say what they did, in each fold and each layer that dev chose.

    Parameters
    ----------
    group, train_on, target
        As of :func:`train`.
    heads : Heads
        What it gave.
    corpus, features
        What is tested on, as of :meth:`Heads.test`.

    Returns
    -------
    dict of str to (list of str, list of dict)
        Columns and rows of files of the condition's directory, by name; most steps say nothing.
    """
    chosen = [(fold, int(layer)) for fold, own in enumerate(heads.selection.layer) for layer in sorted({*own})]
    found: dict[str, tuple[list[str], list[dict]]] = {}
    for module, value in _having("record", group.first):

        def record(place: tuple[int, int], module: ModuleType = module, value: object = value) -> dict:
            task = Task(place[0], range(place[1], place[1] + 1))
            own = fold_features(group, train_on, task, target, module.__name__)
            return module.record(value, own.looked(corpus, features))

        for made in parallel(record, chosen):
            for name, rows in made.items():
                found.setdefault(name, (module.COLUMNS[name], []))[1].extend(rows)
    return found


def _having(name: str, condition: Condition) -> list[tuple[ModuleType, object]]:
    """List the modules of a condition's steps that have a function, and their values."""
    modules = [(importlib.import_module(module), value) for module, value in steps(condition).items()]
    return [(module, value) for module, value in modules if hasattr(module, name)]


def tasks(folds: int, layers: int) -> list[Task]:
    """List what is trained together: every fold in turn, its layers in turn."""
    return [Task(fold, block) for fold in range(folds) for block in _blocks(layers, AT_ONCE)]


def _blocks(layers: int, at_once: int) -> list[range]:
    """Cut layers into as few runs as possible of at most ``at_once``, of nearly equal length.

    Examples
    --------
    >>> _blocks(13, 7)
    [range(0, 7), range(7, 13)]
    """
    number = -(-layers // at_once)
    ends = [-(-layers * part // number) for part in range(number + 1)]
    return [range(start, end) for start, end in zip(ends, ends[1:], strict=False)]


def parallel(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    """Map in threads, as many as torch would use, each of which computes alone.

    Tasks are small: threads that shared the work inside every product would mostly wait for each other,
    above all on a busy machine. And a result then does not depend on how many threads there are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads, initializer=_start_thread) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)


def _start_thread() -> None:
    torch.set_num_threads(1)
    # Moments of rectified units that went silent decay into denormal numbers, which are very slow.
    torch.set_flush_denormal(True)
