"""Means over people and items: worked numbers, and intervals that cover with as few of both as listening tests have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from utils.two_way import estimate


def test_by_hand_with_classes_of_different_size_and_missing_scores():
    scores = np.array([[1, 0, 1, np.nan], [1, 1, 0, 0]])
    found = estimate(scores, np.array([0, 0, 0, 1]))
    assert found.value == pytest.approx((4 / 6 + 0) / 2)
    assert np.isnan(found.low)  # a class of one item
    assert found.persons == 2


def test_variances_by_hand():
    scores = np.array([[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    found = estimate(scores, np.zeros(4, dtype=int))
    # Of one class, it is the variance of people's own means over their number.
    assert found.people == pytest.approx(scores.mean(axis=1).var(ddof=1) / 3)
    assert found.low < found.value < found.high


def test_everybody_right_is_not_known_for_certain():
    found = estimate(np.ones((6, 48)), np.arange(48) % 4)
    assert found.value == found.high == 1 and 0.9 < found.low < 1


@pytest.mark.parametrize(
    ("people", "items", "spread"), [(6, 48, (0.6, 1.0)), (6, 48, (0.0, 1.2)), (12, 24, (1.0, 0.3))]
)
def test_the_interval_covers(people, items, spread):
    rng, inside, runs = np.random.default_rng(people), 0, 400
    nodes, share = np.polynomial.hermite_e.hermegauss(60)
    share, classes, levels = share / share.sum(), np.arange(items) % 4, np.array([0.4, 1.0, 1.6, 2.2])
    total = np.hypot(*spread)
    truth = np.mean([share @ special.expit(level + total * nodes) for level in levels])
    for _ in range(runs):
        ease = levels[classes] + rng.normal(0, spread[1], items) + rng.normal(0, spread[0], (people, 1))
        found = estimate((rng.random((people, items)) < special.expit(ease)).astype(float), classes)
        inside += found.low <= truth <= found.high
    assert 0.905 <= inside / runs <= 0.99
