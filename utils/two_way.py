"""A mean over people and items, both drawn: its interval for other people and other items.

Every person gives every item (or some of them) a score between 0 and 1; items belong to classes, and the figure is the
mean of the classes' means, as UA is. Scores of one person go together, and so do scores of one item. The variance is
that over people, plus that over items (within their classes), less what is counted in both; it is never taken to be
less than either, nor less than that of as many scores that have nothing to do with each other.

Source: A. C. Cameron, J. B. Gelbach, D. L. Miller, "Robust inference with multiway clustering", Journal of Business and
Economic Statistics 29, 2011; H. H. Clark, "The language-as-fixed-effect fallacy", Journal of Verbal Learning and Verbal
Behavior 12, 1973; F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
Bulletin 2, 1946 (degrees of freedom).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils import student


@dataclass(frozen=True)
class TwoWay:
    """The figure, its interval (NaN with one person or an item a class) and what people and items add to the variance.

    ``people`` is the variance over people, of so many ``persons``.
    """

    value: float
    low: float
    high: float
    df: float
    people: float
    persons: int


def estimate(scores: np.ndarray, classes: np.ndarray, confidence: float = 0.95) -> TwoWay:
    """Average scores over classes, with an interval for other people and other items of the same classes.

    Parameters
    ----------
    scores : ndarray, shape (people, items)
        From 0 to 1; NaN where a person did not judge an item.
    classes : ndarray of int, shape (items,)
        What the items are; one class alone gives a plain mean.
    confidence : float
        Of the interval, by t on the scale of log odds.

    Returns
    -------
    TwoWay
        The interval is NaN with fewer than two people, or with a class of fewer than two items.
    """
    from scipy import special

    scores = np.asarray(scores, dtype=float)
    known = ~np.isnan(scores)
    scores, classes = scores[known.any(axis=1)], np.asarray(classes)
    known, heard = known[known.any(axis=1)], known.any(axis=0)
    scores, known, classes = scores[:, heard], known[:, heard], np.unique(classes[heard], return_inverse=True)[1]
    if not scores.size:
        return TwoWay(*[float("nan")] * 5, 0)
    member = np.eye(classes.max() + 1)[classes]
    filled, number = np.where(known, scores, 0), known.sum(axis=0) @ member
    means = filled.sum(axis=0) @ member / number
    value, kinds = float(means.mean()), len(means)
    parts = np.where(known, scores - means[classes], 0) / (number[classes] * kinds)
    items, people = member.sum(axis=0), len(scores)
    if people < 2 or items.min() < 2:
        return TwoWay(value, *[float("nan")] * 4, people)
    over_people = people / (people - 1) * (parts.sum(axis=1) ** 2).sum()
    over_items = (items / (items - 1) * (parts.sum(axis=0) ** 2 @ member)).sum()
    both = over_people + over_items - (parts**2).sum()
    centre = (means * number + 0.5 / kinds) / (number + 1 / kinds)
    alone = (centre * (1 - centre) / number).sum() / kinds**2
    variance = max(both, over_people, over_items, alone)
    doubt = over_people**2 / (people - 1) + over_items**2 / (len(classes) - kinds)
    df = (over_people + over_items) ** 2 / doubt if doubt and variance > alone else np.inf
    half = student.quantile((1 + confidence) / 2, df) * np.sqrt(variance)
    inner = (value * number.sum() + 0.5) / (number.sum() + 1)
    slope = half / (inner * (1 - inner))
    low, high = special.expit(special.logit(inner) - slope), special.expit(special.logit(inner) + slope)
    return TwoWay(value, min(float(low), value), max(float(high), value), float(df), float(over_people), people)
