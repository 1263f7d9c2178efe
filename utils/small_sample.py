"""How much a variance between few speakers is worth: its bias and its degrees of freedom, from the design alone.

A score such as UA is a weighted sum of class means, sum_c w_c Y_c / N_c, over S blocks (speakers). Block s deviates by
d_s = sum_c w_c (y_sc - m_c n_sc) / (N_c sqrt(1 - n_sc / N_c)), where n_sc counts its utterances of class c and m_c is
the class's mean; the root is the "CR2" adjustment, which makes up for a block's part in the mean that it is compared
with. Then V = k sum_s d_s^2 estimates the score's variance, and (score - truth) / sqrt(V) is nearly t-distributed. With
unequal blocks, or a class that few of them hold, both k = 1 and S - 1 degrees of freedom are wrong. Here both come from
a working model of how blocks vary (normal, see ``_covariance``), under which V is made unbiased and the two-sided 5%
point of the ratio is worked out exactly; the degrees of freedom are those of the t distribution with that point.
Where all blocks are alike, whatever the model says, k = 1 and there are S - 1.

Source: R. M. Bell, D. F. McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples",
Survey Methodology 28, 2002 (the adjustment, and a working model for the degrees of freedom); J. P. Imhof, "Computing
the distribution of quadratic forms in normal variables", Biometrika 48, 1961 (the exact distribution); A. C. Cameron,
D. L. Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50, 2015 (a survey).
"""

from __future__ import annotations

import functools

import numpy as np

# The working model: within a block, means of two classes correlate by _SHARED; an utterance adds _NOISE times the
# variance between blocks; and the fewer (effective) blocks hold a class, the more they are taken to differ, by this
# power. docs/statistics.md says what was simulated with these values, and with others.
_SHARED, _NOISE, _RARE = 0.5, 2.0, 0.5
_LEVEL = 0.05  # of the point that the degrees of freedom reproduce


def design(totals: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Say what the sum of squared block deviations must be multiplied by, and its degrees of freedom.

    Parameters
    ----------
    totals : ndarray, shape (blocks, classes)
        Utterances of each class in each block.
    weights : ndarray, shape (classes,)
        How much each class counts in the score. Every class with a weight is held by at least two blocks.

    Returns
    -------
    tuple of float
        Factor (1 where blocks are alike) and degrees of freedom, at most blocks - 1.

    Examples
    --------
    >>> scale, df = design(np.full((6, 4), 10), np.full(4, 0.25))
    >>> round(scale, 6), round(df, 6)
    (1.0, 5.0)
    """
    totals = np.ascontiguousarray(totals, dtype=float)
    weights = np.ascontiguousarray(weights, dtype=float)
    return _design(totals.tobytes(), weights.tobytes(), totals.shape)


def deviations(totals: np.ndarray, weights: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Weigh each block's residuals into its deviation of the score, d_s in the head of this file.

    Parameters
    ----------
    totals : ndarray, shape (blocks, classes)
        Utterances of each class in each block.
    weights : ndarray, shape (classes,)
        How much each class counts. Every class with a weight is held by at least two blocks.
    residuals : ndarray, shape (blocks, ..., classes)
        y_sc - m_c n_sc.

    Returns
    -------
    ndarray of float, shape (blocks, ...)
    """
    used = weights != 0
    share = totals[:, used] / totals[:, used].sum(axis=0)
    factor = weights[used] / totals[:, used].sum(axis=0) / np.sqrt(1 - share)
    factor = factor.reshape(len(totals), *[1] * (residuals.ndim - 2), -1)
    return (residuals[..., used] * factor).sum(axis=-1)


@functools.lru_cache(maxsize=4096)
def _design(totals: bytes, weights: bytes, shape: tuple[int, int]) -> tuple[float, float]:
    counts = np.frombuffer(totals).reshape(shape)
    weight = np.frombuffer(weights)
    counts, weight = counts[:, weight != 0], weight[weight != 0]
    counts = counts[counts.sum(axis=1) > 0]
    size = counts.sum(axis=0)
    if counts.sum(axis=1).max() == 1:  # blocks are single utterances: Welch's formula
        parts = weight**2 / size
        return 1.0, float(parts.sum() ** 2 / (parts**2 / (size - 1)).sum())
    joint = _covariance(counts, weight)
    scale = joint[0, 0] / np.trace(joint[1:, 1:])
    return float(scale), _degrees(joint, scale)


def _covariance(counts: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Covariance of the score's error (first) and the blocks' deviations under the working model."""
    blocks, classes = counts.shape
    size = counts.sum(axis=0)
    share = counts / size
    effective = 1 / (share**2).sum(axis=0)
    spread = (effective.max() / effective) ** (_RARE / 2)
    correlation = _SHARED + (1 - _SHARED) * np.eye(classes)
    factor = weight / size
    # What a unit of error in block r and class c adds to the score and to the deviations of all blocks.
    maps = []
    for c in range(classes):
        own = np.eye(blocks) - share[:, [c]]
        maps.append(factor[c] * np.vstack([np.ones(blocks), own / np.sqrt(1 - share[:, [c]])]))
    joint = np.zeros((blocks + 1, blocks + 1))
    for c in range(classes):
        for d in range(classes):
            between = correlation[c, d] * spread[c] * spread[d] * counts[:, c] * counts[:, d]
            joint += (maps[c] * (between + (c == d) * _NOISE * counts[:, c])) @ maps[d].T
    return joint


def _degrees(joint: np.ndarray, scale: float) -> float:
    """Find the degrees of freedom whose t distribution has the same point as error / sqrt(scale x sum of squares)."""
    from scipy import optimize, stats

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
    low, high = (float(stats.t.ppf(1 - _LEVEL / 2, df)) for df in (most, fewest))
    if beyond(low) <= _LEVEL * (1 + 1e-4):
        return float(most)
    if beyond(high) >= _LEVEL:
        return fewest
    point = optimize.brentq(lambda point: beyond(point) - _LEVEL, low, high, xtol=1e-4)
    return float(optimize.brentq(lambda df: stats.t.ppf(1 - _LEVEL / 2, df) - point, fewest, most, xtol=1e-4))
