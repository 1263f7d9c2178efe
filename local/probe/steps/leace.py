"""Least-squares concept erasure: the smallest affine change after which no linear classifier beats a constant.

With S the covariance of x, C its covariance with the indicators of the classes, W = S^(-1/2) and P the projection on
the columns of W C, x becomes x - inv(W) P W (x - m), m the mean. S is shrunken towards its mean variance, optimally
where dimensions are about as many as utterances; classes are erased all the same.

Sources: N. Belrose and others, "LEACE: perfect linear concept erasure in closed form", NeurIPS 2023, theorem 4.3; T.
Bodnar, A. Gupta, N. Parolya, "On the strong convergence of the optimal linear shrinkage estimator for large dimensional
covariance matrix", Journal of Multivariate Analysis 132, 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_NOTHING = 1e-6  # of the largest singular value: below it there is no direction


def erase(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Learn what is to be erased.

    Parameters
    ----------
    x : ndarray, shape (layers, utterances, dim)
        Features.
    y : ndarray of int, shape (utterances,)
        Class indices, from 0.

    Returns
    -------
    callable
        Erases the classes from features of shape (layers, utterances, dim).
    """
    x = x.astype(np.float64)
    number, dim = x.shape[1:]
    mean = x.mean(axis=1, keepdims=True)
    x -= mean
    indicators = np.eye(int(y.max()) + 1)[y]
    variance, vectors = np.linalg.eigh(x.transpose(0, 2, 1) @ x / number)
    variance = np.maximum(variance, 0)
    level = variance.mean(axis=1, keepdims=True)
    squares = (variance**2).sum(axis=1, keepdims=True)
    # (sum of variances)^2 / n, over the squared distance of the covariance from its mean variance.
    shrunk = (dim * level) ** 2 / number / np.maximum(squares - dim * level**2, 1e-12 * squares)
    root = np.sqrt((1 - shrunk) * variance + shrunk * level)[:, :, None]
    turned = vectors.transpose(0, 2, 1)
    along, sizes, _ = np.linalg.svd(turned @ (x.transpose(0, 2, 1) @ indicators) / root, full_matrices=False)
    along *= (sizes > _NOTHING * sizes[:, :1])[:, None]
    gone, seen = vectors @ (root * along), vectors @ (along / root)
    return lambda own: (own - (own - mean) @ seen @ gone.transpose(0, 2, 1)).astype(own.dtype)
