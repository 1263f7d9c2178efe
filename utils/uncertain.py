"""Figures of one sample of speakers, put together over conditions, samples and runs: one interval for all of them.

A :class:`Figure` is a mean of class means (UA; the mean EDER, of one class; a difference of two systems) of any number
of systems at once, from runs (seeds) on the utterances of one sample (a test corpus)::

    found = figure("emodb", blocks, block, reference, scores, classes)     # scores: (layers, runs, utterances)
    estimate = combine([found, other])                                     # their mean, with its interval

Figures of one sample share its speakers, those of several do not; a run is the same in all of them. The interval is
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
    runs : ndarray, shape (..., runs)
        The figure in every run.
    contributions : ndarray, shape (blocks, ...)
        What each block adds to the mean over runs.
    replicates : ndarray, shape (resamples, ...)
        Without resamples, empty.
    """

    sample: str
    influence: Influence
    runs: np.ndarray
    contributions: np.ndarray
    replicates: np.ndarray


def figure(
    sample: str, blocks: Blocks, block: np.ndarray, reference: np.ndarray, scores: np.ndarray, classes: int,
    share: bool = True,
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

    Returns
    -------
    Figure
    """
    tally = estimates.count(block, reference, scores, (blocks.number, classes))
    weights = estimates.ua_weights(tally.totals)
    every = estimates.influence(tally, weights, blocks.unit, share)
    # Sums over runs, so that counts stay whole.
    sums, totals = tally.sums.sum(axis=-2), tally.totals * np.shape(scores)[-2]
    size = np.maximum(totals.sum(axis=0), 1)
    return Figure(
        sample, estimates.over_runs(every, other_runs=False), every.value, (sums / size * weights).sum(axis=-1),
        intervals.replicate_ua(blocks.weights, sums, totals),
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
    samples: dict[str, list[tuple[Influence, float]]] = {}
    for one, share in zip(figures, shares, strict=True):
        samples.setdefault(one.sample, []).append((one.influence, share))
    members = [estimates.together(*zip(*pairs, strict=True)) for pairs in samples.values()]
    runs = _runs(figures, shares)
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


def seed_sd(figures: Sequence[Figure], shares: Sequence[float] | None = None) -> np.ndarray:
    """Give the standard deviation between runs of a weighted sum of figures; NaN where there is one run."""
    runs = _runs(figures, _shares(figures, shares))
    return runs.std(axis=-1, ddof=1) if runs.shape[-1] > 1 else np.full(runs.shape[:-1], np.nan)


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


def _runs(figures: Sequence[Figure], shares: Sequence[float]) -> np.ndarray:
    return sum(share * one.runs for one, share in zip(figures, shares, strict=True))
