"""Signals of recordings whose emotion changes: utterances brought to one level and cross-faded, noise, reverberation.

What could give a change away although it is no emotion is taken out as far as it can be:

- *Level.* Every part is brought to the same level of active speech, -26 dB of full scale, by one gain. A step in level
  would otherwise say which file a part came from, as files are recorded and normalised each on its own, and a model
  would learn the step. Loudness is also a cue of emotion: what remains of it is the course of loudness inside a part
  and the timbre of loud and soft voices; the difference of loudness between parts is given up.
- *Silence.* Parts are trimmed (local/sed/data/speech.py), so that pauses at files' ends do not mark the joins.
- *Clicks.* Parts overlap by 40 ms of equal-power cross-fade, laid where the part is most quiet between 0.1 s outside
  and 0.05 s inside the edge of its speech. Their means are taken out.

What remains is the background, which may differ from one file to the next and changes at the joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from local.sed.data import speech
from utils.audio import SAMPLE_RATE

LEVEL = -26.0  # dB of full scale, of active speech (the nominal level of ITU-T P.56)
# Cuts lie on whole milliseconds, so that times in ref.rttm are exact.
GRID = SAMPLE_RATE // 1000
FADE = 40 * GRID
_EDGE = 10 * GRID  # fade at a recording's very beginning and end
_OUTSIDE, _INSIDE = 100 * GRID, 50 * GRID
_PEAK = 0.99


class Active(NamedTuple):
    """Where an utterance's speech begins and ends, in samples, and its level in dB of full scale."""

    begin: int
    end: int
    level: float


def measure(samples: np.ndarray) -> Active:
    """Find an utterance's speech, in whole milliseconds; begin and end are equal where there is none."""
    begin, end = speech.trim(samples)
    return Active(begin // GRID * GRID, end // GRID * GRID, speech.active_level(samples))


def join(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Join whole utterances, each with at least 0.3 s of speech, to one recording.

    Returns
    -------
    samples : ndarray of float32, shape (samples,)
        Within +-0.99.
    boundaries : list of int
        Where each part begins, and where the last ends: the middle of the cross-fades, in samples, on whole
        milliseconds. Begins with 0 and ends with the recording's length.
    """
    cut = [_cut(part, first=number == 0, last=number == len(parts) - 1) for number, part in enumerate(parts)]
    joined = np.zeros(sum(map(len, cut)) - FADE * (len(cut) - 1), dtype=np.float64)
    # Equal power: the parts are not correlated, so their powers add up.
    angle = (np.arange(FADE) + 0.5) / FADE * (np.pi / 2)
    boundaries, begin = [0], 0
    for number, part in enumerate(cut):
        if number > 0:
            part[:FADE] *= np.sin(angle)
            boundaries.append(begin + FADE // 2)
        if number < len(cut) - 1:
            part[-FADE:] *= np.cos(angle)
        joined[begin : begin + len(part)] += part
        begin += len(part) - FADE
    edge = np.sin((np.arange(_EDGE) + 0.5) / _EDGE * (np.pi / 2)) ** 2
    joined[:_EDGE] *= edge
    joined[-_EDGE:] *= edge[::-1]
    return _within_scale(joined), [*boundaries, len(joined)]


def reverberate(samples: np.ndarray, rt60: float, ratio: float, random: np.random.Generator) -> np.ndarray:
    """Add a diffuse reverberation: Gaussian noise that decays exponentially (Polack's model).

    It falls by 60 dB in ``rt60`` seconds, and the energy of the direct sound is ``ratio`` dB over its own. The direct
    sound is where it was and as loud as it was; what rings on after the end is cut off.
    """
    time = np.arange(round(rt60 * SAMPLE_RATE)) / SAMPLE_RATE
    response = random.standard_normal(len(time)) * 10 ** (-3 * time / rt60)
    response[: 2 * GRID] = 0  # the first reflection comes after the direct sound
    response *= np.sqrt(10 ** (-ratio / 10) / np.square(response).sum())
    response[0] = 1
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]


def coloured_noise(samples: int, tilt: float, random: np.random.Generator) -> np.ndarray:
    """Make noise whose power falls with frequency as ``frequency ** -tilt`` above 100 Hz and is even below.

    A tilt of 0 is white, 1 pink, 2 brown noise; the root mean square of the float64 samples is 1.
    """
    size = 1 << max(1, samples - 1).bit_length()
    spectrum = np.fft.rfft(random.standard_normal(size))
    spectrum *= np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 100.0) ** (-tilt / 2)
    noise = np.fft.irfft(spectrum, size)[:samples]
    return noise / np.sqrt(np.square(noise).mean())


class Degraded(NamedTuple):
    """A noisy recording, its ratio of speech to noise in dB, and its reverberation time in seconds."""

    samples: np.ndarray
    snr: float
    rt60: float


def degrade(samples: np.ndarray, random: np.random.Generator) -> Degraded:
    """Add reverberation and noise to a recording; nothing moves in time.

    Drawn evenly are the reverberation time (0.2-0.8 s), direct over reverberant energy (0-10 dB), the ratio of active
    speech, reverberation included, to noise (5-20 dB), and the noise's tilt (0-2).
    """
    rt60, ratio, snr, tilt = (random.uniform(*limits) for limits in ((0.2, 0.8), (0, 10), (5, 20), (0, 2)))
    wet = reverberate(samples, rt60, ratio, random)
    noise = coloured_noise(len(wet), tilt, random) * 10 ** ((speech.active_level(wet) - snr) / 20)
    return Degraded(_within_scale(wet + noise), snr, rt60)


def to_pcm(samples: np.ndarray) -> np.ndarray:
    """Round samples, full scale 1, to 16 bits."""
    return np.rint(samples * 32767).astype(np.int16)


def _cut(samples: np.ndarray, *, first: bool, last: bool) -> np.ndarray:
    """Cut an utterance's speech out, at the quietest points where it will be joined, at the common level."""
    active = measure(samples)
    samples = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    begin = active.begin if first else _quietest(samples, active.begin - _OUTSIDE, active.begin + _INSIDE)
    end = active.end if last else _quietest(samples, active.end - _INSIDE, active.end + _OUTSIDE) + FADE
    return samples[begin:end] * 10 ** ((LEVEL - active.level) / 20)


def _quietest(samples: np.ndarray, first: int, last: int) -> int:
    """Where between two points the quietest stretch as long as a cross-fade begins; a point is its middle."""
    latest = (len(samples) - FADE) // GRID * GRID
    begins = np.arange(first - FADE // 2, last - FADE // 2 + 1, GRID)
    begins = np.unique(np.clip(begins, 0, latest))
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples))))
    return int(begins[np.argmin(energy[begins + FADE] - energy[begins])])


def _within_scale(samples: np.ndarray) -> np.ndarray:
    peak = np.abs(samples).max()
    return (samples * min(1.0, _PEAK / peak) if peak > 0 else samples).astype(np.float32)
