"""Emotion diarization error rate (EDER) of segments.

The rate is the share of an utterance's time in which the hypothesis does not say what the reference says (Wang et al.
2023, "Speech Emotion Diarization: Which Emotion Appears When?", arXiv 2306.12991). Time that no segment covers is
neutral, in both. Every instant counts once, in the first of these that holds:

- *correct*: the hypothesis gives the reference's label and no other;
- *false alarm*: the reference is neutral;
- *missed*: the hypothesis is neutral and nothing else;
- *overlap*: the hypothesis gives the reference's emotion and other labels at the same time;
- *confusion*: it gives other emotions only.

:func:`score_all` measures segments, exactly; ``speechbrain.utils.EDER``, with which published figures were made, takes
a letter a frame. docs/eder.md shows where the two differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from local.results.eder_names import NEUTRAL, PARTS
from utils.errors import UserError
from utils.rttm import Segment

REFERENCE, HYPOTHESIS = "reference", "hypothesis"
# RTTM files round to milliseconds: segments may run past the end, or into the next one, by that much (or half of it,
# where a file's writer rounds starts and ends, not durations).
ROUNDING = 0.001 + 1e-9


class SegmentError(UserError):
    """A segment that cannot be scored: ``side`` (reference or hypothesis), ``segment`` and ``reason``."""

    def __init__(self, side: str, segment: Segment, reason: str) -> None:
        super().__init__(f"{side}: {segment.utterance} from {segment.start} to {segment.end} s: {reason}")
        self.side, self.segment, self.reason = side, segment, reason


class Eder(NamedTuple):
    """Errors of one utterance, or of several together, in seconds, and the time that was scored."""

    missed: float
    false_alarm: float
    confusion: float
    overlap: float
    duration: float

    @property
    def rate(self) -> float:
        """Share of the time that is wrong, 0 to 1; NaN where a collar left no time to score."""
        errors = self.missed + self.false_alarm + self.confusion + self.overlap
        return errors / self.duration if self.duration else math.nan


@dataclass(frozen=True, slots=True)
class Summary:
    """Some utterances together: how many, the mean of their rates, and their errors and time added up."""

    utterances: int  # without those in which a collar left no time to score
    mean: float  # each utterance alike, as it is published; NaN without utterances
    total: Eder  # its rate weights each utterance by its time


def score_all(
    reference: Mapping[str, Sequence[Segment]],
    hypothesis: Mapping[str, Sequence[Segment]],
    durations: Mapping[str, float],
    collar: float = 0.0,
) -> dict[str, Eder]:
    """Score utterances by exact interval arithmetic.

    Parameters
    ----------
    reference, hypothesis : mapping of str to sequence of Segment
        The same utterances, each with its segments in any order. Those of the reference do not overlap, and where there
        are none at all the utterance is neutral; those of the hypothesis may: several labels at a time.
    durations : mapping of str to float
        Length of each utterance in seconds; other utterances are ignored.
    collar : float
        Seconds on each side of every change of the reference's label that are not scored, and not counted in the
        duration either. The utterance's two ends are not changes.

    Returns
    -------
    dict of str to Eder
        In the order of the reference.

    Raises
    ------
    SegmentError
        Times are not numbers, negative or in the wrong order, a segment runs past the end of its utterance, or
        segments of the reference overlap, the last two by more than a millisecond, to which RTTM files round.
    UserError
        The hypothesis has other utterances than the reference, a duration is missing or not positive, or the
        collar is negative.

    Examples
    --------
    >>> reference = {"a": [Segment("a", 1.0, 3.0, "angry")]}
    >>> hypothesis = {"a": [Segment("a", 1.5, 3.5, "angry"), Segment("a", 2.0, 2.25, "sad")]}
    >>> score_all(reference, hypothesis, {"a": 4.0})["a"]
    Eder(missed=0.5, false_alarm=0.5, confusion=0.0, overlap=0.25, duration=4.0)
    """
    ends = _ends(reference, hypothesis, durations, collar)
    names = {NEUTRAL: 0}
    truth = _Track(REFERENCE, list(reference.values()), ends, names)
    guess = _Track(HYPOTHESIS, [hypothesis[utterance] for utterance in reference], ends, names)
    truth.separate()
    count = len(names)
    utterance, length, step, channel = _events(_intervals(truth, guess, count, collar))
    duration = ends
    if collar:
        length = np.where(np.cumsum(step * (channel == 2 * count)) == 0, length, 0)
        duration = np.bincount(utterance, length, len(ends)).astype(float)
    label = np.cumsum(step * np.where((channel >= count) & (channel < 2 * count), channel - count, 0), dtype=np.int32)
    kinds = _kinds(label, step, channel, count)
    sums = [np.bincount(utterance[kind], length[kind], len(ends)).astype(float).tolist() for kind in kinds]
    return dict(zip(reference, map(Eder._make, zip(*sums, duration.tolist(), strict=True)), strict=True))


def dominant(segments: Sequence[Segment]) -> str:
    """Tell which emotion takes most of the time; neutral where there is none, the earlier one where two are equal."""
    times: dict[str, float] = {}
    for segment in sorted(segments):
        if segment.label != NEUTRAL:
            times[segment.label] = times.get(segment.label, 0.0) + segment.duration
    return max(times, key=times.__getitem__, default=NEUTRAL)


def summarise(scores: Sequence[Eder]) -> Summary:
    """Average the rates of utterances and add up their errors."""
    scores = [score for score in scores if score.duration]
    mean = math.fsum(score.rate for score in scores) / len(scores) if scores else math.nan
    names = (*PARTS, "duration")
    return Summary(len(scores), mean, Eder(*(math.fsum(getattr(score, name) for score in scores) for name in names)))


def by_emotion(scores: Mapping[str, Eder], reference: Mapping[str, Sequence[Segment]]) -> dict[str, Summary]:
    """Summarise utterances in groups by the :func:`dominant` emotion of the reference, the neutral ones last."""
    groups: dict[str, list[Eder]] = {}
    for utterance, score in scores.items():
        groups.setdefault(dominant(reference[utterance]), []).append(score)
    return {name: summarise(groups[name]) for name in sorted(groups, key=lambda name: (name == NEUTRAL, name))}


class _Track:
    """The segments of one side as columns: utterance (its row), start, end, label (its number in ``names``)."""

    def __init__(self, side: str, groups: Sequence[Sequence[Segment]], ends: np.ndarray, names: dict[str, int]) -> None:
        segments = list(chain.from_iterable(groups))
        self.side, self.segments, self.ends = side, segments, ends
        self.utterance = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        self.start = np.fromiter([segment.start for segment in segments], float, len(segments))
        self.end = np.fromiter([segment.end for segment in segments], float, len(segments))
        labels = [segment.label for segment in segments]
        for label in sorted(set(labels)):
            names.setdefault(label, len(names))
        self.label = np.fromiter(map(names.__getitem__, labels), int, len(segments))
        limit = ends[self.utterance]
        self._reject(~((self.start >= 0) & (self.start < self.end)), "it must begin at 0 or later, and end after that")
        for row in np.flatnonzero(~(self.end <= limit + ROUNDING))[:1]:
            raise SegmentError(side, segments[row], f"it runs past the end of the utterance at {limit[row]} s")
        self.start, self.end = np.minimum(self.start, limit), np.minimum(self.end, limit)

    def _reject(self, bad: np.ndarray, reason: str) -> None:
        for row in np.flatnonzero(bad)[:1]:
            raise SegmentError(self.side, self.segments[row], reason)

    def separate(self) -> None:
        """Sort by utterance and time; cut what rounding made overlap, reject what overlaps by more."""
        order = _order(self.utterance, self.start)
        for name in ("utterance", "start", "end", "label"):
            setattr(self, name, getattr(self, name)[order])
        self.segments = [self.segments[row] for row in order.tolist()]
        after = np.where(np.diff(self.utterance) == 0, self.start[1:], np.inf)
        for row in np.flatnonzero(self.end[:-1] > after + ROUNDING)[:1]:
            reason = f"it begins before the one before it ends, at {self.segments[row].end} s"
            raise SegmentError(self.side, self.segments[row + 1], reason)
        self.end[:-1] = np.minimum(self.end[:-1], after)

    def changes(self) -> tuple[np.ndarray, np.ndarray]:
        """List where the label changes within an utterance: times, and the utterances' rows."""
        touch = (np.diff(self.utterance) == 0) & (self.start[1:] - self.end[:-1] <= ROUNDING / 2)
        before, after = np.zeros_like(self.label), np.zeros_like(self.label)
        before[1:][touch], after[:-1][touch] = self.label[:-1][touch], self.label[1:][touch]
        begins = (self.label != before) & (self.start > ROUNDING / 2)
        stops = (self.label != after) & (self.end < self.ends[self.utterance] - ROUNDING / 2)
        times = np.concatenate([self.start[begins], self.end[stops]])
        return times, np.concatenate([self.utterance[begins], self.utterance[stops]])


