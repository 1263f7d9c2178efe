"""Joins are inaudible and lie where they are said to; noise and reverberation are what they are said to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from local.sed.data import join, speech
from utils import audio

RATE = 16000


def tone(frequency: float, seconds: float = 1.0, amplitude: float = 0.3, silence: float = 0.3) -> np.ndarray:
    """A tone with silence around it."""
    samples = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.pad(samples, round(silence * RATE)).astype(np.float32)


def envelope(samples: np.ndarray, frequency: float) -> np.ndarray:
    """Amplitude of one frequency over 10 ms around every sample."""
    carrier = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / RATE)
    return np.abs(np.convolve(samples * carrier, np.ones(160) / 80, "same"))


def bends(samples: np.ndarray) -> np.ndarray:
    """Second differences, in which a click stands out, by the recording's own level."""
    return np.abs(np.diff(samples.astype(np.float64), 2)) / np.sqrt(np.square(samples, dtype=np.float64).mean())


@pytest.mark.parametrize("frequencies", [(300, 1000), (1000, 300, 700), (200, 900, 400, 1300, 600)])
def test_the_boundary_is_where_one_tone_becomes_louder_than_the_other(frequencies):
    # Without silence, so that the tones meet in the cross-fade.
    parts = [tone(frequency, 0.7 + 0.1 * i, 0.1 + 0.1 * i, silence=0) for i, frequency in enumerate(frequencies)]
    samples, boundaries = join.join(parts)
    assert boundaries[0] == 0 and boundaries[-1] == len(samples) and len(boundaries) == len(parts) + 1
    assert all(boundary % 16 == 0 for boundary in boundaries)
    for boundary, before, after in zip(boundaries[1:-1], frequencies[:-1], frequencies[1:], strict=True):
        near = slice(boundary - 320, boundary + 320)
        louder = envelope(samples, after)[near] > envelope(samples, before)[near]
        assert np.flatnonzero(louder)[0] == pytest.approx(320, abs=16)
        assert (np.diff(louder.astype(int)) != 0).sum() == 1


def test_a_recording_is_as_long_as_its_parts_less_the_cross_fades():
    parts = [tone(400, 1.0), tone(800, 1.5)]
    samples, boundaries = join.join(parts)
    # Each part has 30 ms to spare at its outer end, and up to 0.1 s of silence at the join.
    assert 2.5 < len(samples) / RATE < 2.5 + 0.06 + 0.2 + 0.05
    assert 1.0 < boundaries[1] / RATE < 1.16


def test_times_are_whole_milliseconds_wherever_speech_begins_and_ends():
    # Speech from the first sample, speech to the last, and speech between silences.
    parts = [tone(400)[4803:], tone(800)[: 4800 + 12007], tone(600)[7:], tone(500, 1.0003)]
    for order in itertools.permutations(parts):
        assert {boundary % 16 for boundary in join.join(order)[1]} == {0}


def test_parts_have_one_level_and_keep_their_dynamics():
    swelling = tone(300) * np.linspace(0.2, 1, round(1.6 * RATE), dtype=np.float32)
    samples, (_, boundary, _) = join.join([tone(500, amplitude=0.01), swelling])
    parts = samples[:boundary], samples[boundary:]
    for part in parts:
        assert speech.active_level(part) == pytest.approx(join.LEVEL, abs=0.3)
    loud = envelope(parts[1], 300)
    spoken = np.flatnonzero(loud > 0.1 * loud.max())
    before = envelope(swelling, 300)
    spoken_before = np.flatnonzero(before > 0.1 * before.max())
    for share in (0.2, 0.5):
        place, place_before = (int(np.quantile(own, share)) for own in (spoken, spoken_before))
        assert loud[place] / loud.max() == pytest.approx(before[place_before] / before.max(), rel=0.1)


def test_the_join_of_tones_is_as_smooth_as_the_tones():
    for silence in (0.3, 0.0):
        samples, (_, boundary, _) = join.join([tone(440, silence=silence), tone(523, silence=silence)])
        bend = bends(samples)
        # In the middle the amplitudes of two tones of equal power may add up to the square root of 2.
        assert bend[boundary - 300 : boundary + 300].max() < 1.5 * np.percentile(bend, 99)
    # The same without a cross-fade is not.
    cut = np.concatenate([samples[: boundary - 4003], samples[boundary + 4010 :]])
    assert bends(cut)[boundary - 4010 : boundary - 3995].max() > 2 * np.percentile(bend, 99)


def test_no_sample_clips():
    impulses = tone(100, amplitude=0.02)
    impulses[5000::1600] = 0.9
    samples, _ = join.join([impulses, tone(300)])
    assert 0.5 < np.abs(samples).max() <= 0.99
    assert join.to_pcm(np.array([0.99, -0.99, 0.0])).tolist() == [32439, -32439, 0]


