"""Calibration against scikit-learn, brute force, and posteriors that are right by construction."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from utils import calibration


def drawn(rng: np.random.Generator, n: int, sharp: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from their posteriors, so that these are right; ``sharp`` then makes them too sure, or less."""
    posteriors = rng.dirichlet(np.full(4, 0.7), n)
    reference = (rng.random(n)[:, None] > posteriors.cumsum(axis=1)).sum(axis=1).clip(max=3)
    powered = posteriors**sharp
    return reference, powered / powered.sum(axis=1, keepdims=True)


def said(reference: np.ndarray, posteriors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return posteriors.max(axis=1), posteriors.argmax(axis=1) == reference


def test_brier_and_log_loss_are_those_of_scikit_learn() -> None:
    reference, posteriors = drawn(np.random.default_rng(0), 300)
    expected = metrics.brier_score_loss(reference, posteriors, labels=range(4), scale_by_half=False)
    assert calibration.brier(reference, posteriors).mean() == pytest.approx(expected)
    assert calibration.log_loss(reference, posteriors).mean() == pytest.approx(metrics.log_loss(reference, posteriors))
    runs = np.stack([posteriors, posteriors[:, ::-1]])
    assert calibration.brier(reference, runs)[1] == pytest.approx(calibration.brier(reference, runs[1]))
    # What hyp rounded to 0.00000 is no proof that the system said never.
    assert calibration.log_loss(np.array([0]), np.array([[0.0, 1.0]]))[0] == pytest.approx(-np.log(5e-6))


def test_bins_are_those_of_scikit_learn_and_of_a_loop() -> None:
    reference, posteriors = drawn(np.random.default_rng(1), 500)
    confidence, correct = said(reference, posteriors)
    found = calibration.reliability(confidence, correct)
    share, mean = calibration_curve(correct, confidence, n_bins=15)
    held = found.n > 0
    assert (found.correct[held] / found.n[held]).tolist() == pytest.approx(share.tolist())
    assert (found.confidence[held] / found.n[held]).tolist() == pytest.approx(mean.tolist())
    ece = 0.0
    for b in range(15):
        own = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if own.any():
            ece += own.mean() * abs(confidence[own].mean() - correct[own].mean())
    assert found.ece == pytest.approx(ece)
    halves = [calibration.reliability(confidence[part], correct[part]) for part in (slice(200), slice(200, None))]
    assert (halves[0] + halves[1]).ece == pytest.approx(found.ece)


@pytest.mark.parametrize("n", [60, 600])
def test_the_ece_of_right_posteriors_is_what_chance_gives(n: int) -> None:
    rng = np.random.default_rng(2)
    seen, expected = [], []
    for _ in range(60):
        confidence, correct = said(*drawn(rng, n))
        seen.append(calibration.reliability(confidence, correct).ece)
        expected.append(calibration.expected_ece(confidence, rng))
    assert np.mean(seen) == pytest.approx(np.mean(expected), rel=0.08)
    # It is far from 0, and shrinks with the root of n.
    assert np.mean(expected) == pytest.approx({60: 0.14, 600: 0.045}[n], abs=0.015)


def test_posteriors_that_are_too_sure_are_far_above_chance() -> None:
    rng = np.random.default_rng(3)
    confidence, correct = said(*drawn(rng, 400, sharp=3.0))
    assert calibration.reliability(confidence, correct).ece > 2.5 * calibration.expected_ece(confidence, rng)
    assert confidence.mean() - correct.mean() > 0.1


def test_the_jackknife_leaves_out_one_block_at_a_time() -> None:
    rng = np.random.default_rng(4)
    confidence, correct = said(*drawn(rng, 200, sharp=2.0))
    block = rng.integers(0, 6, 200) * 3
    left = [calibration.reliability(confidence[block != b], correct[block != b]).ece for b in np.unique(block)]
    expected = np.sqrt(5 / 6 * ((left - np.mean(left)) ** 2).sum())
    assert calibration.jackknife(confidence, correct, block) == pytest.approx(expected)
    assert np.isnan(calibration.jackknife(confidence, correct, np.zeros(200)))
