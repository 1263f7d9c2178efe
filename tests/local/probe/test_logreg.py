"""The logistic regression is at its optimum, and one that is not there stops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

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


def solve(x: np.ndarray, y: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Fit one: its matrix, bias and steps."""
    (matrix, bias), steps = logreg.fit(torch.from_numpy(np.float32(x))[None], torch.from_numpy(y), [c])
    return matrix[0].double().numpy(), bias[0, :, 0].double().numpy(), int(steps)


@pytest.mark.parametrize("dim", [96, 300])  # fewer than utterances, and more
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_the_gradient_has_vanished_where_it_stops(classes: int, c: float, dim: int) -> None:
    x, y = speech_like(classes, dim=dim)
    matrix, bias, _ = solve(x, y, c)
    # By differences, from the objective alone.
    first = classes == 2
    flat = np.hstack([matrix, bias[:, None]])[first:].ravel()
    assert first == (not matrix[0].any())
    x64 = x.astype(np.float64)

    def slope(at: np.ndarray, axis: int, step: float = 1e-4) -> float:
        moved = [objective(at + sign * step * (np.arange(len(at)) == axis), x64, y, c, classes) for sign in (1, -1)]
        return (moved[0] - moved[1]) / (2 * step)

    axes = range(0, len(flat), 7 if dim < 100 else 61)
    left, before = (np.linalg.norm([slope(at, axis) for axis in axes]) for at in (flat, 0 * flat))
    assert left < 2e-6 * before  # weights are kept in float32


@pytest.mark.parametrize(("n", "dim"), [(60, 256), (200, 96), (40, 1)])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("c", [0.001, 1.0, 30.0])
def test_it_is_scikit_learns(n: int, dim: int, classes: int, c: float) -> None:
    x, y = speech_like(classes, n, dim)
    matrix, bias, _ = solve(x, y, c)
    theirs = LogisticRegression(C=c, tol=1e-10, max_iter=10_000, solver="newton-cg").fit(x.astype(np.float64), y)
    ours = softmax(x @ matrix.T + bias, axis=1)
    assert np.abs(ours - theirs.predict_proba(x.astype(np.float64))).max() < 2e-6


def test_copies_and_a_dimension_that_never_changes_are_no_trouble() -> None:
    x, y = speech_like(4, 60, 256)
    x, y = np.vstack([x, x[:20]]), np.append(y, y[:20])
    x[:, 3] = 0
    matrix, bias, _ = solve(x, y, 1.0)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000, solver="newton-cg").fit(x.astype(np.float64), y)
    assert np.abs(softmax(x @ matrix.T + bias, axis=1) - theirs.predict_proba(x.astype(np.float64))).max() < 2e-6


def test_what_float32_does_not_solve_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A penalty that hardly counts: the second derivative is a million times as large one way as another."""
    x, y = speech_like(4, 37, 40)
    matrix, bias, steps = solve(x, y, 1e7)
    assert logreg._ROUGH_STEPS < steps < 40
    theirs = LogisticRegression(C=1e7, tol=1e-12, max_iter=10_000, solver="newton-cg").fit(x.astype(np.float64), y)
    assert np.abs(softmax(x @ matrix.T + bias, axis=1) - theirs.predict_proba(x.astype(np.float64))).max() < 2e-6
    monkeypatch.setattr(logreg, "_ROUGH_STEPS", 40)
    monkeypatch.setattr(logreg, "STEPS", 40)
    with pytest.raises(UserError, match="not converged"):
        solve(x, y, 1e7)


def test_another_optimiser_finds_no_better_place() -> None:
    x, y = speech_like(3, n=90, dim=8)
    x64 = x.astype(np.float64)
    matrix, bias, _ = solve(x64, y, 1.0)
    found = objective(np.hstack([matrix, bias[:, None]]).ravel(), x64, y, 1.0, 3)
    best = minimize(objective, np.zeros(3 * 9), (x64, y, 1.0, 3), tol=1e-12).fun
    assert found <= best + 1e-8


@pytest.mark.parametrize("dim", [96, 300])
def test_layers_and_strengths_are_fitted_each_on_its_own(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, however many go together."""
    parts, y = [speech_like(4, dim=dim, seed=seed)[0] for seed in range(3)], speech_like(4)[1]
    x, labels = torch.from_numpy(np.stack(parts)), torch.from_numpy(y)
    for at_once in (1, 2 * parts[0].size, 2**30):
        monkeypatch.setattr(logreg, "_AT_ONCE", at_once)
        fits = logreg.train_together([Lesson(x, labels, x, labels)], [0.1, 1.0])
        for c, fit in zip([0.1, 1.0], fits, strict=True):
            for layer, part in enumerate(parts):
                matrix, bias, steps = solve(part, y, c)
                assert np.array_equal(fit.weights[0][0][layer].double().numpy(), matrix)
                assert np.array_equal(fit.weights[0][1][layer, :, 0].double().numpy(), bias)
                assert int(fit.epoch[layer]) == steps


def test_one_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logreg, "STEPS", 2)
    x, y = speech_like(4)
    with pytest.raises(UserError, match=r"probe.logreg_c 100: .* not converged after 2 steps: .* lower it"):
        solve(x, y, 100.0)


@pytest.mark.parametrize("c", [0.001, 1.0, 100.0])
def test_features_that_tell_nothing_leave_weights_of_zero(c: float) -> None:
    """Every sentence in every emotion, as often: the gradient at zero is rounding, and so is what is left of it."""
    rng = np.random.default_rng(0)
    sentences = rng.standard_normal((10, 30))
    x, y = np.repeat(sentences, 4, axis=0), np.tile(np.arange(4), 10)
    matrix, bias, _ = solve((x - x.mean(axis=0)) / x.std(axis=0), y, c)
    assert abs(matrix).max() < 1e-6 and np.ptp(bias) < 1e-6


@pytest.mark.parametrize(("seed", "n", "dim", "c", "left"), [(7, 110, 96, 1.0, 1e-7), (3, 110, 96, 0.001, 1e-3)])
def test_what_is_left_of_emotions_is_fitted_too(seed: int, n: int, dim: int, c: float, left: float) -> None:
    """The directions of class means all but erased, in a space of eight dimensions of 96."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.normal(size=(n, 8)) @ (rng.normal(size=(8, dim)) / (1 + np.arange(8))[:, None] ** 0.5)
    x = (x - x.mean(0)) / x.std(0)
    means = np.stack([x[y == label].mean(0) for label in range(4)])
    directions, _ = np.linalg.qr((means - means.mean(0)).T)
    x = np.float32(x - (1 - left) * (x @ directions) @ directions.T)
    matrix, bias, _ = solve(x, y, c)
    theirs = LogisticRegression(C=c, tol=1e-12, max_iter=10_000, solver="newton-cg").fit(x.astype(np.float64), y)
    assert np.abs(softmax(x @ matrix.T + bias, axis=1) - theirs.predict_proba(x.astype(np.float64))).max() < 2e-6


def test_features_whose_classes_have_one_mean_are_fitted_too() -> None:
    """As after an erasure of emotions: the gradient at zero is tiny, and not asked to shrink as far again."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((160, 60)), np.arange(160) % 4
    for label in range(4):
        x[y == label] -= x[y == label].mean(axis=0) * (1 - 1e-7)
    matrix, _, _ = solve(x / x.std(axis=0), y, 0.01)
    assert abs(matrix).max() < 1e-5
