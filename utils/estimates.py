"""Scores with their uncertainty: values, standard errors over speakers, degrees of freedom, 95% intervals.

Everything starts from a number for each utterance, its score: 1 where it was recognised, its error rate, the difference
of two systems' scores, a mean over seeds. A figure is a weighted sum of the classes' mean scores (:func:`ua_weights`,
:func:`wa_weights`, one class), or is linearised into one (:func:`f1_scores`)::

    tally = count(block, reference, correct, (speakers, classes))      # correct: (layers, utterances)
    found = estimate(influence(tally, ua_weights(tally.totals)))       # arrays over layers

Conditions tested on the same speakers are put together with :func:`together`, seeds with :func:`over_runs`, and
:func:`estimate` takes one influence or several of different speakers (corpora). All work on any number of systems at
once. docs/statistics.md says what the intervals cover.

Source: see utils/small_sample.py; F. E. Satterthwaite, "An approximate distribution of estimates of variance
components", Biometrics Bulletin 2, 1946 (sums of variances); A. Agresti, B. A. Coull, "Approximate is better than
'exact' for interval estimation of binomial proportions", The American Statistician 52, 1998 (added observations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils import metrics, small_sample, student
from utils.intervals import count_blocks

FEWEST = 3  # blocks that an interval needs
_CHANCE = 0.025  # a spread so small between blocks is taken for an accident (see Influence.variance)


@dataclass(frozen=True)
class Tally:
    """Scores added up, enough for every figure below.

    Attributes
    ----------
    sums : ndarray, shape (blocks, ..., classes)
        Of the scores.
    squares : ndarray, shape (..., classes)
        Sums of the squared scores.
    totals : ndarray, shape (blocks, classes)
        Utterances.
    """

    sums: np.ndarray
    squares: np.ndarray
    totals: np.ndarray


@dataclass(frozen=True)
class Influence:
    """What each block adds to the error of figures, of which there are as many as the leading axes say.

    Attributes
    ----------
    value : ndarray, shape (...)
    parts : ndarray, shape (blocks, ...)
        Their squares sum to the variance.
    floor : ndarray, shape (...)
        The variance, if every utterance had a speaker of its own.
    df : ndarray, shape (...)
        Degrees of freedom of the variance.
    n, clusters : int
        Utterances and blocks behind the figure.
    unit : str
        ``speaker`` or ``utterance``.
    share : bool
        The figure lies between 0 and 1, and its interval is to stay there.
    reason : str
        Why there is no interval; empty where there is one.
    run_variance : ndarray, shape (...)
        What other runs (seeds, draws, partitions) would add to the variance.
    runs : int
        Runs that this is the mean of.
    """

    value: np.ndarray
    parts: np.ndarray
    floor: np.ndarray
    df: np.ndarray
    n: int
    clusters: int
    unit: str
    share: bool
    reason: str = ""
    run_variance: np.ndarray | float = 0.0
    runs: int = 1

    def variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Variance over blocks and its degrees of freedom.

        Where blocks differ less than chance alone would have it once in 40 times (mostly because all utterances were
        recognised), and utterances taken one by one give a wider interval, theirs is taken.
        """
        from scipy import special

        variance = (self.parts**2).sum(axis=0)
        least = self.floor * 2 * special.gammaincinv(self.df / 2, _CHANCE) / self.df  # chi-squared
        wider = special.ndtri(0.975) ** 2 * self.floor > student.quantile(0.975, self.df) ** 2 * variance
        taken = (variance < least) & wider
        return np.where(taken, self.floor, variance), np.where(taken, np.inf, self.df)


@dataclass(frozen=True)
class Estimate:
    """A figure with its uncertainty, or an array of them.

    Attributes
    ----------
    value, low, high, se, df : ndarray, shape (...)
        ``low`` to ``high`` is the interval; ``se`` and ``df`` give tests (``utils.significance``). NaN, but for
        ``value``, where there is none.
    n, clusters : int
        Utterances and blocks.
    unit : str
        What a block is: ``speaker``; ``utterance``, which says nothing about other speakers.
    reason : str
        Why there is no interval; else empty.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    se: np.ndarray
    df: np.ndarray
    n: int
    clusters: int
    unit: str
    reason: str = ""

    def __getitem__(self, index) -> Estimate:
        """Choose among the figures."""
        return replace(self, **{key: getattr(self, key)[index] for key in ("value", "low", "high", "se", "df")})


def count(block: np.ndarray, reference: np.ndarray, scores: np.ndarray, shape: tuple[int, int]) -> Tally:
    """Add up utterances' scores.

    Parameters
    ----------
    block, reference : ndarray of int, shape (utterances,)
        Block and class of each utterance.
    scores : ndarray, shape (..., utterances)
        Of each utterance.
    shape : tuple of int
        Number of blocks and of classes.

    Returns
    -------
    Tally
    """
    scores = np.asarray(scores, dtype=float)
    everywhere = np.zeros_like(np.asarray(block))
    squares = count_blocks(everywhere, reference, scores**2, (1, shape[1]))[0]
    totals = count_blocks(block, reference, np.ones(len(block)), shape)
    return Tally(count_blocks(block, reference, scores, shape), squares, totals)


def ua_weights(totals: np.ndarray) -> np.ndarray:
    """Weights of UA: every class that occurs counts the same."""
    present = totals.sum(axis=0) > 0
    return present / present.sum()


def wa_weights(totals: np.ndarray) -> np.ndarray:
    """Weights of WA, and of any mean over utterances: a class counts by its utterances."""
    return totals.sum(axis=0) / totals.sum()


def f1_weights(totals: np.ndarray) -> np.ndarray:
    """Weights for :func:`f1_scores`: between those of UA and WA, as the classes' influence on macro-F1 is."""
    root = np.sqrt(totals.sum(axis=0))
    return root / root.sum()


