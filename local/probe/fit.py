"""Train some heads of a fold, with every seed in turn, and choose their epochs and strength of penalty."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from local.experiment import Probe
from local.grid.conditions import Group
from local.losses import ALIGNED
from local.probe import aligned, logreg, selection
from local.probe.aligned import Hidden
from local.probe.conditions import seeds, steps
from local.probe.descent import Fit, Lesson, train_for, train_together
from local.probe.heads import HEADS, Linear, Mlp
from local.probe.scale import FoldFeatures
from local.results.corpus import Corpus, check_classes
from local.results.selection import choose
from utils import metrics
from utils.errors import UserError

Source = tuple[Corpus, np.ndarray]


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
    features : list of FoldFeatures
        How the fold's features are normalised, for every seed.
    kind : Linear, Mlp or Hidden
        What heads they are.
    weights : list of list of Tensor
        Of every seed's heads.
    epoch, dev_loss, dev_ua, strength : ndarray, shape (seeds, layers of the task)
        Of every head's best epoch; and the inverse strength of a regression's penalty, or the place of the strengths
        of losses among their candidates.
    inner : str
        What inner folds keep whole; empty where there are none.
    shares : ndarray of float64, shape (emotions,)
        Of all that is trained on.
    """

    task: Task
    features: list[FoldFeatures]
    kind: Linear | Mlp | Hidden
    weights: list[list[torch.Tensor]]
    epoch: np.ndarray
    dev_loss: np.ndarray
    dev_ua: np.ndarray
    strength: np.ndarray
    inner: str
    shares: np.ndarray


@dataclass(frozen=True)
class _Choice:
    """The best of what was tried, for each layer; weights of every lesson."""

    fit: Fit
    dev_ua: np.ndarray
    strength: np.ndarray


def fit(
    group: Group, task: Task, train_on: list[Source], select_on: list[Source], nested: bool,
    target: Source | None = None,
) -> Trained:  # fmt: skip
    """Train a task's heads.

    Parameters
    ----------
    group : Group
        Whose.
    task : Task
        Which.
    train_on, select_on : list of (Corpus, ndarray)
        Corpora with their features. Nested, the lists are those of ``selection.merged``.
    nested : bool
        Whether inner folds choose (local/probe/selection.py), and not the dev list.
    target : (Corpus, ndarray), optional
        The corpus whose train list is looked at without its labels.

    Returns
    -------
    Trained

    Raises
    ------
    UserError
        An inner fold lacks an emotion, a dev loss is never finite, or a regression does not converge.
    """
    lead, unit = group.first, ""
    if nested:
        corpora, unit = selection.inner([corpus for corpus, _ in train_on], task.fold, lead.factors["select"])
        own = [(corpus, features) for corpus, (_, features) in zip(corpora, train_on, strict=True)]
        inner = range(len(corpora[0].folds))
        looked_at = _in_all(inner, target, task.fold)
        taught = [_lesson(group, own, own, Task(j, task.layers), looked_at) for j in inner]
        for _, lesson in taught:
            check_classes(lesson.y.numpy(), lead.factors["emotions"], lead.train, task.fold)
        features = fold_features(group, train_on, task, target)
        x, y = torch.from_numpy(features.x), torch.from_numpy(labels(train_on, task.fold, "train"))
    else:
        features, lesson = _lesson(group, train_on, select_on, task, target)
        taught, x, y = [(features, lesson)], lesson.x, lesson.y
    lessons = [lesson for _, lesson in taught]
    # A step may have changed the number of dimensions.
    kind = HEADS.get(lead.method, Linear)(x.shape[2], len(lead.factors["emotions"]))
    chosen, weights = [], []
    if lead.method == ALIGNED:
        kind, chosen, weights = _align(group, task, train_on, taught, features)
    for seed in seeds(lead) if lead.method != ALIGNED else []:
        best = _choose(group, kind, lessons, (task.fold, seed))
        if not best.fit.dev_loss.isfinite().all():
            raise UserError(f"{group.name}: fold {task.fold}: the dev loss is not finite; lower probe.lr")
        chosen.append(best)
        weights.append(_again(group, kind, x, y, best, (task.fold, seed)) if nested else best.fit.weights[0])
    features.release()
    return Trained(
        task=task,
        features=[features] * len(chosen),
        kind=kind,
        weights=weights,
        epoch=np.stack([best.fit.epoch for best in chosen]),
        dev_loss=np.stack([best.fit.dev_loss for best in chosen]),
        dev_ua=np.stack([best.dev_ua for best in chosen]),
        strength=np.stack([best.strength for best in chosen]),
        inner=unit,
        shares=np.bincount(y.numpy(), minlength=len(lead.factors["emotions"])) / len(y),
    )


def _align(
    group: Group, task: Task, train_on: list[Source], taught: list[tuple[FoldFeatures, Lesson]], features: FoldFeatures
) -> tuple[Hidden, list[_Choice], list[list[torch.Tensor]]]:
    """Train the head ``aligned``: with the first seed what is chosen, with every seed what is kept."""
    lead, probe, losses = group.first, group.first.experiment.probe, group.first.experiment.losses
    names = {corpus.name: "+".join(corpus.languages) for corpus, _ in train_on}
    kind = Hidden(features.x.shape[2], len(lead.factors["emotions"]), losses.hidden)
    lessons = [(_scene(own, names), lesson.dev_x, lesson.dev_y.numpy()) for own, lesson in taught]
    first, *_ = unique = seeds(lead)
    draws = [_draws(group, (task.fold, first), f"inner fold {j} ") for j in range(len(lessons))]
    best = aligned.choose(kind, lessons, probe, losses, draws)
    scene = _scene(features, names)
    weights = [aligned.fit(kind, scene, best, probe, losses, _draws(group, (task.fold, seed))) for seed in unique]
    found = Fit([], torch.from_numpy(best.epoch), torch.from_numpy(best.dev_loss).float())
    return kind, [_Choice(found, best.dev_ua, best.candidate.astype(float))] * len(unique), weights


