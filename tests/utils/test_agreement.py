"""Agreement against other implementations, by hand, and against its definition by all pairs."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from utils.agreement import alpha_interval, fleiss_kappa, krippendorff_alpha


def random_counts(seed: int, people: int = 6, items: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, rng.dirichlet([0.5] * 4, items), size=items)


def by_pairs(counts: np.ndarray) -> float:
    """Alpha as it is defined: disagreements of pairs within items over those of all pairs of pairable values."""
    units = [[c for c, n in enumerate(row) for _ in range(n)] for row in counts if row.sum() > 1]
    values = [value for unit in units for value in unit]
    seen = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(values)
    chance = sum(a != b for a, b in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - seen / chance


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_statsmodels(seed):
    from statsmodels.stats.inter_rater import fleiss_kappa as theirs

    counts = random_counts(seed)
    assert fleiss_kappa(counts) == pytest.approx(theirs(counts), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_all_pairs_with_missing_judgements(seed):
    counts = np.random.default_rng(seed).integers(0, 3, (12, 4))  # from 0 to 8 people an item
    assert krippendorff_alpha(counts) == pytest.approx(by_pairs(counts), abs=1e-12)


def test_alpha_of_krippendorffs_own_example():
    # Four observers, twelve units, some missing: K. Krippendorff, "Computing Krippendorff's alpha-reliability", 2011.
    observers = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ])  # fmt: skip
    counts = np.stack([(observers == value).sum(axis=0) for value in range(1, 6)], axis=1)
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


def test_nothing_to_compare():
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [2, 0]]))) and np.isnan(fleiss_kappa(np.array([[2, 0], [2, 0]])))
    assert np.isnan(krippendorff_alpha(np.array([[1, 0], [0, 1]])))
    assert np.isnan(alpha_interval(np.array([[2, 0]] * 5), np.random.default_rng(0))[0])


def test_the_interval_of_alpha_covers():
    rng, inside = np.random.default_rng(1), 0
    skill = 0.7  # of each person; other answers are spread alike, so that alpha is ((4 p - 1) / 3)^2
    truth = ((4 * skill - 1) / 3) ** 2
    for _ in range(200):
        reference = rng.integers(0, 4, 48)
        said = np.where(rng.random((6, 48)) < skill, reference, (reference + rng.integers(1, 4, (6, 48))) % 4)
        counts = np.stack([(said == value).sum(axis=0) for value in range(4)], axis=1)
        low, high = alpha_interval(counts, rng, 500)
        inside += low <= truth <= high
    assert 0.89 <= inside / 200 <= 0.99
