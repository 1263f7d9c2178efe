"""Linear classifiers of many layers at once, in closed form, which can be made blind to directions.

Least squares on indicators of the classes, with a ridge: the directions are those of a linear discriminant analysis
with a shrunken covariance (Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", section 4.3). With
A = X'X + r I and C = X'Y, both centred, the weights are inv(A) C. Those of features from which the columns of an
orthonormal N are projected away are K C, where K is the inverse of A on what is left:
K <- K - K N inv(N' K N) N' K. So nothing is fitted again, however often something is taken away.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

RIDGE = 0.1  # of the mean variance


class Reader:
    """Classifiers of the rows of ``x``.

    Parameters
    ----------
    x : ndarray, shape (layers, utterances, dim)
        Features.
    y : ndarray of int, shape (utterances,)
        Class indices, from 0.
    balanced : bool
        Whether classes count alike, however many utterances they have.

    Attributes
    ----------
    weights : ndarray of float64, shape (layers, dim, classes)
        They lie in the complement of all that was forgotten.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, balanced: bool = False):
        indicators = np.eye(int(y.max()) + 1)[y]
        share = indicators.mean(axis=0)
        weight = (indicators / (share * len(share))).sum(axis=1) if balanced else np.ones(len(y))
        self._prior = weight @ indicators / len(y)
        self._mean = (weight / len(y)) @ x.astype(np.float64)
        # Products in the precision of the features; all that is solved, in double.
        root = np.sqrt(weight).astype(x.dtype)[:, None]
        x = (x - self._mean[:, None].astype(x.dtype)) * root
        self._inverse = np.stack([_inverse(own.T @ own) for own in x])
        self.weights = self._inverse @ (x.transpose(0, 2, 1) @ (root * (indicators - self._prior)).astype(x.dtype))

    def copy(self) -> Reader:
        """Give one that forgets for itself."""
        other = copy.copy(self)
        other._inverse, other.weights = self._inverse.copy(), self.weights.copy()
        return other

    def forget(self, directions: np.ndarray) -> None:
        """Become the classifiers of features without some directions.

        Parameters
        ----------
        directions : ndarray, shape (layers, dim, number)
            Orthonormal, and orthogonal to those forgotten before; columns of zeros stand for none.
        """
        turned = directions.transpose(0, 2, 1)
        there = self._inverse @ directions
        gone = there @ np.linalg.pinv(turned @ there, hermitian=True)
        self.weights -= gone @ (turned @ self.weights)
        self._inverse -= gone @ there.transpose(0, 2, 1)

    def classify(self, x: np.ndarray) -> np.ndarray:
        """Name the class of each utterance of x, (layers, utterances, dim) or of one layer for all: (layers, n)."""
        offset = self._prior - np.einsum("ld,ldk->lk", self._mean, self.weights)
        return (x @ self.weights + offset[:, None]).argmax(axis=2)


def hold_out(y: np.ndarray, order: np.ndarray, every: int = 3) -> np.ndarray:
    """Choose one in so many utterances of each class, never the only one, going through them in an order."""
    held = np.zeros(len(y), dtype=bool)
    for own in range(int(y.max()) + 1):
        rows = np.flatnonzero(y == own)
        held[rows[np.argsort(order[rows], kind="stable")][1::every]] = True
    return held


def numbered(names: Sequence[str]) -> np.ndarray:
    """Number names by their first place, so that what they are called does not count."""
    index = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([index[name] for name in names])


def _inverse(gram: np.ndarray) -> np.ndarray:
    """Invert a matrix of products with the ridge on its diagonal."""
    from scipy.linalg import lapack

    gram = gram.astype(np.float64)
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram) + 1e-12
    triangle, _ = lapack.dpotri(lapack.dpotrf(gram)[0])
    above = np.triu(triangle)
    return above + np.triu(above, 1).T
