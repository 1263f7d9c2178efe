"""Train the heads of a group of conditions, and test them on a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from local.grid.conditions import Group
from local.probe.conditions import seeds, steps
from local.probe.heads import HEADS, Linear, Mlp, train
from local.probe.scale import FoldFeatures
from local.results.corpus import Corpus, check_classes
from local.results.selection import choose
from utils import metrics
from utils.errors import UserError

Source = tuple[Corpus, np.ndarray]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Layers that are trained together. More would share the cost of calling torch among more heads, but their
# batches would no longer fit a core's cache, and a single fold would no longer occupy two cores.
AT_ONCE = 7


@dataclass(frozen=True)
class Task:
    """Heads that are trained together: some layers of one fold, with every seed in turn."""

    fold: int
    layers: range


@dataclass(frozen=True)
class Trained:
    """What a task gives.

    Attributes
    ----------
    task : Task
    features : FoldFeatures
        How the fold's features are normalised.
    kind : Linear or Mlp
        What heads they are.
    weights : list of list of Tensor
        Of every seed's heads.
    epoch, dev_loss, dev_ua : ndarray, shape (seeds, layers of the task)
        Of every head's best epoch.
    """

    task: Task
    features: FoldFeatures
    kind: Linear | Mlp
    weights: list[list[torch.Tensor]]
    epoch: np.ndarray
    dev_loss: np.ndarray
    dev_ua: np.ndarray


@dataclass(frozen=True)
class Selection:
    """What training and dev say of every head; arrays of shape (folds, seeds, layers).

    Attributes
    ----------
    epoch, dev_loss, dev_ua : ndarray
    n_train, n_dev : ndarray of int, shape (folds,)
    """

    epoch: np.ndarray
    dev_loss: np.ndarray
    dev_ua: np.ndarray
    n_train: np.ndarray
    n_dev: np.ndarray

    @property
    def layer(self) -> np.ndarray:
        """The layer that dev chooses (``local.results.selection``); shape (folds, seeds)."""
        folds, seeds, _ = self.dev_ua.shape
        chosen = [choose(self.dev_ua[cell], self.dev_loss[cell])[0] for cell in np.ndindex(folds, seeds)]
        return np.reshape(chosen, (folds, seeds))


class Heads:
    """The heads of a group: every fold, seed and layer.

    Parameters
    ----------
    group : Group
    train_on, select_on : list of (Corpus, ndarray)
        Corpora with their features; fold k is trained on their train lists k, and selected on dev lists k.

    Attributes
    ----------
    selection : Selection

    Raises
    ------
    UserError
        An emotion has no training utterance, a dev loss is never finite, or a regression does not converge.
    """

    def __init__(self, group: Group, train_on: list[Source], select_on: list[Source]):
        self._group, self._lead = group, group.first
        self._train_on, self._select_on = train_on, select_on
        self._seeds = seeds(self._lead)
        self._folds = len(train_on[0][0].folds)
        self._shape = train_on[0][1].shape[1:]
        emotions = self._lead.factors["emotions"]
        for fold in range(self._folds):
            check_classes(_labels(train_on, fold, "train"), emotions, self._lead.train, fold)
        blocks = _blocks(self._shape[0], AT_ONCE)
        self._trained = _parallel(self._train, [Task(k, block) for k in range(self._folds) for block in blocks])
        self.selection = self._select()

    @property
    def number(self) -> int:
        """How many heads there are."""
        return self._folds * len(self._seeds) * self._shape[0]

    @property
    def params(self) -> int:
        """Trainable parameters of one head."""
        return max(sum(int(np.prod(shape)) for shape in trained.kind.shapes) for trained in self._trained)

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
                f"{self._train_on[0][0].name} is {self._shape}; extract both with the same encoder"
            )

        def probabilities(trained: Trained) -> np.ndarray:
            x = torch.from_numpy(trained.features.of(corpus, features, "test"))
            scores = [torch.softmax(trained.kind.logits(weights, x), 1) for weights in trained.weights]
            return torch.stack(scores).transpose(2, 3).numpy()

        return self._by_fold(_parallel(probabilities, self._trained))

    def _train(self, task: Task) -> Trained:
        settings, lead = self._lead.experiment.probe, self._lead
        # A regularised regression needs features of one scale, whatever the other heads are given.
        standardise = lead.method == "logreg" and settings.normalise == "none"
        normalise = "train" if standardise else settings.normalise
        features = FoldFeatures(self._train_on, task.fold, task.layers, normalise, steps(lead))
        dev = [features.of(*source, "dev") for source in self._select_on]
        y, dev_y = (torch.from_numpy(_labels(*part)) for part in self._parts(task.fold))
        x, dev_x = torch.from_numpy(features.x), torch.from_numpy(np.concatenate(dev, axis=1))
        # A step may have changed the number of dimensions.
        kind = HEADS.get(lead.method, Linear)(x.shape[2], len(lead.factors["emotions"]))
        fits = []
        for seed in self._seeds:
            if lead.method == "logreg":
                from local.probe import logreg  # here, since scikit-learn is slow to import

                fits.append(logreg.train(x, y, dev_x, dev_y, settings.logreg_c))
            else:
                draws = tuple(self._group.draw(task.fold, seed, what) for what in ("weights", "order"))
                fits.append(train(kind, x, y, dev_x, dev_y, settings, draws))
        for fit in fits:
            if not fit.dev_loss.isfinite().all():
                raise UserError(f"{self._group.name}: fold {task.fold}: the dev loss is not finite; lower probe.lr")
        dev_ua = [[_ua(layer, dev_y) for layer in kind.logits(fit.weights, dev_x)] for fit in fits]
        features.release()
        return Trained(
            task=task,
            features=features,
            kind=kind,
            weights=[fit.weights for fit in fits],
            epoch=np.stack([fit.epoch for fit in fits]),
            dev_loss=np.stack([fit.dev_loss for fit in fits]),
            dev_ua=np.array(dev_ua),
        )

    def _parts(self, fold: int) -> tuple[tuple[list[Source], int, str], ...]:
        return (self._train_on, fold, "train"), (self._select_on, fold, "dev")

    def _by_fold(self, parts: list[np.ndarray]) -> list[np.ndarray]:
        """Join what the tasks of each fold gave, arrays of shape (seeds, layers of the task, ...)."""
        blocks = len(parts) // self._folds
        return [np.concatenate(parts[k * blocks : (k + 1) * blocks], axis=1) for k in range(self._folds)]

    def _select(self) -> Selection:
        sizes = [[len(_labels(*part)) for part in self._parts(fold)] for fold in range(self._folds)]
        n_train, n_dev = np.array(sizes).T
        return Selection(
            epoch=np.stack(self._by_fold([trained.epoch for trained in self._trained])),
            dev_loss=np.stack(self._by_fold([trained.dev_loss for trained in self._trained])),
            dev_ua=np.stack(self._by_fold([trained.dev_ua for trained in self._trained])),
            n_train=n_train,
            n_dev=n_dev,
        )


def _labels(sources: Iterable[Source], fold: int, part: str) -> np.ndarray:
    return np.concatenate([corpus.labels[corpus.folds[fold][part]] for corpus, _ in sources])


def _ua(scores: torch.Tensor, y: torch.Tensor) -> float:
    counts = metrics.confusion(y.numpy(), scores.argmax(0).numpy(), len(scores))
    return metrics.unweighted_accuracy(counts)


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


def _parallel(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
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
