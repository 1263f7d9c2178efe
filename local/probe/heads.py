"""Small classification heads, many at once in batched matrix products; local/probe/descent.py trains them.

Gradients are written out by hand, since automatic differentiation would cost more than the products.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


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
WORDS = {
    "linear": "one affine map", "mlp": "hidden layers of 128 and 16", "logreg": "logistic regression",
    "aligned": "a hidden layer that losses shape (losses.loss)",
}  # fmt: skip


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