def f1_gradient(counts: np.ndarray) -> np.ndarray:
    """Linearise macro-F1: a score for every (reference, hypothesis), to be averaged under :func:`f1_weights`.

    To first order, an utterance of class k taken for j changes macro-F1 by (1/C) (2 [k = j] / D_j - 2 H_j / D_j^2),
    where H_j are j's hits and D_j the times that j is in the reference and in the hypothesis.

    Parameters
    ----------
    counts : ndarray, shape (..., classes, classes)
        Reference down, hypothesis across.

    Returns
    -------
    ndarray of float, shape (..., classes, classes)
    """
    counts = np.asarray(counts, dtype=float)
    hits, size = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1) + counts.sum(axis=-2)
    present = size > 0
    right = np.divide(2, size, out=np.zeros(size.shape), where=present) / present.sum(axis=-1, keepdims=True)
    taken = np.divide(hits, size, out=np.zeros(size.shape), where=present) * right
    gradient = np.eye(counts.shape[-1]) * right[..., None, :] - taken[..., None, :]
    totals = counts.sum(axis=-1)
    root = np.sqrt(totals)  # totals / f1_weights
    return gradient * (root * root.sum(axis=-1, keepdims=True))[..., None]


def f1_scores(reference: np.ndarray, hypothesis: np.ndarray, classes: int) -> np.ndarray:
    """Give utterances the scores of :func:`f1_gradient`; macro-F1 itself is for ``value`` of :func:`influence`.

    Parameters
    ----------
    reference : ndarray of int, shape (utterances,)
        Class indices.
    hypothesis : ndarray of int, shape (..., utterances)
        Class indices.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of float, shape (..., utterances)
    """
    gradient = f1_gradient(metrics.confusion(reference, hypothesis, classes))
    cell = np.asarray(reference) * classes + np.asarray(hypothesis)
    return np.take_along_axis(gradient.reshape(*gradient.shape[:-2], -1), cell, axis=-1)


def influence(
    tally: Tally, weights: np.ndarray, unit: str = "speaker", share: bool = True, value: np.ndarray | None = None
) -> Influence:
    """Linearise figures: weighted sums of class means, over blocks.

    Parameters
    ----------
    tally : Tally
        Of scores between 0 and 1, or of their differences.
    weights : ndarray, shape (classes,)
        How much each class counts.
    unit : str
        What a block is.
    share : bool
        False for differences, whose scores lie between -1 and 1.
    value : ndarray, optional, shape (...)
        The figures, where they are not the weighted sums themselves.

    Returns
    -------
    Influence
    """
    weights = np.asarray(weights, dtype=float)
    used = weights != 0
    size = tally.totals.sum(axis=0)
    sums = tally.sums.sum(axis=0)
    mean = np.divide(sums, size, out=np.where(used, np.nan, np.zeros(sums.shape)), where=used & (size > 0))
    if value is None:
        value = (mean * weights).sum(axis=-1)
    holders = (tally.totals > 0)[:, used].sum(axis=0)
    clusters = int((tally.totals[:, used].sum(axis=1) > 0).sum())
    fewest = int(holders.min())
    reason = "" if fewest >= FEWEST else f"{fewest} {unit}{'s' * (fewest != 1)}"
    if reason and clusters >= FEWEST:
        reason = f"a class with {reason}"
    n = int(size[used].sum())
    if reason:
        nothing = np.full(np.shape(value), np.nan)
        return Influence(value, nothing[None], nothing, nothing, n, clusters, unit, share, reason)
    residuals = tally.sums - mean * tally.totals.reshape(len(tally.totals), *[1] * (mean.ndim - 1), -1)
    parts, df = small_sample.linearise(tally.totals, weights, residuals)
    # Half an utterance more at either end, so that a class without a mistake does not count as known for certain.
    ends = np.array([0.0, 1.0] if share else [-1.0, 1.0])
    centre = (sums + ends.sum() / 2)[..., used] / (size[used] + 1)
    around = np.maximum((tally.squares + (ends**2).sum() / 2)[..., used] / (size[used] + 1) - centre**2, 0)
    floor = (weights[used] ** 2 * around / size[used]).sum(axis=-1)
    return Influence(value, parts, floor, df, n, clusters, unit, share)


