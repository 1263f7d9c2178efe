"""Emotion diarization error rate of frame labels, as ``speechbrain.utils.EDER`` computes it, many utterances at once.

Published figures were made with that function. docs/eder.md shows where it differs from local/sed/score/eder.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from utils.errors import UserError
from utils.rttm import Segment

_NEUTRAL = "n"


def score_frames(
    prediction: Mapping[str, Sequence[str]],
    reference: Mapping[str, Sequence[Segment]],
    durations: Mapping[str, float],
    window: float,
    stride: float,
) -> dict[str, float]:
    """Score frame labels of many utterances as ``speechbrain.utils.EDER.EDER`` does, all at once.

    Frame i covers the time from ``i * stride`` to ``i * stride + window``. Neighbours with the same label that touch
    are merged; where neighbours with different labels overlap, each keeps half. The rate is 1 less the share of the
    duration in which a frame gives the first letter of the reference's label. So time that no frame covers is wrong.

    Parameters
    ----------
    prediction : mapping of str to sequence of str
        Utterance to its frames' labels, a letter each: a string, or a sequence of letters. ``n`` is neutral.
    reference : mapping of str to sequence of Segment
        Utterance to its segments in order of time, of which the first letter of the label counts. Any number of
        them (SpeechBrain: one); what is between them is neutral. As there, their times are not checked.
    durations : mapping of str to float
        Length of each utterance in seconds.
    window, stride : float
        Length of a frame, and time from one to the next, in seconds.

    Returns
    -------
    dict of str to float
        The rates; negative where a reference that runs past the end is found there.

    Raises
    ------
    UserError
        An utterance has no frames, a label of a frame is not a single letter, or a duration, the window or the stride
        is not positive.

    Examples
    --------
    >>> spans = {"a": [Segment("a", 0.3, 0.7, "angry")]}
    >>> round(score_frames({"a": "nnnaaannn"}, spans, {"a": 1.0}, window=0.2, stride=0.1)["a"], 4)
    0.1
    """
    if not (0 < window < math.inf and 0 < stride < math.inf):
        raise UserError(f"the window {window} and the stride {stride} must be positive numbers of seconds")
    total = in_order(reference, durations)
    frames = [prediction.get(utterance, "") for utterance in reference]
    texts = ["".join(labels) for labels in frames]
    counts = np.array([len(text) for text in texts])
    for row in np.flatnonzero((counts == 0) | (counts != [len(labels) for labels in frames]))[:1]:
        raise UserError(f"{list(reference)[row]}: expected its frames' labels, a single letter each")
    utterance, start, end, letter = _runs(texts, counts, window, stride)
    good = np.zeros(len(texts))
    for left, right, code in _pieces(reference, total):
        covered = np.minimum(end, right[utterance]) - np.maximum(start, left[utterance])
        covered[(covered < 0) | (letter != code[utterance])] = 0
        good += np.bincount(utterance, covered, len(texts))
    return dict(zip(reference, (1 - good / total).tolist(), strict=True))


def frame_eder(
    prediction: Sequence[str], duration: float, spans: Sequence[Segment], window: float, stride: float
) -> float:
    """Score the frame labels of one utterance as ``speechbrain.utils.EDER.EDER`` does (see :func:`score_frames`).

    Examples
    --------
    >>> round(frame_eder("nnnaaa", 1.22, [Segment("a", 0.39, 1.10, "angry")], window=0.2, stride=0.2), 4)
    0.2705
    """
    name = spans[0].utterance if spans else "the utterance"
    return score_frames({name: prediction}, {name: spans}, {name: duration}, window, stride)[name]


def in_order(utterances: Collection[str], durations: Mapping[str, float]) -> np.ndarray:
    """Look up the durations of utterances, in seconds; one that is missing or not positive is a UserError."""
    found = np.array([durations.get(utterance, math.nan) for utterance in utterances], float)
    for row in np.flatnonzero(~((found > 0) & (found < math.inf)))[:1]:
        raise UserError(f"{list(utterances)[row]}: its duration must be given, a positive number of seconds")
    return found


def _runs(texts: Sequence[str], counts: np.ndarray, window: float, stride: float) -> tuple[np.ndarray, ...]:
    """Merge frames into runs: the utterance (its row), start, end and letter of each."""
    letters = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    firsts = np.cumsum(counts) - counts
    # Runs of frames: a new one at each utterance, at each other label and, where frames do not touch, at each frame.
    new = np.ones(len(letters), bool)
    if window >= stride:
        np.not_equal(letters[1:], letters[:-1], out=new[1:])
        new[firsts] = True
    begin = np.flatnonzero(new)
    last = np.append(begin[1:], len(letters)) - 1
    utterance = np.repeat(np.arange(len(texts)), np.add.reduceat(new, firsts, dtype=np.int64))
    start = stride * (begin - firsts[utterance])
    end = stride * (last - firsts[utterance]) + window
    shared = np.where(utterance[1:] == utterance[:-1], np.maximum(end[:-1] - start[1:], 0), 0) / 2
    end[:-1] -= shared
    start[1:] += shared
    return utterance, start, end, letters[begin]


def _pieces(
    reference: Mapping[str, Sequence[Segment]], total: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cut utterances into segments and what is between: starts, ends and letters of at most one piece of each."""
    groups = list(reference.values())
    neutral = np.full(len(groups), ord(_NEUTRAL))
    now = np.zeros(len(groups))
    for number in range(max(map(len, groups), default=0)):
        rows = [row for row, group in enumerate(groups) if len(group) > number]
        spans = [groups[row][number] for row in rows]
        # Where an utterance has fewer segments, both pieces have no length.
        start, end, letter = now.copy(), now.copy(), neutral.copy()
        start[rows] = [span.start for span in spans]
        end[rows] = [span.end for span in spans]
        letter[rows] = [ord(span.label[0]) for span in spans]
        yield now, start, neutral
        yield start, end, letter
        now = end
    yield now, total, neutral
