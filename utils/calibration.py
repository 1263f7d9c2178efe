"""Do posteriors mean what they say?  Calibration error, Brier score, log loss, and the bins of a reliability diagram.

All work on the posteriors of one run (a trained model), shape (utterances, classes), and the utterances' classes.

- The expected calibration error (ECE) is the mean distance between confidence (the largest posterior) and accuracy over
  15 bins of equal width, weighted by the utterances in them, as in Guo et al. 2017. It is a sum of absolute values, so
  a perfectly calibrated system does not have 0: :func:`expected_ece` says what it would have by chance.
- Overconfidence is mean confidence minus accuracy, which chance does not push either way: a mean over utterances, with
  intervals like any other.
- The Brier score is the mean squared distance between posteriors and the truth, from 0 to 2 (Brier 1950); log loss is
  the mean of -log of the posterior of the truth. Both reward being right and being calibrated at once.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017; G. W. Brier,
"Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950; R. Roelofs, N. Cain, J.
Shlens, M. C. Mozer, "Mitigating bias in calibration error estimation", AISTATS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
_DRAWS = 200  # of outcomes, behind the ECE by chance
_LEAST = 5e-6  # posteriors are kept with five decimals: 0.00000 is at most half of the last


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram; a sum of several is that of all their utterances.

    Attributes
    ----------
    n, confidence, correct : ndarray, shape (bins,)
        Utterances, the sum of their confidences, and how many of them were recognised.
    """

    n: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray

    def __add__(self, other: Reliability) -> Reliability:
        """Put utterances together."""
        return Reliability(self.n + other.n, self.confidence + other.confidence, self.correct + other.correct)

    @property
    def ece(self) -> float:
        """Expected calibration error."""
        return float(np.abs(self.confidence - self.correct).sum() / self.n.sum())


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Sort utterances into bins of equal width by confidence; a bin holds its upper edge.

    Parameters
    ----------
    confidence : ndarray, shape (utterances,)
        Between 0 and 1.
    correct : ndarray of bool, shape (utterances,)
        Whether each was recognised.
    bins : int
        How many.

    Returns
    -------
    Reliability

    Examples
    --------
    >>> found = reliability(np.array([0.6, 0.7, 0.9]), np.array([True, False, True]), bins=2)
    >>> found.n.tolist(), round(found.ece, 4)
    ([0, 3], 0.0667)
    """
    place = _bin(confidence, bins)
    sums = (np.bincount(place, weights, bins) for weights in (confidence, np.asarray(correct, dtype=float)))
    return Reliability(np.bincount(place, minlength=bins), *sums)


def expected_ece(confidence: np.ndarray, rng: np.random.Generator, bins: int = BINS) -> float:
    """ECE that utterances with these confidences have on average if each is right with just that chance.

    Parameters
    ----------
    confidence : ndarray, shape (utterances,)
        Between 0 and 1.
    rng : Generator
        Source of the draws.
    bins : int
        How many.

    Returns
    -------
    float
    """
    order = np.argsort(confidence, kind="stable")
    confidence = np.asarray(confidence, dtype=float)[order]
    starts = np.flatnonzero(np.diff(_bin(confidence, bins), prepend=-1))
    surplus = (rng.random((_DRAWS, len(confidence))) < confidence) - confidence
    return float(np.abs(np.add.reduceat(surplus, starts, axis=1)).sum(axis=1).mean() / len(confidence))


def jackknife(confidence: np.ndarray, correct: np.ndarray, block: np.ndarray, bins: int = BINS) -> float:
    """Give the standard error of ECE over blocks (speakers), leaving out one at a time; NaN of one block.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, chapter 11.
    """
    _, block = np.unique(block, return_inverse=True)
    size = int(block.max()) + 1
    if size < 2:
        return float("nan")
    cell = block * bins + _bin(confidence, bins)
    gap = np.bincount(cell, confidence - np.asarray(correct, dtype=float), size * bins).reshape(size, bins)
    n = np.bincount(block, minlength=size)
    without = np.abs(gap.sum(axis=0) - gap).sum(axis=1) / (n.sum() - n)
    return float(np.sqrt((size - 1) / size * ((without - without.mean()) ** 2).sum()))


def brier(reference: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
    """Squared distance of each utterance's posteriors from the truth, between 0 and 2.

    Parameters
    ----------
    reference : ndarray of int, shape (utterances,)
        Class of each.
    posteriors : ndarray, shape (..., utterances, classes)
        Each utterance's sum to 1.

    Returns
    -------
    ndarray of float, shape (..., utterances)

    Examples
    --------
    >>> brier(np.array([0]), np.array([[0.8, 0.2]])).round(2).tolist()
    [0.08]
    """
    truth = np.eye(posteriors.shape[-1])[reference]
    return ((posteriors - truth) ** 2).sum(axis=-1)


def log_loss(reference: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
    """-log of the posterior of each utterance's class, in nats; parameters and return as of :func:`brier`.

    A posterior that was rounded to 0 counts as half of the last of five decimals.
    """
    of_truth = np.take_along_axis(posteriors, np.broadcast_to(reference, posteriors.shape[:-1])[..., None], axis=-1)
    return -np.log(np.maximum(of_truth[..., 0], _LEAST))


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.ceil(np.asarray(confidence) * bins).astype(int) - 1, 0, bins - 1)