def together(members: Sequence[Influence], shares: Sequence[float] | None = None) -> Influence:
    """Combine figures of the same blocks (conditions of one test corpus): a speaker errs in all of them together.

    Parameters
    ----------
    members : sequence of Influence
        With the same blocks, in the same order.
    shares : sequence of float, optional
        How much each counts; a mean where not given. 1 and -1 give a difference.

    Returns
    -------
    Influence
        Between 0 and 1 only if it is a mean of such.
    """
    shares = [1 / len(members)] * len(members) if shares is None else shares
    run_variance = sum(share**2 * member.run_variance for share, member in zip(shares, members, strict=True))
    return Influence(
        sum(share * member.value for share, member in zip(shares, members, strict=True)),
        sum(share * member.parts for share, member in zip(shares, members, strict=True)),
        sum(share**2 * member.floor for share, member in zip(shares, members, strict=True)),
        np.minimum.reduce([member.df for member in members]),
        max(member.n for member in members),
        max(member.clusters for member in members),
        members[0].unit,
        all(member.share for member in members) and min(shares) >= 0,
        next((member.reason for member in members if member.reason), ""),
        run_variance,
        min(member.runs for member in members),
    )


def side_by_side(members: Sequence[Influence]) -> Influence:
    """Put the runs (last axes) of figures of the same blocks behind each other, such as those of several partitions."""
    if len(members) == 1:
        return members[0]
    reason = next((member.reason for member in members if member.reason), "")
    joined = {name: np.concatenate([getattr(member, name) for member in members], axis=-1) for name in ("value", "df")}
    if reason:
        nothing = np.full(joined["value"].shape, np.nan)
        joined |= {"df": nothing, "parts": nothing[None], "floor": nothing}
    else:
        joined |= {
            name: np.concatenate([getattr(member, name) for member in members], axis=-1) for name in ("parts", "floor")
        }
    n, clusters = (max(getattr(member, name) for member in members) for name in ("n", "clusters"))
    return replace(members[0], **joined, n=n, clusters=clusters, reason=reason)


def over_runs(found: Influence, other_runs: bool = True) -> Influence:
    """Average over runs (seeds, draws, partitions), and say what other runs would add to the variance.

    That is the variance between runs over their number. A part of it, the runs' chance with each speaker, is in the
    variance over speakers already: the interval is a little too wide rather than too narrow.

    Parameters
    ----------
    found : Influence
        Its last axis is the runs.
    other_runs : bool
        False for an interval that is about these runs (these trained models) alone.

    Returns
    -------
    Influence
    """
    runs = found.value.shape[-1]
    extra = found.value.var(axis=-1, ddof=1) / runs if other_runs and runs > 1 else 0.0
    value, parts, floor = found.value.mean(axis=-1), found.parts.mean(axis=-1), found.floor.mean(axis=-1)
    return replace(
        found, value=value, parts=parts, floor=floor, df=found.df.min(axis=-1), run_variance=extra, runs=runs
    )


def estimate(*members: Influence, shares: Sequence[float] | None = None, confidence: float = 0.95) -> Estimate:
    """Give a figure, or a mean of figures from different speakers (corpora), its interval.

    Parameters
    ----------
    *members : Influence
        Independent of each other.
    shares : sequence of float, optional
        How much each counts; a mean where not given.
    confidence : float
        0.95 for 95% intervals.

    Returns
    -------
    Estimate
        Value and t-interval, on the scale of log odds where it is one figure between 0 and 1.
    """
    from scipy import special

    shares = [1 / len(members)] * len(members) if shares is None else shares
    pairs = list(zip(shares, members, strict=True))
    value = np.asarray(sum(share * member.value for share, member in pairs), dtype=float)[()]
    n, clusters = sum(member.n for member in members), sum(member.clusters for member in members)
    unit = "+".join(dict.fromkeys(member.unit for member in members))
    reason = next((member.reason for member in members if member.reason), "")
    if reason:
        nothing = np.full(value.shape, np.nan)[()]
        return Estimate(value, nothing, nothing, nothing, nothing, n, clusters, unit, reason)
    components = []
    for share, member in pairs:
        variance, df = member.variance()
        components.append((share**2 * variance, df))
        components.append((share**2 * np.asarray(member.run_variance, dtype=float), max(member.runs - 1, 1)))
    total = sum(variance for variance, _ in components)
    # Satterthwaite; a variance of nothing has the degrees of freedom of its first component.
    doubt = sum(variance**2 / df for variance, df in components)
    df = np.divide(total**2, doubt, out=np.full(value.shape, np.inf), where=doubt > 0)[()]
    se = np.sqrt(total)
    half = student.quantile((1 + confidence) / 2, df) * se
    if len(members) == 1 and members[0].share:
        inner = (value * n + 0.5) / (n + 1)
        slope = half / (inner * (1 - inner))
        low, high = special.expit(special.logit(inner) - slope), special.expit(special.logit(inner) + slope)
        low, high = np.minimum(low, value), np.maximum(high, value)
    else:
        low, high = value - half, value + half
        if all(member.share for member in members) and min(shares) >= 0:
            low, high = np.maximum(low, 0), np.minimum(high, 1)
    return Estimate(value, low, high, se, df, n, clusters, unit)
