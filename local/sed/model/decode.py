"""From posteriors to segments: smoothing, its tuning on dev, and the segments' times.

A boundary lies midway between the centres of the frames that it parts (frame t is centred at 0.02 t + 0.0125 s); the
first segment begins at 0, the last ends with the recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local.sed.data.sets import CENTRE, HOP
from utils.errors import UserError
from utils.rttm import Segment

# Where frame t begins to be nearer than frame t - 1, less HOP * t.
_EDGE = CENTRE - HOP / 2
# What `tune` tries, in order of smoothing; the first smooths nothing.
GRID: dict[str, tuple[float, ...]] = {
    "median": (1, 5, 11, 17, 25, 35, 51, 75, 101),
    "minimum": (HOP, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5),
    "viterbi": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
}
# A posterior of zero would forbid a label for good, however long the stretch.
_FLOOR = 1e-10
_SAME = 1e-9


@dataclass(frozen=True)
class Decoder:
    """How posteriors are smoothed.

    Attributes
    ----------
    method : str
        ``median``: in a window around each frame, the label that most frames prefer. It is the median filter of
        binary labels for any number of labels, whose order means nothing; a draw goes to the label with the larger sum
        of posteriors in the window, which is cut at the recording's ends.
        ``minimum``: the labels with the largest sum of log posteriors of those whose every segment lasts a minimum
        duration; a recording shorter than this is one segment.
        ``viterbi``: the labels with the largest sum of log posteriors and of weighted log transition probabilities.
    value : float
        The window in frames (odd), the minimum duration in seconds, or the weight.
    transitions : tuple of tuple of float
        Of ``viterbi``: log probabilities, row: label of a frame, column: label of the next; see :func:`transitions`.
    """

    method: str = "median"
    value: float = 1
    transitions: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        # JSON knows lists only.
        object.__setattr__(self, "transitions", tuple(map(tuple, self.transitions)))
        if self.method not in GRID:
            raise ValueError(f"decoder: method '{self.method}' is not one of {', '.join(GRID)}")
        if not 0 <= self.value < math.inf:
            raise ValueError(f"decoder: value {self.value} must not be negative")
        if self.method == "median" and self.value % 2 != 1:
            raise ValueError(f"decoder: median needs an odd number of frames, not {self.value}")
        if (self.method == "viterbi") != bool(self.transitions):
            raise ValueError("decoder: transitions belong to viterbi, and viterbi needs them")
        if any(len(row) != len(self.transitions) for row in self.transitions):
            raise ValueError("decoder: transitions must be square")

    @property
    def frames(self) -> int:
        """Of ``minimum``: the shortest segment in frames."""
        return max(1, math.ceil(self.value / HOP - _SAME))


def decode(
    posteriors: np.ndarray, utterance: str, duration: float, emotions: Sequence[str], decoder: Decoder
) -> list[Segment]:
    """Turn an utterance's posteriors, shape (frames, emotions), into segments from 0 to its ``duration`` in seconds.

    They have no gaps, and neighbours differ in label.

    Raises
    ------
    UserError
        The posteriors are not finite, or reach beyond the recording's end.
    """
    posteriors = np.asarray(posteriors)
    if posteriors.ndim != 2 or len(posteriors) == 0 or posteriors.shape[1] != len(emotions):
        raise ValueError(f"{utterance}: expected posteriors of (frames, {len(emotions)}), got {posteriors.shape}")
    if not np.isfinite(posteriors).all():
        raise UserError(f"{utterance}: posteriors that are not numbers; the model diverged, lower its learning rate")
    labels = smooth(posteriors, decoder)
    changes = np.flatnonzero(np.diff(labels)) + 1
    if _EDGE + HOP * (len(labels) - 1) >= duration:
        raise UserError(f"{utterance}: {len(labels)} frames are longer than its {duration:g} s; correct utt2dur")
    times = [0.0, *(_EDGE + HOP * changes).tolist(), float(duration)]
    names = [emotions[label] for label in labels[[0, *changes]]]
    return [Segment(utterance, *place) for place in zip(times, times[1:], names, strict=False)]


def smooth(posteriors: np.ndarray, decoder: Decoder) -> np.ndarray:
    """Choose a label for every frame of posteriors, shape (frames, emotions): columns, int64 of shape (frames,).

    Where the decoder smooths nothing, it is each frame's largest posterior's, of equal ones the first.
    """
    if decoder.method == "median":
        return _vote(posteriors, int(decoder.value) // 2)
    if decoder.method == "minimum":
        idle = decoder.frames == 1
    else:
        idle = decoder.value == 0
        if posteriors.shape[1] != len(decoder.transitions):
            raise ValueError(f"transitions of {len(decoder.transitions)} labels, posteriors of {posteriors.shape[1]}")
    if idle:
        return posteriors.argmax(axis=1)
    scores = np.log(np.maximum(posteriors.astype(np.float64), _FLOOR))
    if decoder.method == "minimum":
        return _minimum(scores, decoder.frames)
    return _viterbi(scores, decoder.value * np.array(decoder.transitions))


def transitions(labels: Iterable[np.ndarray], emotions: int) -> tuple[tuple[float, ...], ...]:
    """Estimate log transition probabilities from one frame to the next, for :class:`Decoder`.

    Every transition is counted once more than it occurs (Laplace), so that none is impossible. ``labels`` are those of
    each training utterance's frames, ndarrays of int64 of shape (frames,), and ``emotions`` how many labels there are.
    """
    counts = np.ones((emotions, emotions))
    for row in labels:
        np.add.at(counts, (row[:-1], row[1:]), 1)
    return tuple(map(tuple, np.log(counts / counts.sum(axis=1, keepdims=True)).tolist()))


def tune(
    posteriors: Mapping[str, np.ndarray], reference: Mapping[str, Sequence[Segment]], durations: Mapping[str, float],
    emotions: Sequence[str], method: str, transitions: tuple[tuple[float, ...], ...] = (),
) -> Decoder:  # fmt: skip
    """Choose how much to smooth: the value of :data:`GRID` with the least EDER, mean over utterances.

    The posteriors, shape (frames, emotions), are those of the dev utterances, the durations in seconds; the
    transitions, for ``viterbi``, those of training labels.

    Returns
    -------
    Decoder
        Of equally good ones the one that smooths least.
    """
    from local.results.eder import score_all

    if not posteriors:
        raise ValueError("tune: no utterances to tune on")
    spoken = {utterance: reference[utterance] for utterance in posteriors}
    best, least = Decoder(), math.inf
    for value in GRID[method]:
        decoder = Decoder(method, value, transitions)
        hypothesis = {
            utterance: decode(rows, utterance, durations[utterance], emotions, decoder)
            for utterance, rows in posteriors.items()
        }
        scores = score_all(spoken, hypothesis, {utterance: durations[utterance] for utterance in posteriors})
        mean = sum(score.rate for score in scores.values()) / len(scores)
        if mean < least - _SAME:
            best, least = decoder, mean
    return best


def _vote(posteriors: np.ndarray, half: int) -> np.ndarray:
    """Each frame's most frequent label among the ``half`` frames before and after it and itself."""
    frames, emotions = posteriors.shape
    begin = np.maximum(np.arange(frames) - half, 0)
    end = np.minimum(np.arange(frames) + half + 1, frames)
    votes = _sums(np.eye(emotions)[posteriors.argmax(axis=1)], begin, end)
    # Within a window the posteriors' mean is at most 1, and a vote is worth more.
    mean = _sums(posteriors.astype(np.float64), begin, end) / (end - begin)[:, None]
    return posteriors.argmax(axis=1) if half == 0 else (votes + 0.5 * mean).argmax(axis=1)


