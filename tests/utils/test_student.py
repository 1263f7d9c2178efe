"""The t distribution against scipy's own."""

from __future__ import annotations

import numpy as np
from scipy import stats

from utils import student

DF = np.array([0.5, 1.0, 1.7, 3.0, 12.4, 250.0, 1e6, np.inf, np.nan, 0.0, -1.0])
P = np.array([1e-9, 0.025, 0.5, 0.8, 0.975, 1 - 1e-7])[:, None]
T = np.array([-3.0, 0.0, 0.3, 2.0, 40.0, np.inf, np.nan])[:, None]


def test_values_are_those_of_scipy() -> None:
    np.testing.assert_allclose(student.quantile(P, DF), stats.t.ppf(P, DF), rtol=1e-15)
    np.testing.assert_allclose(student.tail(T, DF), stats.t.sf(T, DF), rtol=1e-13)
    assert isinstance(student.quantile(0.9, 4), float) and isinstance(student.tail(1.2, 4), float)
