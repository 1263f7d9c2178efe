"""Speech is found where it is, whatever its level, and nothing is found in silence."""

from __future__ import annotations

import numpy as np
import pytest

from local.sed.data import speech
from utils import audio

RATE = 16000


def signal(*parts: tuple[float, float], noise: float = 1e-5) -> np.ndarray:
    """Stretches of a 200 Hz tone, each of (seconds, amplitude), in faint noise."""
    envelope = np.concatenate([np.full(round(length * RATE), amplitude) for length, amplitude in parts])
    time = np.arange(len(envelope)) / RATE
    random = np.random.default_rng(0)
    tone = envelope * np.sin(2 * np.pi * 200 * time)
    return (tone + noise * random.standard_normal(len(tone))).astype(np.float32)


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.01])
def test_speech_is_where_the_tone_is_at_any_level(gain):
    samples = gain * signal((0.5, 0), (1.0, 0.5), (0.4, 0), (0.6, 0.3), (0.7, 0))
    found = speech.detect(samples)
    np.testing.assert_allclose(found, [(0.5, 1.5), (1.9, 2.5)], atol=0.016)
    begin, end = speech.trim(samples)
    assert begin / RATE == pytest.approx(found[0][0] - 0.03) and end / RATE == pytest.approx(found[-1][1] + 0.03)


def test_a_short_pause_belongs_to_speech_and_a_click_does_not():
    assert len(speech.detect(signal((0.3, 0), (0.5, 0.5), (0.15, 0), (0.5, 0.5), (0.3, 0)))) == 1
    assert len(speech.detect(signal((0.3, 0), (0.5, 0.5), (0.3, 0), (0.5, 0.5), (0.3, 0)))) == 2
    click = signal((0.5, 0), (0.01, 0.5), (0.5, 0), (1.0, 0.5), (0.3, 0))
    np.testing.assert_allclose(speech.detect(click), [(1.01, 2.01)], atol=0.016)


def test_what_is_30_db_down_is_no_speech_and_what_is_20_db_down_is():
    found = speech.detect(signal((0.5, 0.5 * 10**-1.7), (1.0, 0.5), (0.5, 0.5 * 10**-1.0), (0.5, 0)))
    np.testing.assert_allclose(found, [(0.5, 2.0)], atol=0.016)


def test_an_utterance_without_pauses_is_speech_as_a_whole():
    assert speech.detect(signal((1.0, 0.5))) == [(0.0, 1.0)]
    assert speech.trim(signal((1.0, 0.5))) == (0, RATE)


def test_noise_does_not_count_as_speech():
    samples = signal((1.0, 0), (1.0, 0.5), (1.0, 0), noise=0.02)
    np.testing.assert_allclose(speech.detect(samples), [(1.0, 2.0)], atol=0.016)


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.full(RATE, 0.3), np.zeros(0), np.zeros(100)])
def test_silence_an_offset_and_nothing_hold_no_speech(samples):
    samples = samples.astype(np.float32)
    assert speech.detect(samples) == [] and speech.trim(samples) == (0, 0)
    assert speech.active_level(samples) == -np.inf


def test_the_level_is_that_of_the_speech_alone():
    # A sine's root mean square is 3.01 dB below its amplitude.
    expected = 20 * np.log10(0.5) - 3.01
    assert speech.active_level(signal((1.0, 0.5))) == pytest.approx(expected, abs=0.01)
    padded = signal((2.0, 0), (1.0, 0.5), (2.0, 0))
    assert speech.active_level(padded) == pytest.approx(expected, abs=0.1)
    assert speech.active_level(padded + np.float32(0.2)) == pytest.approx(expected, abs=0.1)


def test_real_speech_keeps_its_energy_and_loses_its_silence(corpora):
    kept, energy = [], []
    for path in sorted((corpora / "ravdess").glob("*/*.wav"))[::60]:
        samples = audio.load(path)
        begin, end = speech.trim(samples)
        kept.append((end - begin) / len(samples))
        energy.append(np.square(samples[begin:end]).sum() / np.square(samples).sum())
    # RAVDESS pads every utterance with more than a second of silence.
    assert min(energy) > 0.99 and 0.3 < np.mean(kept) < 0.7
