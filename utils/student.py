"""Student's t distribution: the values of ``scipy.stats.t``, which spends most of its time on looking at arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def quantile(p: ArrayLike, df: ArrayLike) -> np.ndarray:
    """Point that t stays below with a chance.

    Parameters
    ----------
    p : array_like of float
        The chance, between 0 and 1 exclusively.
    df : array_like of float
        Degrees of freedom; the normal distribution's point where they are infinite, NaN where they are not positive.

    Returns
    -------
    ndarray of float, of the two broadcast; a scalar for scalars

    Examples
    --------
    >>> round(float(quantile(0.975, 10)), 3)
    2.228
    """
    from scipy import special

    df = np.asarray(df, dtype=float)
    return np.where(np.isinf(df), special.ndtri(p), special.stdtrit(df, p))[()]


def tail(t: ArrayLike, df: ArrayLike) -> np.ndarray:
    """Chance to be above t; parameters and what is given as of :func:`quantile`.

    Examples
    --------
    >>> round(float(tail(2.228, 10)), 3)
    0.025
    """
    from scipy import special

    return special.stdtr(df, -np.asarray(t, dtype=float))
