"""Do people who sort the same items into classes agree, beyond chance? Fleiss' kappa and Krippendorff's alpha.

Both start from counts: how many people put each item into each class. Kappa needs as many people for every item; alpha
takes what there is, and leaves out items that fewer than two people judged.

Source: J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76, 1971; K.
Krippendorff, "Content Analysis", Sage 2004, chapter 11 (alpha for nominal data); A. F. Hayes, K. Krippendorff,
"Answering the call for a standard reliability measure for coding data", Communication Methods and Measures 1, 2007
(an interval by resampling; here whole items are drawn).
"""

from __future__ import annotations

import numpy as np


def fleiss_kappa(counts: np.ndarray) -> float:
    """Agreement of as many people on every item.

    Parameters
    ----------
    counts : ndarray of int, shape (items, classes)
        People who put the item into the class.

    Returns
    -------
    float
        1 for full agreement, 0 for chance; NaN where items have different numbers of people, fewer than two, or all
        are in one class.

    Examples
    --------
    >>> round(fleiss_kappa(np.array([[2, 0], [0, 2], [1, 1]])), 4)
    0.3333
    """
    counts = np.asarray(counts, dtype=float)
    people = counts.sum(axis=1)
    if not len(counts) or (people != people[0]).any() or people[0] < 2:
        return float("nan")
    observed = ((counts**2).sum(axis=1) - people[0]).mean() / (people[0] * (people[0] - 1))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((observed - chance) / (1 - chance)) if chance < 1 else float("nan")


def krippendorff_alpha(counts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Agreement of whoever judged the items, on nominal classes.

    Parameters
    ----------
    counts : ndarray of int, shape (items, classes)
        People who put the item into the class.
    weights : ndarray, optional, shape (replicates, items)
        How often each item counts; once where not given.

    Returns
    -------
    ndarray of float, shape (replicates,), or float
        NaN where no two judgements can be compared, or all are of one class.

    Examples
    --------
    >>> round(float(krippendorff_alpha(np.array([[2, 0], [0, 2], [1, 1]]))), 4)
    0.4444
    """
    counts = np.asarray(counts, dtype=float)
    counts = counts[compared := counts.sum(axis=1) > 1]
    rows = np.ones((1, len(counts))) if weights is None else np.asarray(weights, dtype=float)[:, compared]
    people = counts.sum(axis=1)
    apart = rows @ ((people**2 - (counts**2).sum(axis=1)) / np.maximum(people - 1, 1))
    classes = rows @ counts
    size = classes.sum(axis=1)
    chance = np.divide(size**2 - (classes**2).sum(axis=1), size - 1, out=np.zeros(len(rows)), where=size > 1)
    alpha = 1 - np.divide(apart, chance, out=np.full(len(rows), np.nan), where=chance > 0)
    return alpha[0] if weights is None else alpha


def alpha_interval(
    counts: np.ndarray, rng: np.random.Generator, resamples: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Ends of a percentile interval of alpha for other items and the same people.

    Parameters
    ----------
    counts : ndarray of int, shape (items, classes)
        As of :func:`krippendorff_alpha`.
    rng : Generator
        Source of the draws.
    resamples : int
        Draws of as many items.
    confidence : float
        Of the interval.

    Returns
    -------
    tuple of float
        NaN with fewer than three items, or where alpha is.
    """
    if len(counts) < 3 or np.isnan(krippendorff_alpha(counts)):
        return float("nan"), float("nan")
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(krippendorff_alpha(counts, weights), [tail, 100 - tail])
    return float(low), float(high)
