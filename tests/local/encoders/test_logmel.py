"""Log-mel statistics are those of Kaldi's filter banks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from local import encoders


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_logmel_is_mean_and_deviation_of_kaldi_filter_banks() -> None:
    lhotse = pytest.importorskip("lhotse")
    options = lhotse.FbankConfig(num_mel_bins=80, dither=0.0, snip_edges=True, high_freq=0.0)
    waves = [noise(16000), noise(4321, 1)]
    got = encoders.load(encoders.spec("logmel")).pooled(waves)
    assert got.shape == (2, 1, 160)
    for wave, row in zip(waves, got, strict=True):
        banks = lhotse.Fbank(options).extract(wave * 32768, 16000)
        np.testing.assert_allclose(row[0], np.concatenate([banks.mean(0), banks.std(0)]), atol=5e-3)


def test_logmel_worked_example() -> None:
    encoder = encoders.load(encoders.spec("logmel"))
    wave = noise(16000)
    # Ten times the amplitude is a hundred times the energy: the mean moves by log 100, the deviation not at all.
    quiet, loud = encoder.pooled([wave, 10 * wave])[:, 0]
    np.testing.assert_allclose(loud[:80] - quiet[:80], np.log(100), atol=1e-3)
    np.testing.assert_allclose(loud[80:], quiet[80:], atol=1e-3)
    # One frame deviates from nothing.
    shortest = encoder.pooled([wave[: encoder.min_samples]])[0, 0]
    assert not shortest[80:].any() and np.isfinite(shortest).all()
    assert encoder.pooled([]).shape == (0, 1, 160)


def test_threads_may_share_an_encoder() -> None:
    from concurrent.futures import ThreadPoolExecutor

    encoder = encoders.load(encoders.spec("logmel"))
    waves = [noise(8000, seed) for seed in range(8)]
    alone = [encoder.pooled([wave]) for wave in waves]
    with ThreadPoolExecutor(4, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for a, b in zip(alone, pool.map(lambda wave: encoder.pooled([wave]), waves), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
