"""Bias and degrees of freedom against matrices, Welch's formula and draws from the working model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from utils import small_sample

URDU = np.array([[49, 6, 8, 5], [30, 9, 7, 8], [19, 7, 7, 9], [2, 12, 8, 8], [0, 5, 9, 6], [0, 8, 8, 3], [0, 9, 4, 8]])
EQUAL = np.full(4, 0.25)


def test_deviations_are_those_of_the_adjusted_residuals_of_a_regression() -> None:
    """Bell and McCaffrey's definition, with matrices: (I - H)^(-1/2) within a block, for a regression on classes."""
    rng = np.random.default_rng(0)
    block, reference = (x.ravel() for x in np.indices(URDU.shape))
    block, reference = np.repeat(block, URDU.ravel()), np.repeat(reference, URDU.ravel())
    score = rng.random(len(block))
    regressors = np.eye(4)[reference]
    bread = np.linalg.inv(regressors.T @ regressors)
    residual = score - regressors @ bread @ regressors.T @ score
    expected = []
    for number in range(len(URDU)):
        inside = regressors[block == number]
        values, vectors = np.linalg.eigh(np.eye(len(inside)) - inside @ bread @ inside.T)
        adjusted = vectors @ (vectors.T @ residual[block == number] / np.sqrt(values))
        expected.append(EQUAL @ bread @ inside.T @ adjusted)
    residuals = np.zeros(URDU.shape)
    np.add.at(residuals, (block, reference), residual)
    assert small_sample.deviations(URDU, EQUAL, residuals) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("speakers", [3, 10, 43])
def test_equal_blocks_have_one_degree_of_freedom_less_than_there_are(speakers: int) -> None:
    assert small_sample.design(np.full((speakers, 4), 7), EQUAL) == pytest.approx((1, speakers - 1))


def test_single_utterances_have_welchs_degrees_of_freedom() -> None:
    totals = np.repeat(np.eye(2), [5, 12], axis=0)
    scale, df = small_sample.design(totals, np.array([1.0, -1.0]))
    # Samples with a variance of one.
    a, b = (stats.zscore(np.arange(n), ddof=1) for n in (5, 12))
    assert (scale, df) == pytest.approx((1, stats.ttest_ind(a, b, equal_var=False).df))


@pytest.mark.parametrize("totals", [URDU, URDU[:, 1:], URDU[:3, 1:], np.array([[40], [10], [5], [3]])])
def test_under_the_working_model_the_ratio_exceeds_its_point_in_one_of_twenty_draws(totals: np.ndarray) -> None:
    weights = np.full(totals.shape[1], 1 / totals.shape[1])
    rng = np.random.default_rng(1)
    scale, df = small_sample.design(totals, weights)
    effective = totals.sum(axis=0) ** 2 / (totals**2).sum(axis=0)
    spread = (effective.max() / effective) ** 0.25
    draws = 200_000
    shared, own = rng.standard_normal((draws, len(totals), 1)), rng.standard_normal((draws, *totals.shape))
    sums = totals * spread * np.sqrt(0.5) * (shared + own) + np.sqrt(2 * totals) * rng.standard_normal(own.shape)
    mean = sums.sum(axis=1) / totals.sum(axis=0)
    residuals = np.moveaxis(sums - mean[:, None] * totals, 1, 0)
    variance = scale * (small_sample.deviations(totals, weights, residuals) ** 2).sum(axis=0)
    error = mean @ weights
    assert variance.mean() == pytest.approx(error.var(), rel=0.02)
    assert np.mean(np.abs(error) > stats.t.ppf(0.975, df) * np.sqrt(variance)) == pytest.approx(0.05, abs=0.0025)


def test_a_class_that_few_hold_and_unequal_blocks_cost_degrees_of_freedom() -> None:
    of = {name: small_sample.design(URDU, np.array(weights))[1] for name, weights in
          {"ua": EQUAL, "common": (0, 1, 0, 0), "rare": (1, 0, 0, 0)}.items()}  # fmt: skip
    assert of["rare"] < 3 < of["ua"] < of["common"] < 6
