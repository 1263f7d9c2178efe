"""Logistic regressions as heads, one a layer, in float64 and until their gradients have vanished: many at once.

Of n utterances x with labels y, a head is, as scikit-learn's ``LogisticRegression``,

    W, b = argmin  C sum_i cross_entropy(y_i, W x_i + b)  +  |W|^2 / 2

Each of Newton's steps is solved by conjugate gradients, which are scaled by C q l + 1: q is the mean variance p (1 - p)
of a class, l the squared length of a dimension over the utterances. They are solved loosely, so that float32 will do,
in half the time; where a step leads is judged in float64. As W lies in what the utterances span, it is found, where
they are fewer than dimensions, in the n coordinates of the eigenvectors of their products, which are made once for all
strengths C. What is small goes together, a row a regression, each of which takes its own steps and does not see the
others.

Sources: C.-J. Lin, R. C. Weng, S. S. Keerthi, "Trust region Newton method for large-scale logistic regression", Journal
of Machine Learning Research 9, 2008 (Newton's steps by products alone); S. C. Eisenstat, H. F. Walker, "Choosing the
forcing terms in an inexact Newton method", SIAM Journal on Scientific Computing 17, 1996 (how exactly to solve one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from local.probe.descent import Fit, Lesson
from local.probe.heads import Linear, cross_entropy
from utils.errors import UserError

# Norm of the gradient, as a share of that of weights that are all zero.
GRADIENT = 1e-8
STEPS = 200  # of Newton, at most; a dozen is usual
# Steps in float32. Where they have not sufficed, features are too unequal for it, and all others are in float64.
_ROUGH_STEPS = 25
# How exactly a step is solved: to a share of its residual that is the root of the gradient's, between these bounds.
# Exacter ones save few steps, and float32 does not tell them apart.
_ROUGHLY, _EXACTLY = (0.1, 0.5), (0, 0.5)
_GRADIENTS = 500  # conjugate ones in a step, at most
_HALVINGS = 30  # of a step that leads upwards
_ROUNDING = 1e-13  # of the largest eigenvalue: smaller ones cannot be told from none
_AT_ONCE = 2**20  # numbers of features of the regressions that go together, at most: with more, nothing is faster


@dataclass(frozen=True)
class _Coordinates:
    """Utterances of some regressions in some directions, and a one for the bias.

    Attributes
    ----------
    z : ndarray of float64, shape (rows, n, directions + 1)
    rough : ndarray of float32
        The same.
    length : ndarray of float64, shape (rows, directions + 1)
        Its squares, added up over utterances.
    """

    z: np.ndarray
    rough: np.ndarray
    length: np.ndarray

    def only(self, which: np.ndarray) -> _Coordinates:
        """Give some rows."""
        return _Coordinates(self.z[which], self.rough[which], self.length[which])


def _coordinates(x: np.ndarray) -> tuple[_Coordinates, Callable[[np.ndarray], np.ndarray]]:
    """Find those of features, shape (rows, n, dim), and what leads from weights there to weights of features."""
    rows, n, dim = x.shape
    directions, features = x, lambda weights: weights
    if n < dim:
        wide = x.astype(np.float64)
        length, vectors = np.linalg.eigh(wide @ wide.swapaxes(1, 2))
        # Directions that are there by rounding alone have no part in any weights.
        root = np.sqrt(np.where(length > _ROUNDING * length[:, -1:], length, 0))[:, None]
        back = (vectors * np.divide(1, root, out=np.zeros_like(root), where=root > 0)).swapaxes(1, 2)
        directions, features = vectors * root, lambda weights: (weights @ back) @ wide
    z = np.ones((rows, n, directions.shape[2] + 1))
    z[..., :-1] = directions
    return _Coordinates(z, z.astype(np.float32), np.einsum("rnd,rnd->rd", z, z)), features


def fit(x: torch.Tensor, y: torch.Tensor, strengths: Sequence[float]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Fit one regression on every row of features, with an L2 penalty.

    Parameters
    ----------
    x : Tensor of float32, shape (layers, utterances, dim)
        Standardised features.
    y : Tensor of int64, shape (utterances,)
        Class indices; every class is there.
    strengths : sequence of float
        Inverse strength C of the penalty of each row.

    Returns
    -------
    weights : list of Tensor
        In the shapes of :class:`local.probe.heads.Linear`. Of two classes, the first's are zero.
    steps : Tensor of int64, shape (layers,)
        Of Newton.

    Raises
    ------
    UserError
        A regression does not converge.
    """
    return _fit(x, y, [strengths])[0]


