"""Two dimensions of many, for figures: principal components, turned to lie as another plane does.

Source: P. H. Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31, 1966.
"""

from __future__ import annotations

import numpy as np

from local.representation.measures import Lists


def plane_of(train: Lists, test: Lists, rows: np.ndarray, like: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Project test utterances on the first two principal components of the sources' train lists.

    Parameters
    ----------
    train, test : Lists
        What components are of, and what is projected.
    rows : ndarray of int, shape (n,)
        Which test utterances.
    like : ndarray, shape (n, 2), optional
        Where they lie in another plane: this one is turned or mirrored to lie as near to it as can be.

    Returns
    -------
    ndarray, shape (n, 2)
        At a mean square distance of 1 from the mean of the train lists.
    float
        The share of the train lists' variance that both have.
    """
    own = train.x[~train.target].astype(np.float64)
    mean = own.mean(axis=0)
    _, sizes, axes = np.linalg.svd(own - mean, full_matrices=False)
    plane = (test.x[rows] - mean) @ axes[:2].T
    plane = plane / max(float(np.sqrt((plane**2).sum(axis=1).mean())), 1e-12)
    if like is not None:
        left, _, right = np.linalg.svd(plane.T @ like)
        plane = plane @ left @ right
    return plane, float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Take at most so many rows, at even distances."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
