"""What a paired test will be able to see: before there are data, from who will be tested and how systems may differ.

A comparison is planned as :class:`Part` s, one a sample of speakers (a test corpus): its speakers' utterances of each
class, and what is taken for granted of the difference of two systems, score by score (a share: 0.05 is 5 points):

- ``between``: the standard deviation of a speaker's own difference, if they spoke without end, all classes alike;
- ``within``: the variance of an utterance's difference around the speaker's. Of right and wrong answers it is at most
  the share of utterances that one of the two systems recognises and the other does not;
- ``runs``: the standard deviation of the difference between seeds.

:func:`seen_by_flips` is of the test whose p tables give, ``significance.randomisation_test``; :func:`seen_by_t` of the
t-test on the interval's standard error. With few speakers they differ: of six, signs are flipped in 64 ways, and only a
difference that all six show gives p < 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils import estimates, significance, small_sample, student

DRAWS = 1000  # experiments that are simulated; the standard error of the difference that is found is 2 to 3% of it


@dataclass(frozen=True)
class Part:
    """One sample of speakers in a planned comparison.

    Attributes
    ----------
    totals : ndarray, shape (blocks, classes)
        Utterances of each class that each block (speaker) has in the test.
    between, within, runs : float
        See the head of this file.
    share : float
        How much the sample counts in the mean over samples.
    seeds : int
        Trained models that are averaged.
    """

    totals: np.ndarray
    between: float
    within: float
    runs: float = 0.0
    share: float = 1.0
    seeds: int = 1

    def __post_init__(self) -> None:
        totals = np.asarray(self.totals, dtype=float)
        kept = totals[totals.sum(axis=1) > 0]
        object.__setattr__(self, "totals", kept[:, kept.sum(axis=0) > 0])

    @property
    def each(self) -> np.ndarray:
        """What an utterance of each class counts in the difference, shape (classes,)."""
        return 1 / self.totals.shape[1] / self.totals.sum(axis=0)

    @property
    def effect(self) -> float:
        """Standard deviation between speakers in one class, such that in the mean over classes it is ``between``."""
        classes, shared = self.totals.shape[1], small_sample.SHARED
        return self.between / math.sqrt((1 + (classes - 1) * shared) / classes)

    def blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """What each block adds to the difference: of a true difference of 1, and the standard deviation."""
        counts = self.totals * self.each
        shared = small_sample.SHARED
        between = shared * counts.sum(axis=1) ** 2 + (1 - shared) * (counts**2).sum(axis=1)
        variance = self.effect**2 * between + self.within * (self.totals * self.each**2).sum(axis=1)
        return self.share * counts.sum(axis=1), self.share * np.sqrt(variance)

    def influence(self, draws: int, rng: np.random.Generator) -> estimates.Influence:
        """Draw experiments without a true difference, as the interval of each would see it."""
        blocks, classes = self.totals.shape
        shared = small_sample.SHARED
        speaker = math.sqrt(shared) * rng.normal(size=(blocks, draws, 1))
        speaker = speaker + math.sqrt(1 - shared) * rng.normal(size=(blocks, draws, classes))
        counts = self.totals[:, None]
        sums = counts * self.effect * speaker + np.sqrt(self.within * counts) * rng.normal(size=speaker.shape)
        squares = np.broadcast_to(self.totals.sum(axis=0) * (self.within + self.effect**2), (draws, classes))
        tally = estimates.Tally(sums, squares, self.totals)
        return estimates.influence(tally, estimates.ua_weights(self.totals), share=False)


def smallest_p(parts: Sequence[Part], permutations: int) -> float:
    """Smallest p of the randomisation test (:func:`utils.significance.smallest_p`)."""
    return significance.smallest_p(sum(len(part.totals) for part in parts), permutations)


def seen_by_t(
    parts: Sequence[Part], rng: np.random.Generator, levels: Sequence[float] = (0.05,), power: float = 0.8
) -> np.ndarray:
    """Smallest true difference that the t-test of the interval will find significant with the given power.

    Parameters
    ----------
    parts : sequence of Part
        Of speakers of their own.
    rng : Generator
        Source of the draws, which give the standard error and its degrees of freedom.
    levels : sequence of float
        Of the test; the first of a family of m must pass level / m.
    power : float
        Chance to see the difference.

    Returns
    -------
    ndarray of float, shape (levels,)
        NaN where there will be no interval, with fewer than three speakers.
    """
    members = [part.influence(DRAWS, rng) for part in parts]
    found = estimates.estimate(*members, shares=[part.share for part in parts])
    if found.reason:
        return np.full(len(levels), np.nan)
    variance, df = float(np.mean(found.se**2)), float(np.median(found.df))
    # Of one seed no interval knows what another would have changed.
    runs, seeds = _runs(parts) * (parts[0].seeds > 1), max(parts[0].seeds - 1, 1)
    doubt = variance**2 / df + runs**2 / seeds
    df = (variance + runs) ** 2 / doubt if doubt else math.inf
    se = math.sqrt(variance + runs)
    return np.array([float(significance.detectable(se, df, power, level)) for level in levels])


def seen_by_flips(
    parts: Sequence[Part], rng: np.random.Generator, levels: Sequence[float] = (0.05,), power: float = 0.8
) -> np.ndarray:
    """Smallest true difference for which ``significance.randomisation_test`` will give p < level with the given power.

    It is a quantile, over experiments, of the true difference D from which on p is below the level. In an experiment
    with noise z_i in block i, to which D adds D a_i, p counts the sets A of blocks with D sum_A a_i <= -sum_A z_i: with
    their signs flipped, the difference is as large. So D must exceed the k-th largest of -sum_A z_i / sum_A a_i, where
    k is the largest whole number below level 2^(S - 1). With more than ``EXACT_BLOCKS`` blocks, whose patterns are
    drawn, D is where the t-statistic of d_i = z_i + D a_i passes its limit, from which the test's hardly differs then.

    Parameters
    ----------
    parts, rng, levels, power
        As of :func:`seen_by_t`. The test is of the trained models: what their seeds add to a difference is part of
        what it sees, and is drawn too.

    Returns
    -------
    ndarray of float, shape (levels,)
        ``inf`` where no difference, however large, can give such a p.
    """
    shift, spread = (np.concatenate(column) for column in zip(*(part.blocks() for part in parts), strict=True))
    noise = spread * rng.normal(size=(DRAWS, len(shift)))
    seeds = math.sqrt(_runs(parts)) * rng.normal(size=DRAWS)
    limit = _limits_exact if len(shift) <= significance.EXACT_BLOCKS else _limits_near
    needed = limit(shift, noise, levels) - seeds
    return np.maximum(np.quantile(needed, power, axis=1, method="higher"), 0)


def _limits_exact(shift: np.ndarray, noise: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Find from which difference on p is below each level in each experiment, shape (levels, draws), by enumeration."""
    blocks = len(shift)
    chosen = (np.arange(1, 2**blocks)[:, None] >> np.arange(blocks) & 1).astype(float)
    size = chosen @ shift
    extreme = [math.ceil(level * 2.0 ** (blocks - 1) * (1 - 1e-12)) - 1 for level in levels]
    found = np.full((len(levels), len(noise)), np.inf)
    possible = [place for place, number in enumerate(extreme) if number > 0]
    if possible:
        wanted = [len(size) - extreme[place] for place in possible]
        for draw, own in enumerate(noise):
            ratio = np.partition(-(chosen @ own) / size, sorted(set(wanted)))
            found[possible, draw] = ratio[wanted]
    return found


def _limits_near(shift: np.ndarray, noise: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Find the same where a t-test with as many degrees of freedom stands in: (sum d)^2 = q sum d^2, solved for D."""
    blocks = len(shift)
    point = student.quantile(1 - np.asarray(levels)[:, None] / 2, blocks - 1) ** 2
    q = blocks * point / (blocks - 1 + point)
    total, crossed, squares = noise.sum(axis=1), noise @ shift, (noise**2).sum(axis=1)
    a = shift.sum() ** 2 - q * (shift**2).sum()
    b = shift.sum() * total - q * crossed
    c = total**2 - q * squares
    with np.errstate(invalid="ignore", divide="ignore"):
        root = (-b + np.sqrt(np.maximum(b**2 - a * c, 0))) / a
    return np.where(a > 0, root, np.inf)


def _runs(parts: Sequence[Part]) -> float:
    """Variance, between seeds, of the mean over them; a seed is the same trained models wherever they are tested."""
    return sum(part.share * part.runs for part in parts) ** 2 / parts[0].seeds