def _sums(values: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Sums of rows ``begin`` to ``end`` (exclusive), one a row of the result."""
    total = _running(values)
    return total[end] - total[begin]


def _running(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])


def _minimum(scores: np.ndarray, shortest: int) -> np.ndarray:
    """The labels with the largest sum of scores whose every segment has at least ``shortest`` frames.

    What ends after frame t with label c is the longer by one of two: what ended a frame earlier with c, or the best
    of all that ended ``shortest`` frames earlier with any label and then a segment of the shortest length.
    """
    frames = len(scores)
    shortest = min(shortest, frames)
    total = _running(scores)
    fresh = total[shortest:] - total[:-shortest]
    best = np.full(frames + 1, -np.inf)
    best[0] = 0.0
    label = np.zeros(frames + 1, dtype=np.int64)
    begins = np.ones((frames + 1, scores.shape[1]), dtype=bool)
    score = fresh[0]
    for end in range(shortest, frames + 1):
        if end > shortest:
            longer = score + scores[end - 1]
            new = best[end - shortest] + fresh[end - shortest]
            np.greater(new, longer, out=begins[end])
            score = np.maximum(new, longer)
        label[end] = score.argmax()
        best[end] = score[label[end]]
    labels = np.empty(frames, dtype=np.int64)
    end = frames
    while end > 0:
        last, emotion = end, label[end]
        while not begins[last, emotion]:
            last -= 1
        labels[last - shortest : end] = emotion
        end = last - shortest
    return labels


def _viterbi(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The labels with the largest sum of scores and of ``steps[label, next label]`` (Viterbi 1967)."""
    frames, emotions = scores.shape
    came = np.zeros((frames, emotions), dtype=np.int64)
    into, columns = np.ascontiguousarray(steps.T), np.arange(emotions)
    score = scores[0]
    for frame in range(1, frames):
        options = into + score
        came[frame] = options.argmax(axis=1)
        score = options[columns, came[frame]] + scores[frame]
    labels = np.empty(frames, dtype=np.int64)
    labels[-1] = score.argmax()
    for frame in range(frames - 1, 0, -1):
        labels[frame - 1] = came[frame, labels[frame]]
    return labels
