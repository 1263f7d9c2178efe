"""Where an utterance holds speech, by its energy: good enough for the clean, close recordings of emotional corpora.

The level of every 25 ms (10 ms apart) is compared with the utterance's own loud level, the 95th percentile of the
levels. A frame is speech if it is less than 30 dB below that. Where the quiet tenth of the frames is noisier than
that, the threshold lies 6 dB above them, but never less than 15 dB below the loud level: an utterance without pauses is
speech as a whole. Pauses of up to 0.2 s (closures of stops are shorter) belong to the speech around them; a burst of
less than 0.05 s is a click.
"""

from __future__ import annotations

import numpy as np

from utils.audio import SAMPLE_RATE

_WINDOW, _HOP = 0.025, 0.010  # seconds
_LOUD, _QUIET = 95, 10  # percentiles of the frames' levels
_BELOW_LOUD, _ABOVE_QUIET, _LEAST_BELOW_LOUD = 30.0, 6.0, 15.0  # dB
_SILENCE = -70.0  # dB of full scale: an utterance whose loud frames are below holds nothing but rounding noise
_PAUSE, _BURST = 0.2, 0.05  # seconds
_MARGIN = 0.03  # seconds that trim() leaves around speech: weak onsets and decays


def detect(samples: np.ndarray, rate: int = SAMPLE_RATE) -> list[tuple[float, float]]:
    """Find the stretches of speech in an utterance.

    Parameters
    ----------
    samples : ndarray of float, shape (samples,)
        Full scale is 1.
    rate : int
        Sampling rate in Hz.

    Returns
    -------
    list of (float, float)
        Begin and end of each stretch in seconds, in order of time; empty where there is no speech.
    """
    return [(begin / rate, end / rate) for begin, end in _stretches(samples, rate)]


def trim(samples: np.ndarray) -> tuple[int, int]:
    """Find where the speech of an utterance begins and ends, with 30 ms to spare.

    Parameters
    ----------
    samples : ndarray of float, shape (samples,)
        At 16 kHz; full scale is 1.

    Returns
    -------
    begin, end : int
        In samples, ``samples[begin:end]``; (0, 0) where there is no speech.
    """
    stretches = _stretches(samples, SAMPLE_RATE)
    if not stretches:
        return 0, 0
    margin = round(_MARGIN * SAMPLE_RATE)
    return max(0, stretches[0][0] - margin), min(len(samples), stretches[-1][1] + margin)


def active_level(samples: np.ndarray) -> float:
    """Measure the level of the speech in an utterance; pauses do not count.

    Parameters
    ----------
    samples : ndarray of float, shape (samples,)
        At 16 kHz; full scale is 1.

    Returns
    -------
    float
        Root mean square of the detected speech in dB of full scale; ``-inf`` where there is no speech.
    """
    stretches = _stretches(samples, SAMPLE_RATE)
    if not stretches:
        return -np.inf
    # The mean is taken out, as in detection: some recordings have an offset that is not heard.
    samples = samples.astype(np.float64) - np.mean(samples, dtype=np.float64)
    energy = sum(float(np.square(samples[begin:end]).sum()) for begin, end in stretches)
    return 10 * np.log10(energy / sum(end - begin for begin, end in stretches))


def _stretches(samples: np.ndarray, rate: int) -> list[tuple[int, int]]:
    window, hop = round(_WINDOW * rate), round(_HOP * rate)
    if len(samples) < window:
        return []
    levels = _levels(samples, window, hop)
    loud, quiet = np.percentile(levels, (_LOUD, _QUIET))
    if loud < _SILENCE:
        return []
    threshold = max(loud - _BELOW_LOUD, min(quiet + _ABOVE_QUIET, loud - _LEAST_BELOW_LOUD))
    speech = np.concatenate(([False], levels > threshold, [False]))
    edges = np.flatnonzero(speech[1:] != speech[:-1]).reshape(-1, 2)
    # A frame stands for the hop in its middle; the first and the last also for the edge of the utterance.
    lead = (window - hop) // 2
    found = [
        (0 if first == 0 else first * hop + lead, len(samples) if last == len(levels) else last * hop + lead)
        for first, last in edges.tolist()
    ]
    merged: list[tuple[int, int]] = []
    for begin, end in found:
        if merged and begin - merged[-1][1] <= _PAUSE * rate:
            begin = merged.pop()[0]
        merged.append((begin, end))
    return [(begin, end) for begin, end in merged if end - begin >= _BURST * rate]


def _levels(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Levels in dB of full scale of frames that overlap; a last one that is not whole is left out."""
    samples = samples.astype(np.float64) - np.mean(samples, dtype=np.float64)
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples))))
    begins = np.arange(0, len(samples) - window + 1, hop)
    mean = (energy[begins + window] - energy[begins]) / window
    return 10 * np.log10(np.maximum(mean, 1e-20))
