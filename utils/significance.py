"""Is one system better than another on the same utterances? Paired tests with speakers as blocks.

Two tests of a difference: :func:`randomisation_test` assumes nothing about how speakers differ, but cannot go below
:func:`smallest_p`, which with four speakers is 0.125; :func:`t_test` is consistent with the interval of the difference
(``utils.estimates``) and has no such limit. A difference that is not significant may be too small to be seen
(:func:`detectable`) or shown to be small (:func:`equivalence`). utils/power.py says the same before there are data.

Source: E. W. Noreen, "Computer-Intensive Methods for Testing Hypotheses", Wiley 1989, chapter 2
(approximate randomisation); S. Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6, 1979; Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", Journal
of the Royal Statistical Society B 57, 1995; D. J. Schuirmann, "A comparison of the two one-sided tests procedure and
the power approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987 (equivalence).
"""

from __future__ import annotations

import functools

import numpy as np

from utils import student

EXACT_BLOCKS = 16  # up to 2^15 sign patterns, which take milliseconds
_CHUNK = 4_000_000  # signs held at a time
CORRECTED = ("p", "p_smallest", "diff", "se", "df")  # columns of a table of tests that :func:`correct_rows` takes


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


def smallest_p(blocks: int, permutations: int | None = None) -> float:
    """Smallest p-value that :func:`randomisation_test` can give with so many blocks, if all of them differ.

    Parameters
    ----------
    blocks : int
        Number of blocks.
    permutations : int, optional
        Patterns that are drawn where there are too many to enumerate; without, all are thought of.

    Examples
    --------
    >>> smallest_p(4), smallest_p(6)
    (0.125, 0.03125)
    """
    if permutations is not None and blocks > EXACT_BLOCKS:
        return 1 / (1 + permutations)
    return min(1.0, 2.0 ** (1 - blocks))


def t_test(value: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p-value of a difference: below 0.05 just where its 95% interval leaves out 0.

    Parameters
    ----------
    value, se, df : ndarray, shape (...)
        Difference, its standard error and degrees of freedom, as of ``utils.estimates.Estimate``.

    Returns
    -------
    ndarray of float, shape (...)
        NaN where there is no standard error; 1 where difference and standard error are 0.
    """
    value, se = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    ratio = np.divide(np.abs(value), se, out=np.where(value == 0, 0.0, np.inf), where=se != 0)
    return np.where(np.isnan(se), np.nan, 2 * student.tail(ratio, df))


def equivalence(value: np.ndarray, se: np.ndarray, df: np.ndarray, margin: float) -> np.ndarray:
    """p-value of the claim that two systems differ by less than a margin, by two one-sided t-tests.

    Parameters
    ----------
    value, se, df : ndarray, shape (...)
        As for :func:`t_test`.
    margin : float
        The difference, in either direction, that would matter; chosen before looking.

    Returns
    -------
    ndarray of float, shape (...)
        Below 0.05 just where the 90% interval lies within plus or minus the margin.

    Raises
    ------
    ValueError
        The margin is not positive.
    """
    if not margin > 0:
        raise ValueError(f"a margin of {margin}: give a positive one")
    inside = margin - np.abs(np.asarray(value, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(inside == 0, 0.0, inside / np.asarray(se, dtype=float))
    return np.where(np.isnan(se), np.nan, student.tail(ratio, df))


def detectable(se: np.ndarray, df: np.ndarray, power: float = 0.8, level: float = 0.05, tests: int = 1) -> np.ndarray:
    """Smallest true difference that :func:`t_test` would have called significant with the given power.

    Parameters
    ----------
    se, df : ndarray, shape (...)
        Of the difference.
    power : float
        Chance to see it.
    level : float
        Of the test.
    tests : int
        Size of the family that is corrected for; its first test must pass ``level / tests``, by Holm as by Bonferroni.

    Returns
    -------
    ndarray of float, shape (...)
        NaN where there is no standard error.
    """
    from scipy import special, stats

    se, df = np.broadcast_arrays(np.asarray(se, dtype=float), np.asarray(df, dtype=float))
    free = df[..., None]
    point = student.quantile(1 - level / tests / 2, free)
    # The noncentral t distribution as a mean over the standard error's own spread, which stays exact in its far tails.
    place, share = _nodes()
    with np.errstate(invalid="ignore"):
        spread = np.where(np.isinf(free), 1.0, np.sqrt(stats.chi2.ppf((place + 1) / 2, free) / free))
    low, high = np.zeros(df.shape), 4 * point[..., 0] + 10
    for _ in range(50):  # halvings
        middle = (low + high) / 2
        seen = special.ndtr(middle[..., None] - point * spread) + special.ndtr(-point * spread - middle[..., None])
        enough = seen @ share / 2 >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return se * high


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of Gauss's and Legendre's rule, which takes longer to be made than to be used."""
    return np.polynomial.legendre.leggauss(200)


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


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values of one family of tests: calling those below 0.05 lets in 5% of false alarms among the calls, on average.

    Parameters
    ----------
    p : ndarray, shape (tests,)
        Of each test on its own.

    Returns
    -------
    ndarray of float, shape (tests,)

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy import stats

    return stats.false_discovery_control(p)


def correct_rows(
    p: np.ndarray, smallest: np.ndarray, value: np.ndarray, se: np.ndarray, df: np.ndarray, margin: float,
    level: float = 0.05,
) -> list[dict[str, str]]:  # fmt: skip
    """Say of every test of a family what it is worth among the others, as columns of a table.

    Parameters
    ----------
    p, smallest : ndarray, shape (tests,)
        Of each test on its own, and the smallest that it could have had (:func:`smallest_p`).
    value, se, df : ndarray, shape (tests,)
        Of the differences; standard error and degrees of freedom NaN where there is no interval.
    margin : float
        The difference that would matter (:func:`equivalence`).
    level : float
        Of the tests.

    Returns
    -------
    list of dict of str to str
        A test each: ``family_size``; ``p_holm`` and ``q``; ``p_smallest``, as given, and ``p_holm_smallest``, what
        Holm's p would be if all tests had their smallest p: where it is at or above the level, nothing could have been
        significant; ``detectable`` and ``detectable_family``, alone and as the first of the family; ``margin``; of the
        two one-sided tests ``p_equivalent`` and, corrected as p is, ``p_equivalent_holm``; and ``equivalent``, 1 where
        the latter is below the level. What needs a standard error is empty without one; such a test counts in its
        family all the same, as one that showed nothing.
    """
    size, known = len(p), ~np.isnan(se)
    alike = equivalence(value, se, df, margin)
    alike_holm = np.where(known, holm(np.where(known, alike, 1.0)), np.nan)
    columns = {
        "p_holm": holm(p), "q": benjamini_hochberg(p), "p_smallest": smallest, "p_holm_smallest": holm(smallest),
        "detectable": detectable(se, df, level=level), "detectable_family": detectable(se, df, level=level, tests=size),
        "margin": np.full(size, margin), "p_equivalent": alike, "p_equivalent_holm": alike_holm,
        "equivalent": np.where(known, alike_holm < level, np.nan),
    }  # fmt: skip
    rows = [{key: f"{value:.6g}" if value == value else "" for key, value in zip(columns, values, strict=True)}
            for values in zip(*columns.values(), strict=True)]  # fmt: skip
    return [{"family_size": str(size)} | row for row in rows]