def _ends(
    reference: Mapping[str, object], hypothesis: Mapping[str, object], durations: Mapping[str, float], collar: float
) -> np.ndarray:
    """Check what is common to all segments; return the durations in the order of the reference."""
    if not 0 <= collar < math.inf:
        raise UserError(f"the collar {collar} must be a number of seconds, 0 or more")
    if hypothesis.keys() != reference.keys():
        for utterance in sorted(hypothesis.keys() - reference.keys()):
            raise UserError(f"{HYPOTHESIS}: the utterance {utterance} is not in the reference")
        utterance = min(reference.keys() - hypothesis.keys())
        raise UserError(f"{HYPOTHESIS}: the utterance {utterance} is missing; give it an empty list if it is neutral")
    found = np.array([durations.get(utterance, math.nan) for utterance in reference], float)
    for row in np.flatnonzero(~((found > 0) & (found < math.inf)))[:1]:
        raise UserError(f"{list(reference)[row]}: its duration must be given, a positive number of seconds")
    return found


def _order(utterance: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Sort by utterance and time."""
    order = np.argsort(utterance * (2 * np.max(time, initial=1.0)) + time, kind="stable")
    # One key sorts many times faster than two, but it rounds: utterances with times that it confused are sorted again.
    rows, times = utterance[order], time[order]
    confused = rows[1:][(np.diff(rows) == 0) & (np.diff(times) < 0)]
    if len(confused):
        again = np.isin(rows, confused)
        order[again] = order[again][np.lexsort((times[again], rows[again]))]
    return order


def _intervals(truth: _Track, guess: _Track, count: int, collar: float) -> list[tuple[np.ndarray, ...]]:
    """Lay out what :func:`_events` takes: whole utterances, hypothesis, reference, and what the collar leaves out.

    Channels are -1, then ``count`` labels of the hypothesis, as many of the reference, and the collar.
    """
    ends = truth.ends
    blocks = [
        (np.arange(len(ends)), 0 * ends, ends, np.full(len(ends), -1)),
        (guess.utterance, guess.start, guess.end, guess.label),
        (truth.utterance, truth.start, truth.end, truth.label + count),
    ]
    if collar:
        time, rows = truth.changes()
        around = np.maximum(time - collar, 0), np.minimum(time + collar, ends[rows])
        blocks.append((rows, *around, np.full(len(rows), 2 * count)))
    return blocks


def _events(blocks: Iterable[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Turn intervals (utterances, starts, ends, channels) into beginnings and ends, in order.

    Returns utterance, seconds until the next event, step (1 where an interval begins, -1 where it ends) and channel.
    """
    utterance = np.concatenate([block[0] for block in blocks for _ in range(2)])
    time = np.concatenate([times for block in blocks for times in block[1:3]])
    step = np.concatenate([np.full(len(block[0]), sign, np.int8) for block in blocks for sign in (1, -1)])
    channel = np.concatenate([block[3] for block in blocks for _ in range(2)]).astype(np.int32)
    order = _order(utterance, time)
    utterance, time = utterance[order], time[order]
    length = np.where(np.diff(utterance, append=-1) == 0, np.diff(time, append=0), 0)
    return utterance, length, step[order], channel[order]


def _kinds(label: np.ndarray, step: np.ndarray, channel: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Tell after which events there is each kind of error, in the order of ``PARTS``.

    ``label`` is the reference's; those of the hypothesis are open where the steps of their channel add up to 1 or more.
    """
    neutral = np.cumsum(step * (channel == 0), dtype=np.int32) > 0
    emotions, found = np.zeros(len(step), np.int32), np.zeros(len(step), bool)
    for number in range(1, count):
        active = np.cumsum(step * (channel == number), dtype=np.int32) > 0
        emotions += active
        found |= active & (label == number)
    emotional, heard = label > 0, emotions > 0
    yield emotional & ~heard
    yield ~emotional & heard
    yield emotional & heard & ~found
    yield found & (emotions + neutral > 1)
