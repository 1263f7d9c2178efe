"""Training of many heads at once, by AdamW.

The heads of one fold and seed (one a layer) share their initial weights, their batch order and their
labels, and differ in their features. Each stops on its own: its weights are those of the epoch with the
lowest dev loss (or highest dev UA: ``keep``), and after ``patience`` epochs without a lower loss it leaves
the batch. A head's result does not depend on which others are trained beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from local.experiment import Probe
from local.probe.heads import Linear, Mlp, cross_entropy, initial_weights


@dataclass(frozen=True)
class Fit:
    """What training gives, a row a head.

    Attributes
    ----------
    weights : list of Tensor, or list of such lists
        Of each head's best epoch, in the shapes that its class says.
    epoch : Tensor of int64, shape (heads,)
        The best epoch, from 1.
    dev_loss : Tensor of float32, shape (heads,)
        Its mean cross entropy on dev, in nats.
    """

    weights: list
    epoch: torch.Tensor
    dev_loss: torch.Tensor


@dataclass(frozen=True)
class Lesson:
    """Features and labels of one training set, and of the utterances that say when to stop.

    Attributes
    ----------
    x, dev_x : Tensor of float32, shape (heads, utterances, dim)
        Contiguous.
    y, dev_y : Tensor of int64, shape (utterances,)
        Class indices.
    """

    x: torch.Tensor
    y: torch.Tensor
    dev_x: torch.Tensor
    dev_y: torch.Tensor


def train(
    head: Linear | Mlp, x: torch.Tensor, y: torch.Tensor, dev_x: torch.Tensor, dev_y: torch.Tensor,
    settings: Probe, seeds: tuple[int, int],
) -> Fit:  # fmt: skip
    """Train one head on every row of features, all with the same labels, start and batch order.

    Parameters
    ----------
    head : Linear or Mlp
        Which kind.
    x, dev_x : Tensor of float32, shape (heads, utterances, dim)
        Features to train on and to stop by; contiguous.
    y, dev_y : Tensor of int64, shape (utterances,)
        Class indices.
    settings : Probe
        Optimiser, epochs, batch size and patience.
    seeds : tuple of (int, int)
        Of the initial weights and of the batch order.

    Returns
    -------
    Fit
    """
    fit = train_together(head, [Lesson(x, y, dev_x, dev_y)], settings, [seeds])
    return Fit(fit.weights[0], fit.epoch, fit.dev_loss)


def train_together(
    head: Linear | Mlp, lessons: Sequence[Lesson], settings: Probe, seeds: Sequence[tuple[int, int]]
) -> Fit:
    """Train heads on several training sets, epoch by epoch, and stop all heads of a row by the sets' mean dev loss.

    Parameters
    ----------
    head : Linear or Mlp
        Which kind.
    lessons : sequence of Lesson
        With as many rows each. The dev losses are averaged over all of their dev utterances.
    settings : Probe
        Optimiser, epochs, batch size and patience.
    seeds : sequence of tuple of (int, int)
        Of each lesson's initial weights and batch order.

    Returns
    -------
    Fit
        Whose weights are those of each lesson's heads.
    """
    heads = len(lessons[0].x)
    pupils = [_Pupil(head, one.x, one.y, settings, own) for one, own in zip(lessons, seeds, strict=True)]
    dev = [(lesson.dev_x, lesson.dev_y) for lesson in lessons]
    whole = sum(len(y) for _, y in dev)
    best = [pupil.copy() for pupil in pupils]
    best_epoch, lowest_epoch = (torch.zeros(heads, dtype=torch.int64) for _ in range(2))
    best_loss, lowest = (torch.full((heads,), torch.inf) for _ in range(2))
    best_rating = -lowest
    active = torch.arange(heads)
    epoch = 0
    while len(active) and epoch < settings.epochs:
        epoch += 1
        for pupil in pupils:
            pupil.epoch()
        logits = [head.logits(one.weights, x) for one, (x, _) in zip(pupils, dev, strict=True)]
        loss = sum(len(y) / whole * cross_entropy(own, y) for own, (_, y) in zip(logits, dev, strict=True))
        rating = -loss if settings.keep == "loss" else _ua(logits, [y for _, y in dev])
        better = (rating > best_rating[active]).nonzero()[:, 0]
        improved = active[better]
        best_rating[improved], best_loss[improved], best_epoch[improved] = rating[better], loss[better], epoch
        lower = loss < lowest[active]
        lowest[active[lower]], lowest_epoch[active[lower]] = loss[lower], epoch
        for kept, pupil in zip(best, pupils, strict=True):
            pupil.copy_to(kept, improved, better)
        going_on = (epoch - lowest_epoch[active] < settings.patience).nonzero()[:, 0]
        if len(going_on) < len(active):
            active = active[going_on]
            dev = [(x[going_on], y) for x, y in dev]
            for pupil in pupils:
                pupil.keep(going_on)
    return Fit(best, best_epoch, best_loss)


def train_for(
    head: Linear | Mlp, x: torch.Tensor, y: torch.Tensor, epochs: torch.Tensor, settings: Probe,
    seeds: tuple[int, int],
) -> list[torch.Tensor]:  # fmt: skip
    """Train one head on every row of features, each for a number of epochs that is known beforehand.

    Parameters
    ----------
    head, x, y, settings, seeds
        As of :func:`train`.
    epochs : Tensor of int64, shape (heads,)
        How many passes over the utterances, one at least.

    Returns
    -------
    list of Tensor
        The heads' weights.
    """
    pupil = _Pupil(head, x, y, settings, seeds)
    weights = pupil.copy()
    active = torch.arange(len(x))
    for epoch in range(1, int(epochs.max()) + 1):
        pupil.epoch()
        ended = (epochs[active] == epoch).nonzero()[:, 0]
        if len(ended):
            pupil.copy_to(weights, active[ended], ended)
            going_on = (epochs[active] > epoch).nonzero()[:, 0]
            active = active[going_on]
            pupil.keep(going_on)
    return weights


def _ua(logits: Sequence[torch.Tensor], labels: Sequence[torch.Tensor]) -> torch.Tensor:
    """UA of each head on several sets of utterances together, shape (heads,)."""
    y = torch.cat(list(labels))
    right = torch.cat([own.argmax(1) for own in logits], 1) == y
    return torch.stack([right[:, y == label].float().mean(1) for label in y.unique()]).mean(0)


class _Pupil:
    """The heads that are still in training on one set of utterances, which they go through in the same order."""

    def __init__(self, head: Linear | Mlp, x: torch.Tensor, y: torch.Tensor, settings: Probe, draws: tuple[int, int]):
        heads, self._n, dim = x.shape
        self._rows = x.view(heads * self._n, dim)
        self._one_hot = torch.nn.functional.one_hot(y).float()
        self._state = _State(head, heads, settings, draws[0])
        self._generator = torch.Generator().manual_seed(draws[1])
        self._order, self._reshuffle = None, settings.reshuffle
        self._active = torch.arange(heads)

    @property
    def weights(self) -> list[torch.Tensor]:
        """As they are now."""
        return self._state.weights

    def copy(self) -> list[torch.Tensor]:
        """Copy the weights."""
        return [weight.clone() for weight in self.weights]

    def copy_to(self, kept: Sequence[torch.Tensor], where: torch.Tensor, which: torch.Tensor) -> None:
        """Copy the weights of some heads into rows of others."""
        for to, weight in zip(kept, self.weights, strict=True):
            to[where] = weight[which]

    def epoch(self) -> None:
        """Go once over the utterances."""
        if self._order is None or self._reshuffle:
            self._order = torch.randperm(self._n, generator=self._generator)
        self._state.train_epoch(self._rows, self._active * self._n, self._order, self._one_hot[self._order])

    def keep(self, which: torch.Tensor) -> None:
        """Let all heads but these leave."""
        self._active = self._active[which]
        self._state.keep(which)


class _State:
    """Weights and optimiser state of the heads that are still in training.

    All weights lie in one flat tensor, and so do their gradients and each of their moments, so that one
    call updates them all.
    """

    def __init__(self, head: Linear | Mlp, heads: int, settings: Probe, seed: int):
        self._head, self._settings = head, settings
        self._step = torch.zeros(())
        self._lay_out([weight.expand(heads, -1, -1) for weight in initial_weights(head, seed)])
        self._moments = [torch.zeros_like(self._flat) for _ in range(2)]

    def _lay_out(self, weights: Sequence[torch.Tensor]) -> None:
        shapes = [weight.shape for weight in weights]
        self._flat = torch.cat([weight.reshape(-1) for weight in weights])
        self._flat_gradient = torch.empty_like(self._flat)
        self.weights = _cut(self._flat, shapes)
        self._gradients = _cut(self._flat_gradient, shapes)

    def keep(self, which: torch.Tensor) -> None:
        """Let all heads but these leave."""
        shapes = [weight.shape for weight in self.weights]
        self._moments = [torch.cat([part[which].view(-1) for part in _cut(flat, shapes)]) for flat in self._moments]
        self._lay_out([weight[which] for weight in self.weights])

    def train_epoch(self, rows: torch.Tensor, offsets: torch.Tensor, order: torch.Tensor, target: torch.Tensor) -> None:
        """Go once over the training utterances.

        Parameters
        ----------
        rows : Tensor, shape (any, dim)
            Features of all heads, those that have left included.
        offsets : Tensor of int64, shape (heads,)
            Where in ``rows`` each head's utterances begin.
        order : Tensor of int64, shape (utterances,)
            In which to take them.
        target : Tensor, shape (utterances, classes)
            One-hot labels in that order.
        """
        heads, size = len(offsets), min(self._settings.batch_size, len(order))
        whole = len(order) // size * size
        index = (order[:whole].view(-1, 1, size) + offsets[:, None]).flatten(1)
        batch = torch.empty(heads, size, rows.shape[1])
        flat = batch.view(heads * size, -1)
        targets = target.T.contiguous().split(size, 1)
        for where, wanted in zip(index.unbind(), targets, strict=False):
            torch.index_select(rows, 0, where, out=flat)
            self._descend(batch, wanted)
        if whole < len(order):
            self._descend(rows[order[whole:] + offsets[:, None]], targets[-1])

    def _descend(self, x: torch.Tensor, target: torch.Tensor) -> None:
        """Take one step of AdamW on a batch."""
        self._head.gradients(self.weights, x, target, self._gradients)
        self._step += 1
        # What torch.optim.AdamW(fused=True) calls; around it, the optimiser itself takes longer than a linear head.
        torch._fused_adamw_(
            [self._flat], [self._flat_gradient], [self._moments[0]], [self._moments[1]], [], [self._step],
            lr=self._settings.lr, beta1=0.9, beta2=0.999, eps=self._settings.eps,
            weight_decay=self._settings.weight_decay, amsgrad=False, maximize=False,
        )  # fmt: skip


def _cut(flat: torch.Tensor, shapes: Sequence[torch.Size]) -> list[torch.Tensor]:
    """View a flat tensor as tensors of these shapes, one after another."""
    parts = flat.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
