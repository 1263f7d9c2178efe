"""Train heads where few utterances of the test corpus are known: beside a source that has taught them, or alone.

Across corpora, what the training corpora taught is where heads start from (local/probe/pulled.py): the regressions of
the condition without shots, on features that are scaled by the training corpora as there. The layer is the one that
these corpora chose, which have not seen the test corpus. Within a corpus, heads start from zeros, on features scaled by
the k utterances alone, and these choose the layer by cross-validation, of as many folds as the rarest emotion has
utterances, five at most. In both, cross-validation chooses how far the utterances may pull: the best UA of all folds
together, of equals the lowest loss. Where an emotion has one utterance, nothing can be left out: the middle strength is
taken, of two the larger, and alone the middle layer. The two differ in where heads start and in what scales the
features; utterances, strengths and rule are the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from local.experiment import Experiment
from local.grid.conditions import Condition, Group
from local.grid.factors import Value
from local.probe import pulled
from local.probe.conditions import STAGE
from local.probe.fit import Source, Task, Trained, fold_features
from local.probe.group import Heads, parallel, tasks
from local.probe.heads import Linear
from local.results.selection import choose
from utils import metrics
from utils.errors import UserError

Drawn = list[list[np.ndarray]]  # of each fold, of each draw, rows of the test corpus


_KEPT = 16  # source groups whose heads are kept in memory
_taught: dict[str, Heads] = {}


def source(group: Group) -> Group:
    """Give the group whose heads a group with shots starts from: one for all sizes and, as a rule, all test corpora."""
    first = group.first
    probe = dataclasses.replace(first.experiment.probe, shots=0)
    plain = _with(first, dataclasses.replace(first.experiment, probe=probe), shots=0)
    # What it is tested on does not count, unless it is looked at for something else.
    return Group((plain if plain.looks_at else _with(plain, plain.experiment, test=first.train[0]),))


def _with(condition: Condition, experiment: Experiment, **factors: Value) -> Condition:
    values = tuple((factor, factors.get(factor.name, value)) for factor, value in condition.values)
    return dataclasses.replace(condition, values=values, experiment=experiment)


def taught(group: Group, teach: Callable[[Group], Heads]) -> Heads:
    """Train the heads that a group with shots starts from, once in a process.

    Parameters
    ----------
    group : Group
        With shots.
    teach : callable
        Trains a group without.
    """
    first = source(group)
    files = [path for folder in STAGE.needs(first) for path in sorted(folder.glob("feats*"))]
    written = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    key = json.dumps([str(Path.cwd()), STAGE.stamp(first, first.first), written], sort_keys=True)
    if key not in _taught:
        if len(_taught) == _KEPT:
            _taught.pop(next(iter(_taught)))
        _taught[key] = teach(first)
    return _taught[key]


def beside(group: Group, target: Source, drawn: Drawn, start: Heads) -> Heads:
    """Train heads on utterances of the test corpus, from where a source has brought them.

    Parameters
    ----------
    group : Group
        Whose.
    target : (Corpus, ndarray)
        The test corpus with its features.
    drawn : list of list of ndarray
        For each fold, of each draw, the rows that are known.
    start : Heads
        What the training corpora taught, from :func:`taught`.

    Returns
    -------
    Heads
        With a draw in the place of a seed; layers are ``start``'s choice.

    Raises
    ------
    UserError
        A head does not converge.
    """
    corpus, features = target

    def fit(before: Trained) -> Trained:
        fold = before.task.fold
        rows = np.unique(np.concatenate(drawn[fold]))
        lists = [*corpus.folds[:fold], corpus.folds[fold] | {"shots": rows}, *corpus.folds[fold + 1 :]]
        x = before.features[0].of(dataclasses.replace(corpus, folds=lists), features, "shots")
        shots = [x[:, np.searchsorted(rows, own)] for own in drawn[fold]]
        found = _pull(group, shots, corpus.labels[np.stack(drawn[fold])], before.weights[0])
        shape = found.strength.shape
        return dataclasses.replace(
            before, features=before.features * shape[0], weights=found.weights, strength=found.strength,
            **{name: np.broadcast_to(getattr(before, name), shape) for name in ("epoch", "dev_loss", "dev_ua")},
        )  # fmt: skip

    own = start.selection
    return Heads(group, parallel(fit, start.trained), target, own.n_train + len(drawn[0][0]), own.n_dev)


def alone(group: Group, target: Source, drawn: Drawn) -> Heads:
    """Train heads on utterances of the test corpus alone; arguments and errors as of :func:`beside`."""
    corpus, features = target
    folds, k = len(corpus.folds), len(drawn[0][0])
    per_corpus = group.first.experiment.probe.normalise == "per-corpus"

    def known(fold: int, rows: np.ndarray) -> Source:
        # Each by its own train list, wherever that is asked for, means all of it, which has no labels.
        scale = {"scale": corpus.folds[fold]["train"]} if per_corpus else {}
        lists = [*corpus.folds]
        lists[fold] = corpus.folds[fold] | {"train": rows} | scale
        return dataclasses.replace(corpus, folds=lists), features

    def fit(task: Task) -> Trained:
        shots = [fold_features(group, [known(task.fold, rows)], task, target) for rows in drawn[task.fold]]
        found = _pull(group, [one.x for one in shots], corpus.labels[np.stack(drawn[task.fold])], None)
        kind = Linear(shots[0].x.shape[2], len(group.first.factors["emotions"]))
        for one in shots:
            one.release()
        epoch = np.zeros(found.strength.shape, dtype=int)
        shares = np.full(kind.shapes[0][0], 1 / kind.shapes[0][0])  # as good as balanced, by the draw
        return Trained(task, shots, kind, found.weights, epoch, found.loss, found.ua, found.strength, "", shares)

    chosen_by = k if pulled.folds(k, len(group.first.factors["emotions"])) else 0
    trained = parallel(fit, tasks(folds, features.shape[1]))
    return Heads(group, trained, target, *(np.full(folds, number) for number in (k, chosen_by)))


@dataclass(frozen=True)
class _Found:
    """Heads of every draw, their strengths, and UA and loss of what was left out; shape (draws, layers)."""

    weights: list[list[torch.Tensor]]
    strength: np.ndarray
    ua: np.ndarray
    loss: np.ndarray


def _pull(
    group: Group, x: Sequence[np.ndarray], y: np.ndarray, start: Sequence[torch.Tensor] | None
) -> _Found:  # fmt: skip
    """Fit heads to the utterances of every draw, and choose their strength.

    Parameters
    ----------
    group : Group
        Whose.
    x : sequence of ndarray, shape (layers, k, dim)
        Of every draw.
    y : ndarray of int, shape (draws, k)
        Class indices.
    start : sequence of Tensor or None
        Weights of every layer.
    """
    grid, classes = sorted(group.first.experiment.probe.shots_grid), len(group.first.factors["emotions"])
    draws, (layers, _, dim) = len(x), x[0].shape
    targets = torch.from_numpy(y).repeat_interleave(layers, 0)
    begun = start and [part.repeat(draws, 1, 1) for part in start]
    try:
        found = pulled.fit(torch.from_numpy(np.concatenate(x)), targets, begun, [s / dim for s in grid], classes)
    except ArithmeticError as error:
        raise UserError(f"{group.name}: probe.shots_grid: {error}; take out the largest of {grid}") from error
    heads = np.arange(draws * layers)
    if found.left_out is None:
        ua, loss = np.full((2, len(grid), len(heads)), [[[1 / classes]], [[np.log(classes)]]])
        best = np.full(len(heads), len(grid) // 2)
    else:
        said = found.left_out.argmax(2).unflatten(1, (draws, layers)).numpy()
        counts = np.stack([metrics.confusion(y[draw], said[:, draw], classes) for draw in range(draws)], axis=1)
        ua = metrics.unweighted_accuracy(counts).reshape(len(grid), -1)
        picked = torch.log_softmax(found.left_out, 2).gather(2, targets[None, :, None].expand(len(grid), -1, -1, -1))
        loss = -picked.mean((2, 3)).numpy()
        best = np.array([choose(ua[:, head], loss[:, head])[0] for head in heads])
    weights = [part[torch.from_numpy(best), heads].unflatten(0, (draws, layers)) for part in (found.matrix, found.bias)]
    arrays = (part.reshape(draws, layers) for part in (np.array(grid)[best], ua[best, heads], loss[best, heads]))
    return _Found([list(pair) for pair in zip(*weights, strict=True)], *arrays)
