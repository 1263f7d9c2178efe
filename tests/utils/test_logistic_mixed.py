"""The mixed logistic model: simulated differences are found again, and statsmodels finds the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from utils.logistic_mixed import fit

PEOPLE, ITEMS = 12, 40


def simulate(seed: int, apart: float = 1.0, spread: tuple[float, float] = (0.5, 1.0)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(PEOPLE), ITEMS), np.tile(np.arange(ITEMS), PEOPLE)
    group = (person >= PEOPLE // 2).astype(int)
    odds = 0.5 + apart * group + rng.normal(0, spread[0], PEOPLE)[person] + rng.normal(0, spread[1], ITEMS)[item]
    return (rng.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int), np.eye(2)[group], person, item


def test_without_random_effects_it_is_a_table():
    right, design, person, item = simulate(0, spread=(0, 0))
    found = fit(right, design, person, item)
    share = np.array([right[design[:, column] > 0].mean() for column in (0, 1)])
    assert found.effects == pytest.approx(np.log(share / (1 - share)), abs=0.15)
    assert found.spread[0] < 0.4


def test_the_difference_and_the_spreads_come_back_on_average():
    found = [fit(*simulate(seed)) for seed in range(12)]
    differences = np.array([own.contrast([-1, 1]) for own in found])
    assert abs(differences[:, 0].mean() - 1) < 0.25
    # The standard error is what differences scatter by.
    assert 0.6 < differences[:, 1].mean() / differences[:, 0].std(ddof=1) < 1.7
    assert np.mean([own.spread for own in found], axis=0) == pytest.approx((0.5, 1.0), abs=0.25)


def test_statsmodels_finds_the_same_and_is_too_sure():
    from scipy import sparse
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    right, design, person, item = simulate(3)
    ours = fit(right, design, person, item)
    owners = sparse.csr_matrix(np.hstack([np.eye(PEOPLE)[person], np.eye(ITEMS)[item]]))
    kinds = np.repeat([0, 1], [PEOPLE, ITEMS])
    theirs = BinomialBayesMixedGLM(right, design, owners, kinds, vcp_p=1, fe_p=10).fit_vb()
    value, se = ours.contrast([-1, 1])
    assert value == pytest.approx(theirs.fe_mean[1] - theirs.fe_mean[0], abs=0.15)
    assert ours.spread == pytest.approx(np.exp(theirs.vcp_mean), abs=0.3)
    assert np.hypot(*theirs.fe_sd) < se


def test_a_cell_without_a_mistake_is_finite():
    right, design, person, item = simulate(1)
    right[design[:, 1] > 0] = 1
    value, se = fit(right, design, person, item).contrast([-1, 1])
    assert 2 < value < 20 and np.isfinite(se)