def _scene(features: FoldFeatures, languages: dict[str, str]) -> aligned.Scene:
    own = features.training
    speakers, spoken = (np.unique(names, return_inverse=True)[1] for names in (
        own.persons, [languages[name] for name in own.corpora],
    ))  # fmt: skip
    return aligned.Scene(torch.from_numpy(own.x), own.labels, speakers, spoken)


def labels(sources: Sequence[Source], fold: int, part: str) -> np.ndarray:
    """Class indices of a part of a fold, corpus after corpus."""
    return np.concatenate([corpus.labels[corpus.folds[fold][part]] for corpus, _ in sources])


def _in_all(folds: range, target: Source | None, fold: int) -> Source | None:
    """Give the corpus that is looked at, with the lists of one fold in the place of all inner folds."""
    return target and (dataclasses.replace(target[0], folds=[target[0].folds[fold] for _ in folds]), target[1])


def fold_features(
    group: Group, sources: list[Source], task: Task, target: Source | None, until: str = ""
) -> FoldFeatures:
    """Lay out a task's features, treated by the steps before one (its module); by all where none is named."""
    lead, settings = group.first, group.first.experiment.probe
    done = dict(itertools.takewhile(lambda step: step[0] != until, steps(lead).items()))
    # A regularised regression needs features of one scale, whatever the other heads are given.
    standardise = lead.method == "logreg" and settings.normalise == "none"
    normalise = "train" if standardise else settings.normalise
    return FoldFeatures(sources, task.fold, task.layers, normalise, done, target)


def _lesson(
    group: Group, train_on: list[Source], select_on: list[Source], task: Task, target: Source | None
) -> tuple[FoldFeatures, Lesson]:
    fold, features = task.fold, fold_features(group, train_on, task, target)
    dev = np.concatenate([features.of(*source, "dev") for source in select_on], axis=1)
    y, dev_y = labels(train_on, fold, "train"), labels(select_on, fold, "dev")
    return features, Lesson(*(torch.from_numpy(part) for part in (features.x, y, dev, dev_y)))


def _choose(group: Group, kind: Linear | Mlp, lessons: list[Lesson], at: tuple[int, int]) -> _Choice:
    """Train on every lesson, and take of each layer the best epoch, or the best strength of the penalty."""
    settings = group.first.experiment.probe
    if group.first.method == "logreg":
        return _choose_strength(kind, lessons, settings)
    draws = [_draws(group, at, f"inner fold {j} " if len(lessons) > 1 else "") for j in range(len(lessons))]
    found = train_together(kind, lessons, settings, draws)
    return _Choice(found, _ua(kind, found, lessons), np.full(len(found.epoch), np.nan))


def _choose_strength(kind: Linear | Mlp, lessons: list[Lesson], settings: Probe) -> _Choice:
    strengths = sorted(settings.logreg_grid) or [settings.logreg_c]
    fits = logreg.train_together(lessons, strengths)
    ua = np.stack([_ua(kind, one, lessons) for one in fits])
    loss = np.stack([one.dev_loss for one in fits])
    best = np.array([choose(ua[:, layer], loss[:, layer])[0] for layer in range(ua.shape[1])])
    layers = np.arange(len(best))

    def picked(parts: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(parts)[best, layers]

    weights = [
        [picked([one.weights[lesson][which] for one in fits]) for which in range(len(fits[0].weights[lesson]))]
        for lesson in range(len(lessons))
    ]
    found = Fit(weights, picked([one.epoch for one in fits]), picked([one.dev_loss for one in fits]))
    return _Choice(found, ua[best, layers], np.array(strengths)[best])


def _again(
    group: Group, kind: Linear | Mlp, x: torch.Tensor, y: torch.Tensor, best: _Choice, at: tuple[int, int]
) -> list[torch.Tensor]:
    """Train on all of train and dev what inner folds have chosen."""
    if group.first.method == "logreg":
        return logreg.fit(x, y, best.strength)[0]
    return train_for(kind, x, y, best.fit.epoch, group.first.experiment.probe, _draws(group, at))


def _draws(group: Group, at: tuple[int, int], where: str = "") -> tuple[int, int]:
    """Seeds of weights and batch order, of a fold and seed."""
    weights, order = (group.draw(*at, where + what) for what in ("weights", "order"))
    return weights, order


def _ua(kind: Linear | Mlp, found: Fit, lessons: Sequence[Lesson]) -> np.ndarray:
    """UA of each layer on the dev utterances of all lessons together."""
    counts = 0
    for weights, lesson in zip(found.weights, lessons, strict=True):
        scores = kind.logits(weights, lesson.dev_x)
        counts = counts + metrics.confusion(lesson.dev_y.numpy(), scores.argmax(1).numpy(), scores.shape[1])
    return metrics.unweighted_accuracy(counts)
