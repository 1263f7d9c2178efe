"""Standardisation of features, dimension by dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scaling:
    """Mean and scale of every layer and dimension, each of shape (layers, 1, dim)."""

    mean: np.ndarray
    scale: np.ndarray

    def apply(self, x: np.ndarray) -> None:
        """Standardise x, shape (layers, utterances, dim), in place."""
        x -= self.mean
        x /= self.scale


def measure(x: np.ndarray) -> Scaling:
    """Measure the mean and the standard deviation of features over utterances.

    Parameters
    ----------
    x : ndarray of float32, shape (layers, utterances, dim)
        Left as it is.

    Returns
    -------
    Scaling
        In a dimension that does not vary the scale is 1.
    """
    mean = x.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = np.empty_like(mean)
    for layer, (features, centre) in enumerate(zip(x, mean, strict=True)):
        squares = np.square(features - centre)
        deviation[layer] = np.sqrt(squares.mean(axis=0, dtype=np.float64))
    # What is left of a constant by rounding must not be blown up to unit variance.
    varies = deviation > 1e-6 * np.abs(mean)
    return Scaling(mean, np.where(varies, deviation, np.float32(1)))
