"""Figures of one sample of speakers, put together over conditions, samples and runs: one interval for all of them.

A :class:`Figure` is a mean of class means (UA; the mean EDER, of one class; a difference of two systems) of any number
of systems at once, from runs (seeds) on the utterances of one sample (a test corpus)::

    found = figure("emodb", blocks, block, reference, scores, classes)     # scores: (layers, runs, utterances)
    estimate = combine([found, other])                                     # their mean, with its interval

Figures of one sample share its speakers, those of several do not; a run is the same in all of them. Where every run was
made in several partitions of the sample, runs are those of the first partition, then those of the next. The interval is
linearised (utils/estimates.py), or a percentile bootstrap where blocks carry replicates; standard error, degrees of
freedom and whether there is an interval at all are those of the former. docs/statistics.md says what either covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils import estimates, intervals, significance
from utils.estimates import Estimate, Influence
from utils.intervals import Blocks


@dataclass(frozen=True)
class Figure:
    """A figure of one sample, or an array of them.

    Attributes
    ----------
    sample : str
        Whose speakers.
    influence : Influence
        Of the mean over runs, for these runs.
    runs : ndarray, shape (..., partitions x runs)
        The figure in every run.
    contributions : ndarray, shape (blocks, ...)
        What each block adds to the mean over runs.
    replicates : ndarray, shape (resamples, ...)
        Without resamples, empty.
    partitions : int
        Into how many partitions of the sample the runs fall.
    """

    sample: str
    influence: Influence
    runs: np.ndarray
    contributions: np.ndarray
    replicates: np.ndarray
    partitions: int = 1


def figure(
    sample: str, blocks: Blocks, block: np.ndarray, reference: np.ndarray, scores: np.ndarray, classes: int,
    share: bool = True, partition: np.ndarray | None = None,
) -> Figure:  # fmt: skip
    """Average scores over the utterances of each class, then over classes.

    Parameters
    ----------
    sample : str
        Name of the test corpus.
    blocks : Blocks
        Of that corpus.
    block, reference : ndarray of int, shape (utterances,)
        Block and class of each utterance.
    scores : ndarray, shape (..., runs, utterances)
        Of each utterance in each run; their mean is the figure.
    classes : int
        Number of classes.
    share : bool
        False for differences, whose scores lie between -1 and 1.
    partition : ndarray of int, optional, shape (utterances,)
        Which of several partitions of the sample an utterance is tested in: each partition gives a figure, and their
        mean is the one that counts.

    Returns
    -------
    Figure
    """
    numbers = np.zeros(len(block), dtype=int) if partition is None else partition
    every, contributions, all_sums, all_totals = [], [], 0, 0
    for number in np.unique(numbers):
        own = numbers == number
        tally = estimates.count(block[own], reference[own], scores[..., own], (blocks.number, classes))
        weights = estimates.ua_weights(tally.totals)
        every.append(estimates.influence(tally, weights, blocks.unit, share))
        # Sums over runs, so that counts stay whole.
        sums, totals = tally.sums.sum(axis=-2), tally.totals * np.shape(scores)[-2]
        size = np.maximum(totals.sum(axis=0), 1)
        contributions.append((sums / size * weights).sum(axis=-1))
        all_sums, all_totals = all_sums + sums, all_totals + totals
    whole = estimates.side_by_side(every)
    return Figure(
        sample, estimates.over_runs(whole, other_runs=False), whole.value, sum(contributions) / len(every),
        intervals.replicate_ua(blocks.weights, all_sums, all_totals), len(every),
    )  # fmt: skip


def combine(figures: Sequence[Figure], shares: Sequence[float] | None = None, confidence: float = 0.95) -> Estimate:
    """Give a weighted sum of figures its interval, for other speakers and, of several runs, other runs.

    Parameters
    ----------
    figures : sequence of Figure
        Of any samples.
    shares : sequence of float, optional
        How much each counts; a mean where not given.
    confidence : float
        0.95 for 95% intervals.

    Returns
    -------
    Estimate
    """
    shares = _shares(figures, shares)
    samples, members = _by_sample(figures, shares)
    runs = _runs(figures, shares)
    # Seeds differ within partitions: how these differ says how both do, of a mean over as many seeds.
    runs = runs.mean(axis=-1) if figures[0].partitions > 1 else runs[..., 0, :]
    number = runs.shape[-1]
    if number > 1:
        # Once for the sum: a run is the same trained model in all conditions that it is tested in.
        members[0] = replace(members[0], run_variance=runs.var(axis=-1, ddof=1) / number, runs=number)
    found = estimates.estimate(*members, shares=[1.0] * len(members), confidence=confidence)
    if found.reason and len(members) > 1:
        sample = next(name for name, member in zip(samples, members, strict=True) if member.reason)
        found = replace(found, reason=f"{sample}: {found.reason}")
    if found.reason or not len(figures[0].replicates):
        return found
    replicates = sum(share * one.replicates for one, share in zip(figures, shares, strict=True))
    low, high = intervals.percentile_interval(replicates, confidence)
    return replace(found, low=low, high=high)


def block_se(figures: Sequence[Figure], shares: Sequence[float] | None = None) -> np.ndarray:
    """Give the standard error of a weighted sum of figures over blocks (speakers) alone, for these runs.

    NaN where there is none.
    """
    _, members = _by_sample(figures, _shares(figures, shares))
    if any(member.reason for member in members):
        return np.full(np.shape(members[0].value), np.nan)
    return np.sqrt(sum(member.variance()[0] for member in members))


def seed_sd(figures: Sequence[Figure], shares: Sequence[float] | None = None) -> np.ndarray:
    """Give the standard deviation between runs of a weighted sum of figures; NaN where there is one run.

    Of several partitions, it is the root of the mean variance within them.
    """
    runs = _runs(figures, _shares(figures, shares))
    if runs.shape[-1] == 1:
        return np.full(runs.shape[:-2], np.nan)
    return np.sqrt(runs.var(axis=-1, ddof=1).mean(axis=-1))


def partition_sd(figures: Sequence[Figure], shares: Sequence[float] | None = None) -> np.ndarray:
    """Give the standard deviation between partitions of a weighted sum of figures, what runs differ by taken off.

    The variance between means of partitions is that of partitions and, over the number of runs, that of runs. It is NaN
    where there is one partition, and 0 where partitions differ less than runs would make them.
    """
    runs = _runs(figures, _shares(figures, shares))
    partitions, number = runs.shape[-2:]
    if partitions == 1:
        return np.full(runs.shape[:-2], np.nan)
    of_runs = runs.var(axis=-1, ddof=1).mean(axis=-1) / number if number > 1 else 0.0
    return np.sqrt(np.maximum(runs.mean(axis=-1).var(axis=-1, ddof=1) - of_runs, 0))


def minus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Subtract two systems' scores run by run, shape (runs, utterances); one without runs is the same in all.

    Of two systems with other numbers of runs, the one with fewer counts with its mean alone.
    """
    if len(a) != len(b):
        a, b = (one if len(one) == max(len(a), len(b)) else one.mean(axis=0, keepdims=True) for one in (a, b))
    return a - b


