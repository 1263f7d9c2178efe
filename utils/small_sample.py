"""How much a variance between few speakers is worth: its bias and its degrees of freedom.

A score such as UA is a weighted sum of class means, sum_c w_c Y_c / N_c, over S blocks (speakers). Block s deviates by
d_s = sum_c w_c (y_sc - m_c n_sc) / (N_c sqrt(1 - n_sc / N_c)), where n_sc counts its utterances of class c and m_c is
the class's mean; the root is the "CR2" adjustment, which makes up for a block's part in the mean that it is compared
with. Then V = k sum_s d_s^2 estimates the score's variance, and (score - truth) / sqrt(V) is nearly t-distributed. With
unequal blocks, or a class that few of them hold, both k = 1 and S - 1 degrees of freedom are wrong. Here both come from
a working model of how blocks vary, with normal distributions:

- k makes V unbiased under the model;
- Satterthwaite's formula, 2 (mean of V)^2 / (variance of V), gives degrees of freedom, where the model's classes vary
  as the data's are seen to;
- these count the error of the score as independent of V, which it is not where blocks are unequal. So they are
  multiplied by what the exact distribution of the ratio gives over what the formula gives, for the model before data:
  the degrees of freedom of the t distribution that has the ratio's two-sided 5% point.

Where all blocks are alike, whatever the model says, k = 1 and there are S - 1.

Source: R. M. Bell, D. F. McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples",
Survey Methodology 28, 2002 (the adjustment, and a working model for the degrees of freedom); J. P. Imhof, "Computing
the distribution of quadratic forms in normal variables", Biometrika 48, 1961 (the exact distribution); F. E.
Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946; A. C.
Cameron, D. L. Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50, 2015.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from utils import student

# The working model: within a block, means of two classes correlate by SHARED; an utterance adds _NOISE times the
# variance between blocks; the fewer (effective) blocks hold a class, the more they are taken to differ, by this power;
# and a class's variance is drawn to that of all classes as if _PRIOR more blocks had shown it. docs/statistics.md says
# what was simulated with these values.
SHARED, _NOISE, _RARE, _PRIOR = 0.5, 2.0, 0.75, 3.0
_LEVEL = 0.05  # of the point that the degrees of freedom reproduce


def linearise(totals: np.ndarray, weights: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give blocks' parts in the error of scores, whose squares sum to its variance, and its degrees of freedom.

    Parameters
    ----------
    totals : ndarray, shape (blocks, classes)
        Utterances of each class in each block.
    weights : ndarray, shape (classes,)
        How much each class counts in the score. Every class with a weight is held by at least two blocks.
    residuals : ndarray, shape (blocks, ..., classes)
        y_sc - m_c n_sc, of any number of scores.

    Returns
    -------
    tuple of ndarray, shapes (blocks, ...) and (...)
        Parts (sqrt(k) d_s) and degrees of freedom, at most blocks - 1.

    Examples
    --------
    >>> parts, df = linearise(np.array([[2], [2], [2]]), np.ones(1), np.array([[-0.5], [0.0], [0.5]]))
    >>> round(float((parts**2).sum()), 6), round(float(df), 6)  # of the mean of three blocks: 0.25^2 / 3
    (0.020833, 2.0)
    """
    used = np.asarray(weights) != 0
    counts = np.ascontiguousarray(totals[:, used], dtype=float)
    weight = np.ascontiguousarray(weights[used], dtype=float)
    size = counts.sum(axis=0)
    factor = weight / size / np.sqrt(1 - counts / size)
    deviations = residuals[..., used] * factor.reshape(len(factor), *[1] * (residuals.ndim - 2), -1)
    seen = (deviations**2).sum(axis=0)
    if counts.sum(axis=1).max() == 1:  # blocks are single utterances: Welch's formula
        doubt = (seen**2 / (size - 1)).sum(axis=-1)
        free = np.divide(seen.sum(axis=-1) ** 2, doubt, out=np.full(doubt.shape, len(counts) - 1.0), where=doubt > 0)
        return deviations.sum(axis=-1), free
    model = _model(counts.tobytes(), weight.tobytes(), counts.shape)
    return deviations.sum(axis=-1) * np.sqrt(model.scale), model.degrees(seen)


