"""The head ``aligned``: a hidden layer, whose values contrasts and adversaries shape, and a classifier on it.

Of each layer of the encoder, heads of all candidate strengths of the losses (local/losses) are trained side by side, on
batches that are drawn as ``losses.sampler`` says. What stands beside the classifier is given up after training.

Source of the combination: "Learning Emotion-discriminative Representations for Zero-Shot Cross-lingual Speech Emotion
Recognition", 2026; what its text leaves open (sizes, strengths, ramp) is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from local.experiment import Losses, Probe
from local.losses import FOCAL, WEIGHTED, Strength, beside, candidates, parse
from local.losses.objective import Objective, balanced, classify
from local.losses.sampler import batches
from utils import metrics


@dataclass(frozen=True)
class Scene:
    """What is learnt from.

    Attributes
    ----------
    x : Tensor of float32, shape (layers, utterances, dim)
    labels, speakers, languages : ndarray of int64, shape (utterances,)
        Emotions; and numbers of speakers and languages, from 0.
    """

    x: torch.Tensor
    labels: np.ndarray
    speakers: np.ndarray
    languages: np.ndarray


@dataclass(frozen=True)
class Choice:
    """What is best on what was left out, of each layer.

    Attributes
    ----------
    candidate, epoch : ndarray of int64, shape (layers,)
        Strengths, by their place among the candidates, and epochs.
    dev_loss, dev_ua : ndarray, shape (layers,)
        What they reach on all that was left out together.
    """

    candidate: np.ndarray
    epoch: np.ndarray
    dev_loss: np.ndarray
    dev_ua: np.ndarray


class Hidden:
    """The head in use: matrix (heads, dim, hidden) and bias (heads, 1, hidden), and those of the classes."""

    def __init__(self, dim: int, classes: int, hidden: int):
        self.shapes = [(dim, hidden), (1, hidden), (hidden, classes), (1, classes)]

    @staticmethod
    def represent(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Give the hidden values, shape (heads, utterances, hidden), of x (heads, utterances, dim)."""
        return torch.relu(x @ weights[0] + weights[1])

    @classmethod
    def logits(cls, weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, shape (heads, classes, utterances), of x (heads, utterances, dim)."""
        return (cls.represent(weights, x) @ weights[2] + weights[3]).transpose(1, 2)


class _Pupil:
    """Heads of all candidates and layers, on one scene; weights have these two first."""

    def __init__(self, kind: Hidden, scene: Scene, strengths: Sequence[Strength], probe: Probe, losses: Losses,
                 seeds: tuple[int, int]):  # fmt: skip
        self._scene, self._losses, self._seed, self._epoch = scene, losses, seeds[1], 0
        self._number, layers = len(strengths), len(scene.x)
        self._parts, self._total = parse(losses.loss), probe.epochs
        generator = torch.Generator().manual_seed(seeds[0])
        size = (self._number, layers, 1, 1)
        inputs = (kind.shapes[0][0], kind.shapes[0][0], losses.hidden, losses.hidden)
        drawn = [
            torch.empty(shape).uniform_(-1, 1, generator=generator) * fan**-0.5
            for shape, fan in zip(kind.shapes, inputs, strict=True)
        ]
        self.weights = [one.repeat(size).requires_grad_() for one in drawn]
        self._objective = Objective(
            beside(losses.loss), strengths, layers, losses.hidden, losses.projection, int(scene.speakers.max()) + 1,
            int(scene.languages.max()) + 1, losses.across, seeds[0] + 1,
        )  # fmt: skip
        self._mixup, self._gamma, self._weight = strengths[0].mixup, None, None
        if FOCAL in self._parts:
            self._gamma = torch.tensor([[one.gamma] for one in strengths])
        if WEIGHTED in self._parts:
            self._weight = balanced(scene.labels, kind.shapes[2][1])
        self._optimiser = torch.optim.AdamW(
            [*self.weights, *self._objective.parameters()], lr=probe.lr, eps=probe.eps, weight_decay=probe.weight_decay
        )
        self._classes = kind.shapes[2][1]

    def epoch(self) -> None:
        """Go once over the utterances."""
        scene = self._scene
        rng = np.random.default_rng([self._seed, self._epoch])
        for rows in self._batches():
            at = torch.from_numpy(rows)
            x, labels = scene.x[:, at], torch.from_numpy(scene.labels[rows])
            soft = None
            if "mixup" in self._parts:
                share, order = float(rng.beta(self._mixup, self._mixup)), torch.from_numpy(rng.permutation(len(rows)))
                x = share * x + (1 - share) * x[:, order]
                one_hot = torch.nn.functional.one_hot(labels, self._classes).float()
                soft = share * one_hot + (1 - share) * one_hot[order]
            z = Hidden.represent(self.weights, x)
            scores = z @ self.weights[2] + self.weights[3]
            loss = classify(scores, labels, soft, self._gamma, self._weight)
            speakers, languages = (torch.from_numpy(own[rows]) for own in (scene.speakers, scene.languages))
            loss = loss + self._objective(z, labels, speakers, languages, self._epoch / self._total)
            self._optimiser.zero_grad()
            loss.sum().backward()
            self._optimiser.step()
        self._epoch += 1

    def _batches(self) -> list[np.ndarray]:
        labels, languages = self._scene.labels, self._scene.languages
        if self._losses.sampler == "plain":
            order = np.random.default_rng([self._seed, self._epoch]).permutation(len(labels))
            size = 4 * len(set(labels.tolist())) * len(set(languages.tolist()))
            return np.array_split(order, max(1, round(len(order) / size)))
        cells = languages if self._losses.sampler == "cells" else np.zeros_like(languages)
        each = 4 * (1 if self._losses.sampler == "cells" else len(set(languages.tolist())))
        return batches(labels, cells, self._seed, self._epoch, each)

    @torch.no_grad()
    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """Score x (layers, utterances, dim), shape (candidates, layers, utterances, classes)."""
        return Hidden.represent(self.weights, x) @ self.weights[2] + self.weights[3]

    def best(self, candidate: np.ndarray) -> list[torch.Tensor]:
        """Copy the weights of one candidate of each layer."""
        layers = np.arange(len(candidate))
        return [weight.detach()[candidate, layers].clone() for weight in self.weights]


def choose(
    kind: Hidden, lessons: Sequence[tuple[Scene, torch.Tensor, np.ndarray]], probe: Probe, losses: Losses,
    seeds: Sequence[tuple[int, int]],
) -> Choice:  # fmt: skip
    """Train on every lesson, and take of each layer the strengths and the epoch that are best on what was left out.

    The best has the highest UA, and of equals the lower loss. Loss alone would stop at once where whole languages are
    left out: it grows as heads become sure of what they say of other recordings, well before they are less often right.

    Parameters
    ----------
    kind : Hidden
        The head.
    lessons : sequence of (Scene, Tensor, ndarray)
        What is learnt from; and features (layers, utterances, dim) and labels of what is left out.
    probe : Probe
        Rates, epochs and patience.
    losses : Losses
        What is trained, and the strengths to choose from.
    seeds : sequence of tuple of (int, int)
        Of each lesson's weights and batches.

    Returns
    -------
    Choice
    """
    strengths = candidates(losses)
    pupils = [_Pupil(kind, one[0], strengths, probe, losses, own) for one, own in zip(lessons, seeds, strict=True)]
    shape = len(strengths), len(lessons[0][0].x)
    best_loss, best_epoch, best_ua = np.full(shape, np.inf), np.zeros(shape, dtype=int), np.full(shape, -1.0)
    for epoch in range(1, probe.epochs + 1):
        for pupil in pupils:
            pupil.epoch()
        loss, ua = _left_out(pupils, lessons)
        better = (ua > best_ua) | ((ua == best_ua) & (loss < best_loss))
        best_loss, best_epoch = np.where(better, loss, best_loss), np.where(better, epoch, best_epoch)
        best_ua = np.where(better, ua, best_ua)
        if epoch - best_epoch.max() >= probe.patience:
            break
    # The highest UA; of equals the lower loss.
    order = np.lexsort((best_loss, -best_ua), axis=0)[0]
    layers = np.arange(shape[1])
    return Choice(order, *(own[order, layers] for own in (best_epoch, best_loss, best_ua)))


def _left_out(pupils: Sequence[_Pupil], lessons: Sequence[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Compute loss and UA on all that lessons leave out, each of shape (candidates, layers)."""
    loss, counts, whole = 0, 0, sum(len(y) for _, _, y in lessons)
    for pupil, (_, x, y) in zip(pupils, lessons, strict=True):
        scores = pupil.scores(x)
        loss = loss + len(y) / whole * classify(scores, torch.from_numpy(y)).numpy()
        said = scores.argmax(-1).numpy()
        classes = scores.shape[-1]
        counts = counts + np.stack(
            [[metrics.confusion(y, layer, classes) for layer in candidate] for candidate in said]
        )
    return loss, metrics.unweighted_accuracy(counts)


def fit(
    kind: Hidden, scene: Scene, choice: Choice, probe: Probe, losses: Losses, seeds: tuple[int, int]
) -> list[torch.Tensor]:
    """Train what was chosen, on all there is.

    Returns
    -------
    list of Tensor
        Weights of :class:`Hidden`, a head a layer.
    """
    strengths = candidates(losses)
    wanted = [strengths[place] for place in sorted(set(choice.candidate.tolist()))]
    place = {strength: number for number, strength in enumerate(wanted)}
    own = np.array([place[strengths[number]] for number in choice.candidate])
    pupil = _Pupil(kind, scene, wanted, probe, losses, seeds)
    kept = pupil.best(own)
    for epoch in range(1, int(choice.epoch.max()) + 1):
        pupil.epoch()
        ended = choice.epoch == epoch
        if ended.any():
            for to, weight in zip(kept, pupil.best(own), strict=True):
                to[ended] = weight[ended]
    return kept
