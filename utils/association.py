"""Do two numbers go together over items, within strata, and how surely? Rank correlation with items in blocks.

Items of one block (clips of one speaker) resemble each other, so intervals leave out a block at a time, and a
permutation exchanges items of one stratum alone.

Source: B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981; R. A. Fisher, "On the
'probable error' of a coefficient of correlation", Metron 1, 1921 (the scale of the interval); P. Good, "Permutation,
Parametric and Bootstrap Tests of Hypotheses", Springer 2005, chapter 3 (blocks).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from utils import student

FEWEST = 3  # blocks that an interval needs
_LIMIT = 1 - 1e-9  # of a correlation on Fisher's scale
_PART = 1000  # permutations that are worked out together


@dataclass(frozen=True)
class Correlation:
    """A rank correlation; ``low`` to ``high`` is its interval, NaN with fewer than three blocks or nothing to rank."""

    value: float
    low: float
    high: float
    df: float


def rank_correlation(
    x: np.ndarray, y: np.ndarray, block: np.ndarray, stratum: np.ndarray | None = None, confidence: float = 0.95
) -> Correlation:
    """Correlate ranks, after taking the strata's mean ranks away, with a jackknife over blocks.

    Parameters
    ----------
    x, y : ndarray, shape (items,)
        What may go together.
    block : ndarray of int, shape (items,)
        The items' blocks; the interval is for other blocks.
    stratum : ndarray of int, optional, shape (items,)
        What is held fixed, such as the classes; without it, nothing, and this is Spearman's correlation.
    confidence : float
        Of the interval, by t with blocks - 1 degrees of freedom on Fisher's scale.

    Returns
    -------
    Correlation
        NaN where either is constant within all strata.

    Examples
    --------
    >>> rank_correlation(np.arange(4), np.array([1, 2, 4, 3]), np.arange(4)).value
    0.8
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    stratum = np.zeros(len(x), dtype=int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    value = _correlate(x, y, stratum)
    blocks = np.unique(block)
    if len(blocks) < FEWEST or np.isnan(value):
        return Correlation(value, np.nan, np.nan, np.nan)
    z = np.arctanh(np.clip(value, -_LIMIT, _LIMIT))
    kept = (np.asarray(block) != one for one in blocks)
    left = np.array([_correlate(x[own], y[own], stratum[own]) for own in kept])
    if np.isnan(left).any():
        return Correlation(value, np.nan, np.nan, np.nan)
    others = np.arctanh(np.clip(left, -_LIMIT, _LIMIT))
    df = len(blocks) - 1
    se = np.sqrt(df / len(blocks) * ((others - others.mean()) ** 2).sum())
    half = student.quantile((1 + confidence) / 2, df) * se
    return Correlation(value, float(np.tanh(z - half)), float(np.tanh(z + half)), df)


def permutation_test(
    x: np.ndarray, y: np.ndarray, stratum: np.ndarray, permutations: int, seed: int,
    exchanged: np.ndarray | None = None,
) -> float:  # fmt: skip
    """Two-sided p-value of :func:`rank_correlation`: x and y are independent within what is exchanged.

    What cells that are exchanged within have in common counts on neither side: a speaker whom both find easy, say.

    Parameters
    ----------
    x, y, stratum : ndarray, shape (items,)
        As of :func:`rank_correlation`.
    permutations : int
        Random ones; p = (1 + as extreme) / (1 + drawn).
    seed : int
        Of the draws.
    exchanged : ndarray of int, optional, shape (items,)
        Items of one value may change places; strata where not given. Each lies within one stratum.

    Returns
    -------
    float
        NaN where there is no correlation.
    """
    stratum = np.unique(stratum, return_inverse=True)[1]
    cells = stratum if exchanged is None else np.unique(exchanged, return_inverse=True)[1]
    a, b = (_centred(np.asarray(values, dtype=float), stratum) for values in (x, y))
    if not (a @ a and b @ b):
        return float("nan")
    # Ranks' sums of squares stay as they are, so that the product says it all; and so does what cells have in common,
    # which is taken away: without it chance lies around 0, and either side is as far.
    a, b = (_deviations(values, cells) for values in (a, b))
    observed = abs(a @ b) - 1e-9
    order = np.argsort(cells, kind="stable")
    reached = np.concatenate([np.abs(b[mixed] @ a[order]) for mixed in _orders(cells.tobytes(), permutations, seed)])
    return (1 + int((reached >= observed).sum())) / (1 + permutations)


@functools.lru_cache(maxsize=1)
def _orders(cells: bytes, permutations: int, seed: int) -> list[np.ndarray]:
    """Draw random orders of items within cells, in parts; what has the same items, one after another, shares them."""
    rng, cell = np.random.default_rng(seed), np.frombuffer(cells, dtype=np.intp)
    parts = [min(_PART, permutations - first) for first in range(0, permutations, _PART)]
    return [np.argsort(cell + rng.random((part, len(cell))), axis=1).astype(np.int32) for part in parts]


def ceiling(share: np.ndarray, number: np.ndarray, stratum: np.ndarray) -> float:
    """Highest correlation that anything could have with shares of so few people, within strata.

    An item's share of n people varies by p (1 - p) / n from one set of people to another. What is left of the variance
    between items of a stratum is true; the root of its part is what the truth itself would correlate with the shares.

    Parameters
    ----------
    share : ndarray, shape (items,)
        Of people, from 0 to 1.
    number : ndarray of int, shape (items,)
        Of people.
    stratum : ndarray of int, shape (items,)
        As of :func:`rank_correlation`.

    Returns
    -------
    float
        0 where items differ no more than chance would have it; NaN where nothing differs, or one person was asked.

    Source: C. Spearman, "The proof and measurement of association between two things", American Journal of Psychology
    15, 1904 (attenuation).
    """
    stratum = np.unique(stratum, return_inverse=True)[1]
    rest = share - (np.bincount(stratum, share) / np.bincount(stratum))[stratum]
    between = (rest**2).sum() / max(len(share) - stratum.max() - 1, 1)
    if not between or (np.asarray(number) < 2).any():
        return float("nan")
    chance = np.mean(share * (1 - share) / (np.asarray(number) - 1))
    return float(np.sqrt(max(0.0, 1 - chance / between)))


def _centred(values: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Ranks without their strata's means."""
    from scipy import stats

    return _deviations(stats.rankdata(values), stratum)


def _deviations(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    return values - (np.bincount(group, values) / np.maximum(np.bincount(group), 1))[group]


def _correlate(x: np.ndarray, y: np.ndarray, stratum: np.ndarray) -> float:
    a, b = _centred(x, stratum), _centred(y, stratum)
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 1e-9 else float("nan")