def class_mean(reference: np.ndarray, scores: np.ndarray, classes: int) -> float:
    """Average scores, shape (utterances,), over each class's utterances, then over the classes that occur."""
    totals = np.bincount(reference, minlength=classes)
    sums = np.bincount(reference, weights=scores, minlength=classes)
    return float((sums[totals > 0] / totals[totals > 0]).mean())


def p_values(
    figures: Sequence[Figure], shares: Sequence[float] | None, permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Test whether a weighted sum of differences is 0, by flipping the signs of speakers.

    Parameters
    ----------
    figures : sequence of Figure
        Single figures (no arrays).
    shares : sequence of float, optional
        As for :func:`combine`.
    permutations : int
        Patterns of signs to draw where there are too many to enumerate.
    rng : Generator
        Source of the draws.

    Returns
    -------
    tuple of float
        p, and the smallest p that so many speakers allow.
    """
    parts: dict[str, np.ndarray] = {}
    clusters: dict[str, int] = {}
    for one, share in zip(figures, _shares(figures, shares), strict=True):
        parts[one.sample] = parts.get(one.sample, 0) + share * one.contributions
        clusters[one.sample] = max(clusters.get(one.sample, 0), one.influence.clusters)
    p = significance.randomisation_test(np.concatenate(list(parts.values())), permutations, rng)
    return p, significance.smallest_p(sum(clusters.values()), permutations)


def _shares(figures: Sequence[Figure], shares: Sequence[float] | None) -> Sequence[float]:
    return [1 / len(figures)] * len(figures) if shares is None else shares


def _by_sample(figures: Sequence[Figure], shares: Sequence[float]) -> tuple[list[str], list[Influence]]:
    """Name the samples, and put together the figures of each."""
    samples: dict[str, list[tuple[Influence, float]]] = {}
    for one, share in zip(figures, shares, strict=True):
        samples.setdefault(one.sample, []).append((one.influence, share))
    return list(samples), [estimates.together(*zip(*pairs, strict=True)) for pairs in samples.values()]


def _runs(figures: Sequence[Figure], shares: Sequence[float]) -> np.ndarray:
    """Sum figures run by run: shape (..., partitions, runs)."""
    parts = [one.runs.reshape(*one.runs.shape[:-1], one.partitions, -1) for one in figures]
    return sum(share * part for share, part in zip(shares, parts, strict=True))
