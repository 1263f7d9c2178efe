"""Hypotheses that no model made: what a model's error rate is to be compared with.

All functions of :data:`FUNCTIONS` take the set that is tested, utterances of it, and the reference of the training
parts, of whatever sets. They return what a model would: for every utterance asked for, segments from 0 to its end whose
neighbours differ in label. Those named ``oracle_*`` are told what they should find out, and show how far that alone
would go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from local.sed.data import speech
from local.sed.data.sets import NEUTRAL, SedSet, tile
from utils.rttm import Segment

Hypothesis = dict[str, list[Segment]]
Baseline = Callable[[SedSet, Iterable[str], Mapping[str, Sequence[Segment]]], Hypothesis]


def all_neutral(data: SedSet, utterances: Iterable[str], train: Mapping[str, Sequence[Segment]]) -> Hypothesis:
    """Call everything neutral: shows how much of the recordings is emotional, for this is its error rate."""
    return {utterance: fill(utterance, data.duration[utterance], [], NEUTRAL) for utterance in utterances}


def oracle_utterance(data: SedSet, utterances: Iterable[str], train: Mapping[str, Sequence[Segment]]) -> Hypothesis:
    """Give the whole file its emotion: shows what a perfect classifier of utterances reaches, which knows no times."""
    return {
        utterance: fill(utterance, data.duration[utterance], [(0.0, data.duration[utterance])], data.emotion[utterance])
        for utterance in utterances
    }


def oracle_speech(data: SedSet, utterances: Iterable[str], train: Mapping[str, Sequence[Segment]]) -> Hypothesis:
    """Give detected speech the file's emotion: shows what finding speech, rather than emotion in it, brings.

    What is not speech (local/sed/data/speech.py) is neutral.
    """
    return {
        utterance: fill(
            utterance, data.duration[utterance], speech.detect(data.utterances[utterance].load()),
            data.emotion[utterance],
        )
        for utterance in utterances
    }  # fmt: skip


def chance(data: SedSet, utterances: Iterable[str], train: Mapping[str, Sequence[Segment]]) -> Hypothesis:
    """Draw segments from the training parts: shows what knowing how long which emotion lasts is worth.

    Segments are drawn with their labels, each as likely as the others whose label is not the one before's, until the
    utterance is full; the last is cut. An utterance's draws depend on its name and the training parts alone.

    Raises
    ------
    ValueError
        The training parts have no segments.
    """
    pool = sorted((segment.label, segment.duration) for segments in train.values() for segment in segments)
    if not pool:
        raise ValueError("chance: no training segments to draw from")
    return {utterance: _draw(utterance, data.duration[utterance], pool) for utterance in utterances}


def fill(utterance: str, duration: float, spans: Iterable[tuple[float, float]], label: str) -> list[Segment]:
    """Tile an utterance: ``label`` in the spans, neutral elsewhere; neighbours differ in label.

    Spans are begins and ends in seconds; what lies outside the utterance is cut off.

    Examples
    --------
    >>> [(s.start, s.end, s.label) for s in fill("u", 3.0, [(1.0, 1.5), (1.5, 9.0)], "sad")]
    [(0.0, 1.0, 'neutral'), (1.0, 3.0, 'sad')]
    """
    pieces: list[tuple[float, str]] = []  # end, label
    covered = 0.0
    for begin, end in sorted(spans):
        begin, end = max(begin, covered), min(end, duration)
        if begin < end:
            if begin > covered:
                pieces.append((begin, NEUTRAL))
            pieces.append((end, label))
            covered = end
    if covered < duration:
        pieces.append((duration, NEUTRAL))
    return tile(utterance, pieces)


def _draw(utterance: str, duration: float, pool: list[tuple[str, float]]) -> list[Segment]:
    seed = int.from_bytes(hashlib.sha256(utterance.encode()).digest()[:8], "big")
    generator = np.random.default_rng(seed)
    others = {label: [entry for entry in pool if entry[0] != label] or pool for label in dict(pool)}
    pieces: list[tuple[float, str]] = []
    candidates, covered = pool, 0.0
    while covered < duration:
        label, length = candidates[generator.integers(len(candidates))]
        covered = min(covered + length, duration)
        pieces.append((covered, label))
        candidates = others[label]
    return tile(utterance, pieces)


FUNCTIONS: dict[str, Baseline] = {function.__name__: function for function in (
    all_neutral, oracle_utterance, oracle_speech, chance
)}  # fmt: skip
