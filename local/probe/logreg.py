"""The logistic regression of scikit-learn as a head, one a layer, in float64 and until its gradient has vanished."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from local.probe.descent import Fit, Lesson
from local.probe.heads import Linear, cross_entropy
from utils.errors import UserError

MAX_ITERATIONS = 10_000
# Norm of the gradient, as a share of that of weights that are all zero.
GRADIENT = 1e-6
# In this order; what the first leaves above GRADIENT, where its line search cannot see it, is for the second.
SOLVERS = ("lbfgs", "newton-cg")
NESTED = ("newton-cg", "lbfgs")  # for five times as many regressions: it is five times as fast, and as exact
# Of the solvers, per utterance. The first is enough for most; where little is there to be learnt it is as large as what
# is asked of the gradient.
_TOLERANCES = (1e-8, 1e-10)


def fit(
    x: torch.Tensor, y: torch.Tensor, strengths: Sequence[float], solvers: Sequence[str] = SOLVERS
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Fit one regression on every row of features, with an L2 penalty.

    Parameters
    ----------
    x : Tensor of float32, shape (layers, utterances, dim)
        Standardised features.
    y : Tensor of int64, shape (utterances,)
        Class indices; every class is there.
    strengths : sequence of float
        Inverse strength of the penalty of each row.
    solvers : sequence of str
        As of :func:`solve`.

    Returns
    -------
    weights : list of Tensor
        In the shapes of :class:`local.probe.heads.Linear`.
    iterations : Tensor of int64, shape (layers,)
        Of the solver.

    Raises
    ------
    UserError
        A regression does not converge.
    """
    rows = zip(x.numpy().astype(np.float64), strengths, strict=True)
    matrices, biases, iterations = zip(*(solve(features, y.numpy(), c, solvers) for features, c in rows), strict=True)
    weights = [torch.from_numpy(np.stack(parts)).float() for parts in (matrices, [bias[:, None] for bias in biases])]
    return weights, torch.tensor(iterations)


def train_together(lessons: Sequence[Lesson], c: float, solvers: Sequence[str] = SOLVERS) -> Fit:
    """Fit regressions on several training sets.

    Parameters
    ----------
    lessons : sequence of Lesson
        With as many rows each. The dev losses are averaged over all of their dev utterances.
    c : float
        Inverse strength of the penalty.
    solvers : sequence of str
        As of :func:`solve`.

    Returns
    -------
    Fit
        Weights of each lesson's heads; ``epoch`` counts the solver's iterations, ``dev_loss`` is the mean.

    Raises
    ------
    UserError
        A regression does not converge.
    """
    fits = [fit(one.x, one.y, [c] * len(one.x), solvers) for one in lessons]
    whole = sum(len(one.dev_y) for one in lessons)
    loss = sum(
        len(one.dev_y) / whole * cross_entropy(Linear.logits(weights, one.dev_x), one.dev_y)
        for one, (weights, _) in zip(lessons, fits, strict=True)
    )
    return Fit([weights for weights, _ in fits], torch.stack([number for _, number in fits]).amax(0), loss)


def solve(
    x: np.ndarray, y: np.ndarray, c: float, solvers: Sequence[str] = SOLVERS
) -> tuple[np.ndarray, np.ndarray, int]:
    """Fit one regression.

    Parameters
    ----------
    x : ndarray of float64, shape (utterances, dim)
        Standardised features.
    y : ndarray of int, shape (utterances,)
        Class indices; every class is there.
    c : float
        Inverse strength of the penalty.
    solvers : sequence of str
        Of scikit-learn, each from where the one before has stopped, and all once more with a smaller tolerance.

    Returns
    -------
    matrix : ndarray of float64, shape (classes, dim)
        Of two classes, the first's are zero.
    bias : ndarray of float64, shape (classes,)
    iterations : int

    Raises
    ------
    UserError
        It does not converge: the gradient's norm is not below :data:`GRADIENT` of what it was.
    """
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS, warm_start=True)
    pad = 1 if y.max() == 1 else 0  # of two classes it keeps the second's scores
    iterations = 0
    for tolerance, solver in itertools.product(_TOLERANCES, solvers):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the gradient is looked at instead
            model.set_params(tol=tolerance, solver=solver).fit(x, y)
        iterations += int(model.n_iter_[0])
        matrix, bias = np.pad(model.coef_, ((pad, 0), (0, 0))), np.pad(model.intercept_, (pad, 0))
        left = relative_gradient(x, y, c, matrix, bias)
        if left < GRADIENT:
            return matrix, bias, iterations
    raise UserError(
        f"probe.logreg_c {c:g}: the logistic regression has not converged after {iterations} iterations: {left:.1e} of "
        f"the gradient is left, not {GRADIENT:g}; lower it, or leave logreg out of probe.heads"
    )


def relative_gradient(x: np.ndarray, y: np.ndarray, c: float, matrix: np.ndarray, bias: np.ndarray) -> float:
    """Give the norm of the objective's gradient, over that of weights that are all zero; arguments as of :func:`solve`.

    The objective is ``c`` times the sum of cross entropies and half the squared norm of the matrix. Where features tell
    next to nothing of the classes, as after an erasure, weights of zero are all but the solution and the gradient there
    is little more than rounding: it counts as at least a hundredth of what errors and features could make of it.
    """

    def gradient(matrix: np.ndarray, bias: np.ndarray) -> float:
        errors = softmax(x @ matrix.T + bias, axis=1)
        errors[np.arange(len(y)), y] -= 1
        first = 1 if len(bias) == 2 else 0  # of two classes, the first's weights are no parameters
        parts = c * errors.T @ x + matrix, c * errors.sum(axis=0)
        return float(np.hypot(*(np.linalg.norm(part[first:]) for part in parts)))

    least = 1e-2 * c * np.linalg.norm(x) * np.sqrt(len(y))
    return gradient(matrix, bias) / max(gradient(0 * matrix, 0 * bias), least, np.finfo(float).tiny)
