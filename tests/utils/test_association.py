"""Rank correlation within strata: against scipy, intervals that cover, tests that alarm as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from utils.association import ceiling, permutation_test, rank_correlation


def test_is_spearmans_without_strata():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (2, 60))
    found = rank_correlation(x, y, np.arange(60) % 6)
    assert found.value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert found.low < found.value < found.high and found.df == 5


def test_strata_take_away_what_is_between_them():
    stratum = np.repeat([0, 1], 50)
    rng = np.random.default_rng(1)
    x, y = (rng.normal(0, 1, 100) + 10 * stratum for _ in range(2))
    block = np.tile(np.arange(10), 10)
    assert rank_correlation(x, y, block).value > 0.7
    assert abs(rank_correlation(x, y, block, stratum).value) < 0.25


def test_nothing_to_rank_and_too_few_blocks():
    assert np.isnan(rank_correlation(np.ones(9), np.arange(9), np.arange(9)).value)
    two = rank_correlation(np.arange(9), np.arange(9), np.arange(9) % 2)
    assert two.value == pytest.approx(1) and np.isnan(two.low)
    assert np.isnan(permutation_test(np.ones(9), np.arange(9), np.zeros(9), 9, 0))


def test_the_interval_covers_with_ten_blocks():
    # Items share their block's part in both numbers; the population's rank correlation is that of normal scores.
    rng, inside, runs = np.random.default_rng(2), 0, 300
    block = np.repeat(np.arange(10), 15)
    cov = np.array([[1, 0.5], [0.5, 1]])
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    for _ in range(runs):
        shared = rng.multivariate_normal([0, 0], cov * 0.2, 10)[block]
        x, y = (shared + rng.multivariate_normal([0, 0], cov * 0.8, len(block))).T
        found = rank_correlation(x, y, block)
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / runs <= 0.99


def test_permutations_alarm_as_often_as_they_say_and_see_what_is_there():
    rng = np.random.default_rng(3)
    stratum, cell = np.repeat([0, 1], 30), np.repeat(np.arange(6), 10)
    level = rng.normal(0, 2, 6)[cell]  # what a cell's items share is not exchanged
    p = [permutation_test(level + rng.normal(size=60), level + rng.normal(size=60), stratum, 99, seed, cell)
         for seed in range(200)]  # fmt: skip
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.1
    x = rng.normal(size=60)
    assert permutation_test(x, x + rng.normal(0, 0.3, 60), stratum, 199, 0, cell) == 1 / 200


def test_the_ceiling_is_what_the_truth_correlates_with_shares():
    rng = np.random.default_rng(4)
    truth = rng.beta(4, 2, 20000)
    share = rng.binomial(20, truth) / 20
    found = ceiling(share, np.full(len(truth), 20), np.zeros(len(truth)))
    assert found == pytest.approx(np.corrcoef(truth, share)[0, 1], abs=0.01)
    same = rng.binomial(20, 0.8, 20000) / 20
    assert ceiling(same, np.full(20000, 20), np.zeros(20000)) < 0.2
    assert np.isnan(ceiling(share, np.ones(20000), np.zeros(20000)))


def test_permutations_see_both_sides_of_what_cells_have_in_common():
    rng, stratum, cell = np.random.default_rng(2), np.repeat([0, 1], 40), np.repeat(np.arange(8), 10)
    level, own = rng.normal(size=8)[cell] * 3, rng.normal(size=80)
    for sign in (1, -1):
        y = level + sign * own + rng.normal(0, 0.2, 80)
        assert permutation_test(level + own, y, stratum, 199, 0, cell) == 1 / 200


def test_permutations_are_of_items_within_cells():
    """Against a plain loop over the same draws."""
    rng, cell = np.random.default_rng(5), np.array([2, 0, 1, 0, 2, 2, 1, 0, 1, 0, 3])
    x, y, stratum = rng.normal(size=11), rng.normal(size=11), (cell > 1).astype(int)
    a, b = (stats.rankdata(values) for values in (x, y))
    for group in (stratum, cell):
        a, b = (values - np.array([values[group == own].mean() for own in group]) for values in (a, b))
    draws, extreme = np.random.default_rng(7), 0
    for _ in range(1500):
        key = draws.random(11)
        mixed = b.copy()
        for own in range(4):
            places = np.flatnonzero(cell == own)
            mixed[places] = b[places[np.argsort(key[places])]]
        extreme += abs(a @ mixed) >= abs(a @ b) - 1e-9
    assert permutation_test(x, y, stratum, 1500, 7, cell) == (1 + extreme) / 1501
