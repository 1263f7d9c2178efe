"""Where an utterance holds speech, by its energy: good enough for the clean, close recordings of emotional corpora.

The level of every 25 ms (10 ms apart) is compared with the utterance's own loud level, the 95th percentile of the
levels. A frame is speech if it is less than 30 dB below that. Where the quiet tenth of the frames is noisier than
that, the threshold lies 6 dB above them, but never less than 15 dB below the loud level: an utterance without pauses is
speech as a whole. Pauses of up to 0.2 s (closures of stops are shorter) belong to the speech around them; a burst of
less than 0.05 s is a click. Samples, of shape (samples,), are 16 kHz mono, and full scale is 1.
"""

from __future__ import annotations

import numpy as np

from utils.audio import SAMPLE_RATE

_MS = SAMPLE_RATE // 1000
_WINDOW, _HOP = 25 * _MS, 10 * _MS
_LOUD, _QUIET = 95, 10  # percentiles of the frames' levels
_BELOW_LOUD, _ABOVE_QUIET, _LEAST_BELOW_LOUD = 30.0, 6.0, 15.0  # dB
_SILENCE = -70.0  # dB of full scale: an utterance whose loud frames are below holds nothing but rounding noise
_PAUSE, _BURST = 200 * _MS, 50 * _MS
_MARGIN = 30 * _MS  # what trim() leaves around speech: weak onsets and decays


def detect(samples: np.ndarray) -> list[tuple[float, float]]:
    """Find the stretches of speech in an utterance.

    Returns
    -------
    list of (float, float)
        Begin and end of each stretch in seconds, in order of time; empty where there is no speech.
    """
    return [(begin / SAMPLE_RATE, end / SAMPLE_RATE) for begin, end in _stretches(samples)]


def trim(samples: np.ndarray) -> tuple[int, int]:
    """Find where the speech of an utterance begins and ends, with 30 ms to spare.

    Returns
    -------
    begin, end : int
        In samples, ``samples[begin:end]``; (0, 0) where there is no speech.
    """
    stretches = _stretches(samples)
    if not stretches:
        return 0, 0
    return max(0, stretches[0][0] - _MARGIN), min(len(samples), stretches[-1][1] + _MARGIN)


def active_level(samples: np.ndarray) -> float:
    """Measure the level of the speech in an utterance; pauses do not count.

    Returns
    -------
    float
        Root mean square of the detected speech in dB of full scale; ``-inf`` where there is no speech.
    """
    stretches = _stretches(samples)
    if not stretches:
        return -np.inf
    # The mean is taken out, as in detection: some recordings have an offset that is not heard.
    samples = samples.astype(np.float64) - np.mean(samples, dtype=np.float64)
    energy = sum(float(np.square(samples[begin:end]).sum()) for begin, end in stretches)
    return 10 * np.log10(energy / sum(end - begin for begin, end in stretches))


def _stretches(samples: np.ndarray) -> list[tuple[int, int]]:
    if len(samples) < _WINDOW:
        return []
    levels = _levels(samples)
    loud, quiet = np.percentile(levels, (_LOUD, _QUIET))
    if loud < _SILENCE:
        return []
    threshold = max(loud - _BELOW_LOUD, min(quiet + _ABOVE_QUIET, loud - _LEAST_BELOW_LOUD))
    speech = np.concatenate(([False], levels > threshold, [False]))
    edges = np.flatnonzero(speech[1:] != speech[:-1]).reshape(-1, 2)
    # A frame stands for the hop in its middle; the first and the last also for the edge of the utterance.
    lead = (_WINDOW - _HOP) // 2
    found = [
        (0 if first == 0 else first * _HOP + lead, len(samples) if last == len(levels) else last * _HOP + lead)
        for first, last in edges.tolist()
    ]
    merged: list[tuple[int, int]] = []
    for begin, end in found:
        if merged and begin - merged[-1][1] <= _PAUSE:
            begin = merged.pop()[0]
        merged.append((begin, end))
    return [(begin, end) for begin, end in merged if end - begin >= _BURST]


def _levels(samples: np.ndarray) -> np.ndarray:
    """Levels in dB of full scale of frames that overlap; a last one that is not whole is left out."""
    samples = samples.astype(np.float64) - np.mean(samples, dtype=np.float64)
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples))))
    begins = np.arange(0, len(samples) - _WINDOW + 1, _HOP)
    mean = (energy[begins + _WINDOW] - energy[begins]) / _WINDOW
    return 10 * np.log10(np.maximum(mean, 1e-20))