@dataclass(frozen=True)
class _Model:
    """The working model of a design, for pairs of classes, to be weighted by their standard deviations.

    Attributes
    ----------
    scale : float
        k in the head of this file, before data.
    traces : ndarray, shape (classes^2,)
        Mean of sum_s d_s^2.
    products : ndarray, shape (classes^2, classes^2)
        Half the variance of sum_s d_s^2.
    expected, effective, prior : ndarray, shape (classes,)
        Mean of a class's own sum of squares; its effective blocks; its standard deviation before data.
    ratio : float
        Exact degrees of freedom over Satterthwaite's, before data.
    most : float
        Degrees of freedom that there can be.
    """

    scale: float
    traces: np.ndarray
    products: np.ndarray
    expected: np.ndarray
    effective: np.ndarray
    prior: np.ndarray
    ratio: float
    most: float

    def degrees(self, seen: np.ndarray) -> np.ndarray:
        """Degrees of freedom, from the classes' sums of squares, shape (..., classes)."""
        pooled = seen.sum(axis=-1, keepdims=True) / self.expected.sum()
        known = self.effective - 1
        variance = (known * seen / self.expected + _PRIOR * pooled) / (known + _PRIOR)
        spread = self.prior * np.sqrt(np.where(pooled > 0, variance, 1.0))
        pairs = (spread[..., :, None] * spread[..., None, :]).reshape(*spread.shape[:-1], -1)
        # Sums and no matrix products, whose last digits depend on threads.
        quadruples = (pairs[..., :, None] * pairs[..., None, :]).reshape(*spread.shape[:-1], -1)
        satterthwaite = (pairs * self.traces).sum(axis=-1) ** 2 / (quadruples * self.products.ravel()).sum(axis=-1)
        return np.minimum(self.ratio * satterthwaite, self.most)


@functools.lru_cache(maxsize=1024)
def _model(counts: bytes, weight: bytes, shape: tuple[int, int]) -> _Model:
    table = np.frombuffer(counts).reshape(shape)
    table, weights = table[table.sum(axis=1) > 0], np.frombuffer(weight)
    classes, blocks = len(weights), len(table)
    share = table / table.sum(axis=0)
    effective = 1 / (share**2).sum(axis=0)
    prior = (effective.max() / effective) ** (_RARE / 2)
    joint = _covariances(table, weights)
    inner = joint[:, 1:, 1:].reshape(classes**2, -1)
    traces = np.trace(joint[:, 1:, 1:], axis1=1, axis2=2)
    products = inner @ inner.T
    pairs = np.outer(prior, prior).ravel()
    satterthwaite = (pairs @ traces) ** 2 / (pairs @ products @ pairs)
    scale = float(pairs @ joint[:, 0, 0] / (pairs @ traces))
    exact = _degrees(np.tensordot(pairs, joint, axes=1), scale)
    expected = traces.reshape(classes, classes).diagonal()
    return _Model(scale, traces, products, expected, effective, prior, exact / satterthwaite, blocks - 1.0)


def _covariances(counts: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Covariance of the score's error (first) and the blocks' deviations, by pair of classes of equal variance."""
    blocks, classes = counts.shape
    size = counts.sum(axis=0)
    share = counts / size
    # What a unit of error in block r and class c adds to the score and to the deviations of all blocks.
    maps = []
    for c in range(classes):
        own = (np.eye(blocks) - share[:, [c]]) / np.sqrt(1 - share[:, [c]])
        maps.append(weight[c] / size[c] * np.vstack([np.ones(blocks), own]))
    joint = np.empty((classes, classes, blocks + 1, blocks + 1))
    for c in range(classes):
        for d in range(classes):
            between = (1 if c == d else SHARED) * counts[:, c] * counts[:, d]
            joint[c, d] = (maps[c] * (between + (c == d) * _NOISE * counts[:, c])) @ maps[d].T
    return joint.reshape(classes**2, blocks + 1, blocks + 1)


def _degrees(joint: np.ndarray, scale: float) -> float:
    """Find the degrees of freedom whose t distribution has the same point as error / sqrt(scale x sum of squares)."""
    from scipy import optimize

    most = len(joint) - 2
    values, vectors = np.linalg.eigh(joint)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    signs = np.append(1.0, np.full(most + 1, -scale))
    grid = np.linspace(-14, 9, 700)

    def beyond(point: float) -> float:
        """Chance that error^2 - point^2 scale sum d^2 is positive: that the ratio exceeds the point."""
        form = (root * np.where(signs > 0, signs, signs * point**2)) @ root.T
        roots = np.linalg.eigvalsh(form) / joint[0, 0]
        # Imhof's integral over u = exp(grid).
        terms = roots[np.abs(roots) > 1e-12 * np.abs(roots).max(), None] * np.exp(grid)
        angle = np.arctan(terms).sum(axis=0) / 2
        damping = np.exp(-np.log1p(terms**2).sum(axis=0) / 4)
        inside = np.sin(angle) * damping
        return 0.5 + (inside[1:] + inside[:-1]).sum() * (grid[1] - grid[0]) / 2 / np.pi

    fewest = 0.5
    low, high = (float(student.quantile(1 - _LEVEL / 2, df)) for df in (most, fewest))
    if beyond(low) <= _LEVEL * (1 + 1e-4):
        return float(most)
    if beyond(high) >= _LEVEL:
        return fewest
    point = optimize.brentq(lambda point: beyond(point) - _LEVEL, low, high, xtol=1e-4)
    return float(optimize.brentq(lambda df: student.quantile(1 - _LEVEL / 2, df) - point, fewest, most, xtol=1e-4))
