"""Metrics of a classification, all read off one table of counts.

Every function but :func:`confusion` takes counts of shape (..., classes, classes), reference down and
hypothesis across, and works on any number of leading axes at once (layers, seeds, folds), which it keeps.
"""

from __future__ import annotations

import numpy as np


def confusion(reference: np.ndarray, hypothesis: np.ndarray, classes: int) -> np.ndarray:
    """Count how often each class was taken for each class.

    Parameters
    ----------
    reference : ndarray of int, shape (utterances,)
        Class indices from 0.
    hypothesis : ndarray of int, shape (..., utterances)
        Class indices from 0; leading axes are kept.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (..., classes, classes)
        Reference down, hypothesis across.

    Raises
    ------
    ValueError
        An index is not in 0..classes-1.

    Examples
    --------
    >>> confusion([0, 0, 1, 1], [[0, 1, 1, 1], [0, 0, 0, 0]], 2).tolist()
    [[[1, 1], [0, 2]], [[2, 0], [2, 0]]]
    """
    reference = np.asarray(reference, dtype=np.int64)
    hypothesis = np.asarray(hypothesis, dtype=np.int64)
    for name, values in (("reference", reference), ("hypothesis", hypothesis)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{name} holds a class that is not in 0..{classes - 1}")
    leading = hypothesis.shape[:-1]
    cells = (reference * classes + hypothesis).reshape(-1, reference.shape[-1])
    cells += np.arange(len(cells))[:, None] * classes**2
    counts = np.bincount(cells.ravel(), minlength=len(cells) * classes**2)
    return counts.reshape(*leading, classes, classes)


def recalls(counts: np.ndarray) -> np.ndarray:
    """Share of each class's utterances that were recognised as such, shape (..., classes).

    It is NaN for a class that the reference does not hold.

    Examples
    --------
    >>> recalls(np.array([[8, 2], [1, 3]])).tolist()
    [0.8, 0.75]
    """
    counts = np.asarray(counts, dtype=float)
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def unweighted_accuracy(counts: np.ndarray) -> np.ndarray:
    """UA: the mean of the classes' recalls, so that every class counts the same whatever its size.

    Classes that the reference does not hold are left out of the mean.

    Source: B. Schuller, S. Steidl, A. Batliner, "The INTERSPEECH 2009 Emotion Challenge", Interspeech 2009
    (there "unweighted average recall").

    Examples
    --------
    >>> float(unweighted_accuracy(np.array([[8, 2], [1, 3]])))
    0.775
    """
    values = recalls(counts)
    present = np.isfinite(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))


def weighted_accuracy(counts: np.ndarray) -> np.ndarray:
    """WA: the share of all utterances that were recognised, plain accuracy.

    Source: as :func:`unweighted_accuracy` (there "weighted average recall").

    Examples
    --------
    >>> round(float(weighted_accuracy(np.array([[8, 2], [1, 3]]))), 4)
    0.7857
    """
    counts = np.asarray(counts, dtype=float)
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean of the classes' F1 scores.

    A class's F1 is 2 x hits / (times in the reference + times in the hypothesis); a class that is in
    neither has none and is left out of the mean.

    Source: J. Opitz, S. Burst, "Macro F1 and Macro F1", arXiv:1911.03347 (their "averaged F1").

    Examples
    --------
    >>> round(float(macro_f1(np.array([[8, 2], [1, 3]]))), 4)
    0.7544
    """
    counts = np.asarray(counts, dtype=float)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    size = counts.sum(axis=-1) + counts.sum(axis=-2)
    scores = np.divide(2 * hits, size, out=np.zeros(size.shape), where=size > 0)
    return _ratio(scores.sum(axis=-1), (size > 0).sum(axis=-1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