def test_an_offset_does_not_become_a_step():
    samples, (_, boundary, _) = join.join([tone(300) + np.float32(0.1), tone(500) - np.float32(0.1)])
    assert abs(samples[boundary - 1600 : boundary - 400].mean()) < 0.005
    assert np.abs(samples[:8]).max() < 0.001 and np.abs(samples[-8:]).max() < 0.001


@pytest.mark.parametrize(("corpus", "pattern"), [("emodb", "wav/*.wav"), ("ravdess", "*/*.wav"), ("nemo", "**/*.wav")])
def test_joins_of_real_speech_are_smoother_than_the_speech(corpora, corpus, pattern):
    paths = sorted((corpora / corpus).glob(pattern))[::15][:16]
    if not paths:
        pytest.skip(f"no {pattern} in {corpora / corpus}")
    joins, inside, high_joins, high_inside = [], [], [], []
    for first, second in zip(paths[::2], paths[1::2], strict=False):
        samples, (_, boundary, _) = join.join([audio.load(first), audio.load(second)])
        bend = bends(samples)
        joins.append(bend[boundary - 320 : boundary + 320].max())
        inside += [bend[begin : begin + 640].max() for begin in range(0, len(bend) - 640, 640)]
        # Energy above 4 kHz in 40 ms.
        spectrum = np.abs(np.fft.rfft(samples[: len(samples) // 640 * 640].reshape(-1, 640) * np.hanning(640)))
        high_inside += np.square(spectrum[:, 160:]).sum(axis=1).tolist()
        at_join = np.abs(np.fft.rfft(samples[boundary - 320 : boundary + 320] * np.hanning(640)))
        high_joins.append(np.square(at_join[160:]).sum())
    assert np.median(joins) < 0.5 * np.median(inside) and max(joins) < np.percentile(inside, 95)
    assert np.median(high_joins) < np.median(high_inside) and max(high_joins) < np.percentile(high_inside, 95)


@pytest.mark.parametrize("rt60", [0.2, 0.5, 0.8])
def test_reverberation_decays_by_60_db_in_its_time(rt60):
    impulse = np.zeros(RATE, dtype=np.float32)
    impulse[0] = 1
    response = join.reverberate(impulse, rt60, 3.0, np.random.default_rng(0))
    assert response[0] == pytest.approx(1) and np.abs(response[1:32]).max() < 1e-9
    assert np.square(response[1:]).sum() == pytest.approx(10**-0.3, rel=1e-6)
    # Schroeder's backward integration, from -5 to -25 dB.
    decay = 10 * np.log10(np.cumsum(np.square(response[32:])[::-1])[::-1] + 1e-12)
    decay -= decay[0]
    start, end = np.flatnonzero(decay < -5)[0], np.flatnonzero(decay < -25)[0]
    assert 3 * (end - start) / RATE == pytest.approx(rt60, rel=0.1)


@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0])
def test_the_spectrum_of_noise_has_its_tilt(tilt):
    noise = join.coloured_noise(1 << 18, tilt, np.random.default_rng(0))
    assert np.square(noise).mean() == pytest.approx(1)
    power = np.square(np.abs(np.fft.rfft(noise)))
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    octaves = [np.log2(power[(frequency >= low) & (frequency < 2 * low)].mean()) for low in (200, 400, 800, 1600, 3200)]
    np.testing.assert_allclose(np.diff(octaves), -tilt, atol=0.1)


def test_a_noisy_recording_is_aligned_with_the_clean_one_and_as_noisy_as_it_says():
    clean, _ = join.join([tone(300) * np.sin(np.arange(25600, dtype=np.float32) / 700) ** 2, tone(500)])
    for seed in range(6):
        noisy = join.degrade(clean, np.random.default_rng(seed))
        assert len(noisy.samples) == len(clean) and np.abs(noisy.samples).max() <= 0.99
        assert 5 <= noisy.snr <= 20 and 0.2 <= noisy.rt60 <= 0.8
    random = np.random.default_rng(0)
    white = random.standard_normal(RATE).astype(np.float32) * 0.1
    noisy = join.degrade(white, np.random.default_rng(5)).samples
    size = 1 << 15
    correlation = np.fft.irfft(np.fft.rfft(noisy, size) * np.conj(np.fft.rfft(white, size)), size)
    assert np.argmax(np.abs(correlation)) == 0


def test_the_ratio_of_speech_to_noise_is_that_drawn(monkeypatch):
    monkeypatch.setattr(join, "reverberate", lambda samples, *_: samples.astype(np.float64))
    clean = tone(300, amplitude=0.05, silence=0)
    noisy = join.degrade(clean, np.random.default_rng(1))
    noise = noisy.samples - clean
    assert 10 * np.log10(np.square(clean).mean() / np.square(noise).mean()) == pytest.approx(noisy.snr, abs=0.05)