def train_together(lessons: Sequence[Lesson], strengths: Sequence[float]) -> list[Fit]:
    """Fit regressions on several training sets.

    Parameters
    ----------
    lessons : sequence of Lesson
        With as many rows each. The dev losses are averaged over all of their dev utterances.
    strengths : sequence of float
        Inverse strengths C of the penalty.

    Returns
    -------
    list of Fit
        One a strength: weights of each lesson's heads; ``epoch`` counts Newton's steps, ``dev_loss`` is the mean.

    Raises
    ------
    UserError
        A regression does not converge.
    """
    fitted = [_fit(one.x, one.y, [[c] * len(one.x) for c in strengths]) for one in lessons]
    whole = sum(len(one.dev_y) for one in lessons)
    found = []
    for own in zip(*fitted, strict=True):
        loss = sum(
            len(one.dev_y) / whole * cross_entropy(Linear.logits(weights, one.dev_x), one.dev_y)
            for one, (weights, _) in zip(lessons, own, strict=True)
        )
        found.append(Fit([weights for weights, _ in own], torch.stack([steps for _, steps in own]).amax(0), loss))
    return found


def _fit(
    x: torch.Tensor, y: torch.Tensor, strengths: Sequence[Sequence[float]]
) -> list[tuple[list[torch.Tensor], torch.Tensor]]:
    """Fit, for each of some strengths of all rows, what :func:`fit` says."""
    rows, n, dim = x.shape
    classes = int(y.max()) + 1
    free = slice(1 if classes == 2 else 0, None)  # of two classes, the first's scores are zero
    target = (y.numpy()[:, None] == np.arange(classes)).astype(np.float64)
    matrix = np.zeros((len(strengths), rows, classes, dim))
    bias = np.zeros((len(strengths), rows, classes, 1))
    steps = np.zeros((len(strengths), rows), dtype=np.int64)
    size = max(1, _AT_ONCE // (n * dim))
    for start in range(0, rows, size):
        block = slice(start, start + size)
        at, features = _coordinates(x[block].numpy())
        for number, own in enumerate(strengths):
            weights, steps[number, block] = _minimise(at, target, np.array(own, dtype=np.float64)[block])
            matrix[number, block][:, free] = features(weights[..., :-1])
            # What all classes' scores have in common says nothing.
            middle = weights[..., -1:].mean(axis=1, keepdims=True) if classes > 2 else 0
            bias[number, block][:, free] = weights[..., -1:] - middle
    return [
        ([torch.from_numpy(part).float() for part in (own, of)], torch.from_numpy(made))
        for own, of, made in zip(matrix, bias, steps, strict=True)
    ]


class _Objective:
    """The objective of regressions, at weights of shape (rows, free classes, directions + 1)."""

    def __init__(self, at: _Coordinates, target: np.ndarray, c: np.ndarray):
        self._at, self._target, self._c = at, target.T, c[:, None, None]
        self._free = slice(1 if target.shape[1] == 2 else 0, None)
        self._penalty = np.ones(at.z.shape[2])
        self._penalty[-1] = 0

    def go(self, weights: np.ndarray) -> np.ndarray:
        """Go to weights; give its value there, shape (rows,)."""
        scores = weights @ self._at.z.swapaxes(1, 2)
        if self._free.start:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        right = (scores * self._target).sum(axis=(1, 2))
        share = np.exp(scores)
        total = share.sum(axis=1, keepdims=True)
        self._share, self._weights = share / total, weights
        size = (self._penalty * weights**2).sum(axis=(1, 2)) / 2
        return self._c[:, 0, 0] * (np.log(total).sum(axis=(1, 2)) - right) + size

    def gradient(self) -> np.ndarray:
        """Derive it by the weights, where it is."""
        errors = (self._share - self._target)[:, self._free]
        return self._c * (errors @ self._at.z) + self._penalty * self._weights

    def curved(self, direction: np.ndarray) -> np.ndarray:
        """Multiply its second derivative, where it is, by a direction of the weights' shape, in its kind of numbers."""
        kind = direction.dtype
        z = self._at.rough if kind == np.float32 else self._at.z
        share = self._share[:, self._free].astype(kind)
        moved = (direction @ z.swapaxes(1, 2)) * share
        moved -= share * moved.sum(axis=1, keepdims=True)
        return self._c.astype(kind) * (moved @ z) + self._penalty.astype(kind) * direction

    def diagonal(self) -> np.ndarray:
        """Estimate the second derivative along each weight, where it is."""
        share = self._share[:, self._free]
        variance = (share * (1 - share)).mean(axis=2, keepdims=True)
        estimate = self._c * self._at.length[:, None] * variance + self._penalty
        return np.maximum(estimate, np.finfo(np.float32).tiny)


def _minimise(at: _Coordinates, target: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimise every row's objective from weights of zero; give the weights, and how many steps a row took."""
    rows, n, directions = at.z.shape
    found = np.zeros((rows, 1 if target.shape[1] == 2 else target.shape[1], directions))
    taken = np.zeros(rows, dtype=np.int64)
    rows_left, weights, objective = np.arange(rows), found, _Objective(at, target, c)
    value = objective.go(weights)
    # Where features tell next to nothing of the classes, as after an erasure, weights of zero are all but the solution,
    # and the gradient there is little more than rounding.
    first = np.maximum(1e-2 * c * np.sqrt(n * at.length[:, :-1].sum(axis=1)), np.finfo(float).tiny)
    first = np.maximum(_norm(objective.gradient()), first)
    for number in range(STEPS + 1):
        gradient = objective.gradient()
        share = _norm(gradient) / first[rows_left]
        vanished = share <= GRADIENT
        going_on, ended = np.flatnonzero(~vanished), np.flatnonzero(vanished)
        found[rows_left[ended]], taken[rows_left[ended]] = weights[ended], number
        if not len(going_on):
            return found, taken
        if len(ended):
            rows_left, weights, gradient, share = (
                part[going_on] for part in (rows_left, weights, gradient, share)
            )  # fmt: skip
            objective = _Objective(at.only(rows_left), target, c[rows_left])
            value = objective.go(weights)
        kind, bounds = (np.float32, _ROUGHLY) if number < _ROUGH_STEPS else (np.float64, _EXACTLY)
        step = _conjugate(objective, gradient, np.clip(np.sqrt(share), *bounds), kind)
        weights, value = _down(objective, weights, step, value, (gradient * step).sum(axis=(1, 2)))
    raise UserError(
        f"probe.logreg_c {c[rows_left[share.argmax()]]:g}: the logistic regression has not converged after {STEPS} "
        f"steps: {share.max():.1e} of the gradient is left, not {GRADIENT:g}; lower it, or leave logreg out of "
        "probe.heads"
    )


def _norm(gradient: np.ndarray) -> np.ndarray:
    return np.sqrt((gradient**2).sum(axis=(1, 2)))


def _conjugate(objective: _Objective, gradient: np.ndarray, exactly: np.ndarray, kind: type) -> np.ndarray:
    """Solve Newton's step by conjugate gradients in a kind of numbers, each row as exactly as it is asked to."""
    scale = objective.diagonal().astype(kind)
    size = _norm(gradient)[:, None, None]
    residual = (-gradient / size).astype(kind)
    step = np.zeros_like(residual)
    direction = residual / scale
    product = first = (residual * direction).sum(axis=(1, 2))
    for _ in range(_GRADIENTS):
        active = product > exactly**2 * first
        if not active.any():
            break
        curved = objective.curved(direction)
        along = (direction * curved).sum(axis=(1, 2))
        # Where a row has ended, or rounding alone is left of it, it stays.
        length = np.divide(product, along, out=np.zeros_like(product), where=active & (along > 0))[:, None, None]
        step += length * direction
        residual -= length * curved
        scaled = residual / scale
        now = (residual * scaled).sum(axis=(1, 2))
        turn = np.divide(now, product, out=np.zeros_like(product), where=active)
        direction = scaled + turn[:, None, None] * direction
        product = np.where(active, now, product)
    return step * size


def _down(
    objective: _Objective, weights: np.ndarray, step: np.ndarray, value: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Go as far along each row's step as it leads downwards, all the way if it may be; give weights and value there."""
    far = np.ones(len(weights))
    for _ in range(_HALVINGS):
        there = weights + far[:, None, None] * step
        now = objective.go(there)
        # Close to the minimum, values differ by rounding alone.
        upwards = now > value + 1e-4 * far * slope + 1e-12 * abs(value)
        if not upwards.any():
            break
        far[upwards] /= 2
    return there, now
