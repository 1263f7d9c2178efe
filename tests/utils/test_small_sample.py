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
    parts, _ = small_sample.linearise(URDU, EQUAL, residuals)
    scale = (parts**2).sum() / np.square(expected).sum()
    assert parts == pytest.approx(np.sqrt(scale) * np.array(expected)) and 1 < scale < 1.2


def residuals_of(sums: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class means, and residuals, of sums of shape (draws, blocks, classes)."""
    mean = sums.sum(axis=1) / totals.sum(axis=0)
    return mean, np.moveaxis(sums - mean[:, None] * totals, 1, 0)


@pytest.mark.parametrize("speakers", [3, 10, 43])
def test_equal_blocks_have_one_degree_of_freedom_less_than_there_are(speakers: int) -> None:
    totals = np.full((speakers, 4), 7)
    sums = np.random.default_rng(0).random((5, speakers, 4)) * [1, 1, 2, 5]
    mean, residuals = residuals_of(sums, totals)
    parts, df = small_sample.linearise(totals, EQUAL, residuals)
    assert df == pytest.approx(np.full(5, speakers - 1))
    assert np.sqrt((parts**2).sum(axis=0)) == pytest.approx(stats.sem(sums.mean(axis=-1) / 7, axis=1))


def test_single_utterances_are_welchs_test() -> None:
    totals = np.repeat(np.eye(2), [5, 12], axis=0)
    values = np.random.default_rng(0).random(17)
    expected = stats.ttest_ind(values[:5], values[5:], equal_var=False)
    mean, residuals = residuals_of((values[:, None] * totals)[None], totals)
    parts, df = small_sample.linearise(totals, np.array([1.0, -1.0]), residuals)
    assert df == pytest.approx(expected.df)
    assert (mean[:, 0] - mean[:, 1]) / np.sqrt((parts**2).sum(axis=0)) == pytest.approx(expected.statistic)


@pytest.mark.parametrize("sizes", [(30, 20, 10), (49, 30, 19, 2), (10, 10, 10, 10, 90), (5,) * 12])
def test_degrees_of_freedom_give_the_point_of_the_ratio(sizes: tuple[int, ...]) -> None:
    counts = np.array(sizes, dtype=float)[:, None]
    joint = small_sample._covariances(counts, np.ones(1))[0]
    scale = joint[0, 0] / np.trace(joint[1:, 1:])
    df = small_sample._degrees(joint, scale)
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(len(joint)), joint, 400_000, method="eigh")
    ratio = np.abs(draws[:, 0]) / np.sqrt(scale * (draws[:, 1:] ** 2).sum(axis=1))
    assert np.mean(ratio > stats.t.ppf(0.975, df)) == pytest.approx(0.05, abs=0.0015)


@pytest.mark.parametrize("totals", [URDU, URDU[:, 1:], URDU[:3, 1:]])
@pytest.mark.parametrize("rare", [1.0, 2.0])
def test_intervals_cover_when_blocks_vary_normally(totals: np.ndarray, rare: float) -> None:
    weights = np.full(totals.shape[1], 1 / totals.shape[1])
    rng, draws = np.random.default_rng(1), 40_000
    spread = np.array([rare, 1, 1, 1])[: totals.shape[1]]
    shared, own = rng.standard_normal((draws, len(totals), 1)), rng.standard_normal((draws, *totals.shape))
    sums = totals * spread * np.sqrt(0.5) * (shared + own) + np.sqrt(2 * totals) * rng.standard_normal(own.shape)
    mean, residuals = residuals_of(sums, totals)
    parts, df = small_sample.linearise(totals, weights, residuals)
    variance, error = (parts**2).sum(axis=0), mean @ weights
    assert variance.mean() == pytest.approx(error.var(), rel=0.08)
    assert np.mean(np.abs(error) > stats.t.ppf(0.975, df) * np.sqrt(variance)) == pytest.approx(0.05, abs=0.012)


def test_a_class_that_few_hold_and_unequal_blocks_cost_degrees_of_freedom() -> None:
    sums = URDU * np.random.default_rng(0).random((1, *URDU.shape))
    weights = {"ua": EQUAL, "common": np.eye(4)[1], "rare": np.eye(4)[0]}
    _, residuals = residuals_of(sums, URDU)
    of = {name: small_sample.linearise(URDU, weight, residuals)[1][0] for name, weight in weights.items()}
    assert of["rare"] < 3 < of["ua"] < 6 and of["rare"] < of["common"] < 6
    _, residuals = residuals_of(sums * [3, 1, 1, 1], URDU)  # the class that few hold varies most
    assert of["rare"] < small_sample.linearise(URDU, EQUAL, residuals)[1][0] < of["ua"]
