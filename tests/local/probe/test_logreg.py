"""The logistic regression is at its optimum, and one that is not there stops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from local.probe import logreg
from local.probe.descent import Lesson
from utils.errors import UserError


def speech_like(classes: int, n: int = 200, dim: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated dimensions of very different strength, as an encoder's, standardised; classes overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    mix = rng.standard_normal((dim, dim)) / (1 + np.arange(dim))[:, None] ** 0.5
    x = (rng.standard_normal((n, dim)) + 0.4 * rng.standard_normal((classes, dim))[y]) @ mix
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32), y


def objective(flat: np.ndarray, x: np.ndarray, y: np.ndarray, c: float, classes: int) -> float:
    free = flat.reshape(-1, x.shape[1] + 1)
    free = np.vstack([np.zeros((classes - len(free), x.shape[1] + 1)), free])
    scores = x @ free[:, :-1].T + free[:, -1]
    loss = (logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]).sum()
    return c * loss + 0.5 * (free[:, :-1] ** 2).sum()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_the_gradient_has_vanished_where_it_stops(classes: int, c: float) -> None:
    x, y = speech_like(classes)
    matrix, bias, _ = logreg.solve(x.astype(np.float64), y, c)
    # By differences, from the objective alone.
    first = classes == 2
    flat = np.hstack([matrix, bias[:, None]])[first:].ravel()
    assert first == (not matrix[0].any())
    x64 = x.astype(np.float64)

    def slope(at: np.ndarray, axis: int, step: float = 1e-4) -> float:
        moved = [objective(at + sign * step * (np.arange(len(at)) == axis), x64, y, c, classes) for sign in (1, -1)]
        return (moved[0] - moved[1]) / (2 * step)

    axes = range(0, len(flat), 7)
    left, before = (np.linalg.norm([slope(at, axis) for axis in axes]) for at in (flat, 0 * flat))
    assert left < 1e-6 * before
    assert logreg.relative_gradient(x64, y, c, matrix, bias) < 1e-6


def test_another_optimiser_finds_no_better_place() -> None:
    x, y = speech_like(3, n=90, dim=8)
    x64 = x.astype(np.float64)
    matrix, bias, _ = logreg.solve(x64, y, 1.0)
    found = objective(np.hstack([matrix, bias[:, None]]).ravel(), x64, y, 1.0, 3)
    best = minimize(objective, np.zeros(3 * 9), (x64, y, 1.0, 3), tol=1e-12).fun
    assert found <= best + 1e-8


def test_layers_are_fitted_each_on_its_own() -> None:
    parts = [speech_like(4, seed=seed)[0] for seed in range(3)]
    y = speech_like(4)[1]
    x, labels = torch.from_numpy(np.stack(parts)), torch.from_numpy(y)
    fit = logreg.train_together([Lesson(x, labels, x, labels)], 1.0)
    for layer, part in enumerate(parts):
        matrix, bias, iterations = logreg.solve(part.astype(np.float64), y, 1.0)
        assert np.array_equal(fit.weights[0][0][layer].numpy(), matrix.astype(np.float32))
        assert np.array_equal(fit.weights[0][1][layer, :, 0].numpy(), bias.astype(np.float32))
        assert int(fit.epoch[layer]) == iterations


def test_one_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logreg, "MAX_ITERATIONS", 1)
    x, y = speech_like(4)
    with pytest.raises(UserError, match=r"probe.logreg_c 100: .* not converged after 4 iterations: .* lower it"):
        logreg.solve(x.astype(np.float64), y, 100.0)


@pytest.mark.parametrize("c", [0.001, 1.0, 100.0])
def test_features_that_tell_nothing_leave_weights_of_zero(c: float) -> None:
    """Every sentence in every emotion, as often: the gradient at zero is rounding, and so is what is left of it."""
    rng = np.random.default_rng(0)
    sentences = rng.standard_normal((10, 30))
    x, y = np.repeat(sentences, 4, axis=0), np.tile(np.arange(4), 10)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    for solvers in (logreg.SOLVERS, logreg.NESTED):
        matrix, bias, _ = logreg.solve(x, y, c, solvers)
        assert abs(matrix).max() < 1e-6 and np.ptp(bias) < 1e-6


@pytest.mark.parametrize(("seed", "n", "dim", "c", "left"), [(7, 110, 96, 1.0, 1e-7), (3, 110, 96, 0.001, 1e-3)])
def test_what_is_left_of_emotions_is_fitted_as_exactly(seed: int, n: int, dim: int, c: float, left: float) -> None:
    """The directions of class means all but erased: a solver's own tolerance is then coarser than what we ask."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.normal(size=(n, 8)) @ (rng.normal(size=(8, dim)) / (1 + np.arange(8))[:, None] ** 0.5)
    x = (x - x.mean(0)) / x.std(0)
    means = np.stack([x[y == label].mean(0) for label in range(4)])
    directions, _ = np.linalg.qr((means - means.mean(0)).T)
    x -= (1 - left) * (x @ directions) @ directions.T
    for solvers in (logreg.SOLVERS, logreg.NESTED):
        matrix, bias, _ = logreg.solve(x, y, c, solvers)
        assert logreg.relative_gradient(x, y, c, matrix, bias) < logreg.GRADIENT


def test_features_whose_classes_have_one_mean_are_fitted_too() -> None:
    """As after an erasure of emotions: the gradient at zero is tiny, and not asked to shrink as far again."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((160, 60)), np.arange(160) % 4
    for label in range(4):
        x[y == label] -= x[y == label].mean(axis=0) * (1 - 1e-7)
    matrix, _, _ = logreg.solve(x / x.std(axis=0), y, 0.01)
    assert abs(matrix).max() < 1e-5
