"""Emotion diarization error rate of 10,000 utterances against ``speechbrain.utils.EDER``.

Utterances of 5 s, 250 frames of 20 ms each, one emotional span. Predictions are runs of a label, 1 s long on average,
as they leave a decoder. SpeechBrain gets the frames; ``score_all`` gets the segments that the decoder makes of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from local.results.eder import score_all
from utils.rttm import Segment

UTTERANCES, FRAMES, HOP, MEAN_RUN = 10_000, 250, 0.02, 50
WORDS = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}


def run(work: Path) -> list[dict]:
    """Measure both ways of scoring.

    Parameters
    ----------
    work : Path
        Not needed: nothing is written.

    Returns
    -------
    list of dict
        The row ``eder_speed``.
    """
    from speechbrain.utils.EDER import EDER

    reference, frames = _utterances()
    hypothesis = {name: _segments(name, labels) for name, labels in frames.items()}
    durations = dict.fromkeys(reference, FRAMES * HOP)
    spans = {name: [{"emo": span.label, "start": span.start, "end": span.end}] for name, (span,) in reference.items()}

    def theirs() -> list[float]:
        return [EDER(frames[name], name, FRAMES * HOP, spans[name], HOP, HOP) for name in reference]

    ways = {
        "theirs": theirs,
        "segments": lambda: score_all(reference, hypothesis, durations).values(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rates = {}
    # In turns, so that whatever else the machine does meets all alike.
    for _ in range(5):
        for name, way in ways.items():
            taken, rates[name] = _timed(way)
            seconds[name].append(taken)
    rates["segments"] = [score.rate for score in rates["segments"]]
    number = sum(map(len, hypothesis.values())) / UTTERANCES
    ours, reference_s = median(seconds["segments"]), median(seconds["theirs"])
    error = np.abs(np.subtract(rates["segments"], rates["theirs"])).max()
    return [
        {
            "name": "eder_speed",
            "ours_s": ours,
            "reference_s": reference_s,
            "ratio": reference_s / ours,
            "target": 20.0,
            "note": (
                f"ours: score_all on the segments of the same predictions, {number:.1f} an utterance; reference: "
                f"speechbrain.utils.EDER on frames; {UTTERANCES} utterances of {FRAMES} frames; processor time, "
                f"medians of 5 in turns; rates differ by at most {error:.0e}"
            ),
        }
    ]


def _utterances() -> tuple[dict[str, list[Segment]], dict[str, list[str]]]:
    rng = np.random.default_rng(0)
    reference, frames = {}, {}
    for number in range(UTTERANCES):
        name = f"utt{number:05d}"
        runs = rng.geometric(1 / MEAN_RUN, FRAMES)
        frames[name] = np.repeat(rng.choice(list(WORDS), FRAMES), runs)[:FRAMES].tolist()
        start, end = np.sort(rng.choice(np.arange(FRAMES * 20), 2, replace=False)) / 1000
        reference[name] = [Segment(name, float(start), float(end), str(rng.choice(["angry", "happy", "sad"])))]
    return reference, frames


def _segments(name: str, labels: list[str]) -> list[Segment]:
    edges = [0, *(i for i in range(1, FRAMES) if labels[i] != labels[i - 1]), FRAMES]
    return [
        Segment(name, round(start * HOP, 3), round(end * HOP, 3), WORDS[labels[start]])
        for start, end in zip(edges, edges[1:], strict=False)
    ]


def _timed(function: Callable) -> tuple:
    began = time.process_time()
    result = function()
    return time.process_time() - began, result
