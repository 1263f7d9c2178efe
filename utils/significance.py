"""Is one system better than another on the same utterances? Paired tests with speakers as blocks.

Source: E. W. Noreen, "Computer-Intensive Methods for Testing Hypotheses", Wiley 1989, chapter 2
(approximate randomisation); S. Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

import numpy as np

EXACT_BLOCKS = 16  # up to 2^15 sign patterns, which take milliseconds
_CHUNK = 4_000_000  # signs held at a time


def block_differences(hits_a: np.ndarray, hits_b: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Split the difference in UA into what each block contributes.

    Both systems were tested on the same utterances, so recalls share their denominators and the
    difference of pooled recalls is a plain sum over blocks.

    Parameters
    ----------
    hits_a, hits_b : ndarray, shape (blocks, classes)
        Utterances that each system recognised.
    totals : ndarray, shape (blocks, classes)
        Utterances.

    Returns
    -------
    ndarray of float, shape (blocks,)
        Sums to UA(a) - UA(b).

    Examples
    --------
    >>> block_differences(np.array([[2, 1]]), np.array([[1, 1]]), np.array([[2, 2]])).tolist()
    [0.25]
    """
    size = totals.sum(axis=0)
    present = size > 0
    return ((hits_a - hits_b)[:, present] / size[present]).mean(axis=1)


def randomisation_test(differences: np.ndarray, permutations: int, rng: np.random.Generator) -> float:
    """Two-sided p-value of a sum of block differences.

    Under the null hypothesis the two systems are exchangeable within a block, and exchanging them flips
    the sign of the block's difference. All 2^blocks patterns are enumerated when at most 16 blocks
    differ; otherwise ``permutations`` patterns are drawn, and p = (1 + as extreme) / (1 + drawn).

    Parameters
    ----------
    differences : ndarray, shape (blocks,)
        What each block contributes to the difference.
    permutations : int
        Patterns to draw where there are too many to enumerate.
    rng : Generator
        Source of the draws.

    Returns
    -------
    float
        With B blocks at least 2 / 2^B, however large the difference is.

    Examples
    --------
    >>> randomisation_test(np.array([0.1, 0.2, 0.3]), 1000, np.random.default_rng(0))
    0.25
    """
    differences = differences[differences != 0]
    blocks = len(differences)
    if not blocks:
        return 1.0
    # Sums of the same numbers in another order differ by rounding; they count as equal.
    threshold = abs(differences.sum()) - 1e-12
    if blocks <= EXACT_BLOCKS:
        # The first sign may stay: flipping all signs gives a sum that is as extreme.
        patterns = np.arange(2 ** (blocks - 1))[:, None] >> np.arange(blocks) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ differences) >= threshold))
    extreme, step = 0, max(1, _CHUNK // blocks)
    for start in range(0, permutations, step):
        signs = 1 - 2 * rng.integers(0, 2, (min(step, permutations - start), blocks), dtype=np.int8)
        extreme += int((np.abs(signs @ differences) >= threshold).sum())
    return (1 + extreme) / (1 + permutations)


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust the p-values of one family of tests, so that the chance of any false alarm stays bounded.

    Parameters
    ----------
    p : ndarray, shape (tests,)
        Of each test on its own.

    Returns
    -------
    ndarray of float, shape (tests,)

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
