"""Regressions that are pulled towards known weights, against scikit-learn and scipy on one head at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from local.probe import pulled

CLASSES = 4


def problem(k: int, dim: int, heads: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Utterances in rounds of one of each class, with classes some way apart."""
    rng = np.random.default_rng(seed)
    rounds = [np.concatenate([rng.permutation(CLASSES) for _ in range(k // CLASSES + 1)])[:k] for _ in range(heads)]
    y = np.stack(rounds)
    x = rng.standard_normal((heads, k, dim)) + rng.standard_normal((heads, CLASSES, dim))[np.arange(heads)[:, None], y]
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def test_from_zeros_a_head_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulled, "TOLERANCE", 1e-5)
    x, y = problem(k=30, dim=12)
    strengths = [0.003, 0.1, 1.0]
    found = pulled.fit(x, y, None, strengths, CLASSES)
    longer = np.concatenate([x.numpy(), np.full((3, 30, 1), np.sqrt(12))], axis=2).astype(float)
    part = np.arange(30) // CLASSES % 5
    for number, c in enumerate(strengths):
        for head in range(3):
            model = LogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(longer[head], y[head])
            np.testing.assert_allclose(found.matrix[number, head], model.coef_[:, :-1], atol=2e-3)
            np.testing.assert_allclose(found.bias[number, head, :, 0], model.coef_[:, -1] * np.sqrt(12), atol=2e-3)
            for fold in range(5):
                kept, left = part != fold, part == fold
                model.fit(longer[head][kept], y[head][kept])
                scores = longer[head][left] @ model.coef_.T
                np.testing.assert_allclose(found.left_out[number, head][:, left].T, scores, atol=1e-2)


def test_from_other_weights_a_head_is_the_least_of_its_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulled, "TOLERANCE", 1e-5)
    x, y = problem(k=10, dim=5, heads=1)
    start = torch.randn(1, CLASSES, 5, generator=torch.Generator().manual_seed(1)), torch.ones(1, CLASSES, 1)
    found = pulled.fit(x, y, start, [0.5], CLASSES)
    table, labels = x[0].double().numpy(), y[0].numpy()
    begin = np.concatenate([start[0][0].numpy(), start[1][0].numpy() / np.sqrt(5)], axis=1).astype(float)
    longer = np.concatenate([table, np.full((10, 1), np.sqrt(5))], axis=1)
    scores = longer @ begin.T
    begin /= (scores - scores.mean(axis=1, keepdims=True)).std()

    def objective(flat: np.ndarray) -> float:
        weights = flat.reshape(begin.shape)
        scores = longer @ weights.T
        losses = logsumexp(scores, axis=1) - scores[np.arange(10), labels]
        return 0.5 * losses.sum() + ((weights - begin) ** 2).sum() / 2

    best = minimize(objective, begin.ravel(), method="BFGS", options={"gtol": 1e-8}).x.reshape(begin.shape)
    np.testing.assert_allclose(found.matrix[0, 0], best[:, :-1], atol=1e-3)
    np.testing.assert_allclose(found.bias[0, 0, :, 0], best[:, -1] * np.sqrt(5), atol=1e-3)


def test_the_strength_leads_from_the_start_to_the_utterances() -> None:
    x, y = problem(k=8, dim=40, heads=2)
    start = torch.randn(2, CLASSES, 40, generator=torch.Generator().manual_seed(1)), torch.zeros(2, CLASSES, 1)
    found = pulled.fit(x, y, start, [1e-9, 1e-2, 1e2], CLASSES)
    begun = found.matrix[0]
    unit = [part / part.norm(dim=(1, 2), keepdim=True) for part in (begun, start[0])]
    assert torch.allclose(*unit, atol=1e-5)
    scores = torch.baddbmm(found.bias[0], begun, x.transpose(1, 2))
    assert torch.allclose((scores - scores.mean(1, keepdim=True)).square().mean((1, 2)), torch.ones(2), atol=1e-4)
    gone = (found.matrix - begun).norm(dim=(2, 3))
    assert (gone[1] > 0).all() and (gone[1] < gone[2]).all()
    said = (torch.baddbmm(found.bias[2], found.matrix[2], x.transpose(1, 2))).argmax(1)
    assert (said == y).all()
    # What moves lies in what the utterances span: eight directions of forty.
    assert torch.linalg.matrix_rank(torch.cat([x, found.matrix[2] - begun], 1), rtol=1e-4).tolist() == [8, 8]


def test_a_head_does_not_depend_on_which_others_are_beside_it() -> None:
    x, y = problem(k=25, dim=30, heads=4)
    together = pulled.fit(x, y, None, [0.01, 1.0], CLASSES)
    alone = pulled.fit(x[2:3], y[2:3], None, [0.01, 1.0], CLASSES)
    assert torch.allclose(together.matrix[:, 2:3], alone.matrix, atol=5e-3)
    assert (together.left_out[:, 2:3].argmax(2) == alone.left_out.argmax(2)).all()


@pytest.mark.parametrize(("k", "number"), [(4, 0), (5, 0), (7, 0), (8, 2), (10, 2), (19, 4), (25, 5), (500, 5)])
def test_as_many_folds_as_the_rarest_class_allows(k: int, number: int) -> None:
    assert pulled.folds(k, CLASSES) == number
    x, y = problem(k=min(k, 40), dim=3, heads=1)
    assert (pulled.fit(x, y, None, [0.1], CLASSES).left_out is None) == (number == 0)


def test_what_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulled, "ITERATIONS", 5)
    with pytest.raises(ArithmeticError, match="not converged after 5 iterations"):
        pulled.fit(*problem(k=20, dim=30), None, [10.0], CLASSES)
