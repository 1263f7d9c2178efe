"""Small classification heads, many trained at once in batched matrix products.

The heads of one fold and seed (one a layer) share their initial weights, their batch order and their
labels, and differ in their features. Each stops on its own: its weights are those of the epoch with the
lowest dev loss, and after ``patience`` epochs without a better one it leaves the batch. A head's result
does not depend on which others are trained beside it.

Gradients are written out by hand, since automatic differentiation would cost more than the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from local.experiment import Probe


class Linear:
    """One affine map from the features to the classes.

    Weights: matrix (heads, classes, dim) and bias (heads, classes, 1). With the classes before the
    utterances the thin products take half the time.
    """

    def __init__(self, dim: int, classes: int):
        self.shapes = [(classes, dim), (classes, 1)]
        self.inputs = [dim, dim]

    @staticmethod
    def logits(weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax, shape (heads, classes, utterances), of x (heads, utterances, dim)."""
        matrix, bias = weights
        return torch.baddbmm(bias, matrix, x.transpose(1, 2))

    def gradients(
        self, weights: Sequence[torch.Tensor], x: torch.Tensor, target: torch.Tensor, out: Sequence[torch.Tensor]
    ) -> None:
        """Write the derivatives of the mean cross entropy by the weights to ``out``.

        Parameters
        ----------
        weights : sequence of Tensor
            The heads as they are.
        x : Tensor, shape (heads, utterances, dim)
            A batch of features.
        target : Tensor, shape (classes, utterances)
            One-hot labels.
        out : sequence of Tensor
            In the shapes of ``weights``; overwritten.
        """
        # By the logits, the derivative is (softmax - one-hot) / utterances.
        delta = torch.softmax(self.logits(weights, x), 1).sub_(target).div_(x.shape[1])
        torch.bmm(delta, x, out=out[0])
        torch.sum(delta, 2, keepdim=True, out=out[1])


class Mlp:
    """Affine maps to 128, 16 and the classes, with rectifiers between them.

    Weights: matrix (heads, in, out) and bias (heads, 1, out) of each map.
    """

    hidden = (128, 16)

    def __init__(self, dim: int, classes: int):
        self.inputs, self.shapes = [], []
        for inputs, outputs in zip((dim, *self.hidden), (*self.hidden, classes), strict=True):
            self.shapes += [(inputs, outputs), (1, outputs)]
            self.inputs += [inputs, inputs]

    @classmethod
    def logits(cls, weights: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Scores before the softmax; as :meth:`Linear.logits`."""
        return cls._outputs(weights, x)[-1].transpose(1, 2)

    def gradients(
        self, weights: Sequence[torch.Tensor], x: torch.Tensor, target: torch.Tensor, out: Sequence[torch.Tensor]
    ) -> None:
        """Write the derivatives of the mean cross entropy; as :meth:`Linear.gradients`."""
        first, second, scores = self._outputs(weights, x)
        delta = torch.softmax(scores, 2).sub_(target.T).div_(x.shape[1])
        for value, at in ((second, 4), (first, 2), (x, 0)):
            torch.bmm(value.transpose(1, 2), delta, out=out[at])
            torch.sum(delta, 1, keepdim=True, out=out[at + 1])
            if at:
                delta = torch.bmm(delta, weights[at].transpose(1, 2))
                delta = torch.ops.aten.threshold_backward(delta, value, 0)

    @staticmethod
    def _outputs(weights: Sequence[torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
        first = torch.baddbmm(weights[1], x, weights[0]).relu_()
        second = torch.baddbmm(weights[3], first, weights[2]).relu_()
        return [first, second, torch.baddbmm(weights[5], second, weights[4])]


HEADS = {"linear": Linear, "mlp": Mlp}
# As the report says it; a head without words goes by its name.
WORDS = {"linear": "one affine map", "mlp": "hidden layers of 128 and 16", "logreg": "logistic regression"}


@dataclass(frozen=True)
class Fit:
    """What training gives, a row a head.

    Attributes
    ----------
    weights : list of Tensor
        Of each head's best epoch, in the shapes that its class says.
    epoch : Tensor of int64, shape (heads,)
        The best epoch, from 1.
    dev_loss : Tensor of float32, shape (heads,)
        Its mean cross entropy on dev, in nats.
    """

    weights: list[torch.Tensor]
    epoch: torch.Tensor
    dev_loss: torch.Tensor


def initial_weights(head: Linear | Mlp, seed: int) -> list[torch.Tensor]:
    """Draw the weights that all heads of one fold and seed start from.

    Parameters
    ----------
    head : Linear or Mlp
        Which kind.
    seed : int
        Decides the draw.

    Returns
    -------
    list of Tensor
        In the shapes of ``head``, of one head; uniform in +-1/sqrt(inputs), as ``torch.nn.Linear`` starts.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.empty(shape).uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
        for shape, inputs in zip(head.shapes, head.inputs, strict=True)
    ]


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
    heads, n, dim = x.shape
    state = _State(head, heads, settings, seeds[0])
    best = [weight.clone() for weight in state.weights]
    best_epoch = torch.zeros(heads, dtype=torch.int64)
    best_loss = torch.full((heads,), torch.inf)
    active = torch.arange(heads)
    generator = torch.Generator().manual_seed(seeds[1])
    one_hot = torch.nn.functional.one_hot(y).float()
    rows = x.view(heads * n, dim)
    epoch = 0
    while len(active) and epoch < settings.epochs:
        epoch += 1
        order = torch.randperm(n, generator=generator)
        state.train_epoch(rows, active * n, order, one_hot[order])
        loss = cross_entropy(head.logits(state.weights, dev_x), dev_y)
        better = (loss < best_loss[active]).nonzero()[:, 0]
        improved = active[better]
        best_loss[improved], best_epoch[improved] = loss[better], epoch
        for kept, weight in zip(best, state.weights, strict=True):
            kept[improved] = weight[better]
        going_on = (epoch - best_epoch[active] < settings.patience).nonzero()[:, 0]
        if len(going_on) < len(active):
            active, dev_x = active[going_on], dev_x[going_on]
            state.keep(going_on)
    return Fit(best, best_epoch, best_loss)


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of each head.

    Parameters
    ----------
    logits : Tensor, shape (heads, classes, utterances)
        Scores before the softmax.
    y : Tensor of int64, shape (utterances,)
        Class indices.

    Returns
    -------
    Tensor, shape (heads,)
    """
    picked = torch.log_softmax(logits, 1).gather(1, y.expand(len(logits), 1, -1))
    return -picked.mean((1, 2))


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
