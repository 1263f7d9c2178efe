"""Standardisation of features: constants, and large means."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from local.representation.scaling import measure


def test_a_dimension_that_does_not_vary_is_centred_and_not_blown_up() -> None:
    x = np.random.default_rng(0).standard_normal((2, 50, 3)).astype(np.float32)
    x[0, :, 1], x[1, :, 2] = 1234.567, 0
    x[1, ::2, 0] = np.float32(1000)
    x[1, 1::2, 0] = np.nextafter(np.float32(1000), np.float32(2000))
    measure(x).apply(x)
    assert np.abs(x).max() < 5
    assert np.abs(x[0, :, 1]).max() < 1e-3
    assert (x[1, :, 2] == 0).all()


def test_large_means_keep_their_precision() -> None:
    x = (np.random.default_rng(0).standard_normal((1, 4000, 1)) + 1e4).astype(np.float32)
    expected = StandardScaler().fit(x[0].astype(np.float64))
    scaling = measure(x)
    assert scaling.scale[0, 0, 0] == pytest.approx(expected.scale_[0], rel=1e-5)
    assert scaling.mean[0, 0, 0] == pytest.approx(expected.mean_[0], rel=1e-7)
