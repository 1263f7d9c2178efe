"""Targets of masked prediction: a cluster number for every frame of a pool of audio.

Round 1 clusters MFCCs with first and second differences, later rounds a layer of the model of the round before
(Hsu et al., "HuBERT", 2021, section II-A). Frames are those of the model's convolutions: frame i sees the samples
320 i to 320 i + 400.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from local.pretrain.config import SAMPLE_RATE, Targets
from local.pretrain.pool import Pool

_BLOCK = 1000  # frames (20 s) whose features are made at once
_COEFFICIENTS = 13


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Compute MFCCs with differences of 16 kHz samples at the model's frame rate: float32, shape (frames, 39).

    Kaldi's MFCCs have the convolutions' window of 25 ms; every second one of a 10 ms shift is a frame of theirs, and
    the differences are taken before that selection.
    """
    import torch
    import torchaudio

    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None] * 32768
    static = torchaudio.compliance.kaldi.mfcc(
        wave, num_ceps=_COEFFICIENTS, sample_frequency=SAMPLE_RATE, dither=0.0, use_energy=False
    ).T
    first = torchaudio.functional.compute_deltas(static)
    second = torchaudio.functional.compute_deltas(first)
    return torch.cat([static, first, second]).T[::2].contiguous().numpy()


def blocks(pool: Pool, features: Callable[[np.ndarray], np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield features of the whole pool, block by block, with the number of the block's first frame."""
    for stream in pool.streams:
        for frame in range(0, stream.frames, _BLOCK):
            count = min(_BLOCK, stream.frames - frame)
            made = features(pool.cut(stream, frame, count))
            assert len(made) == count, f"{len(made)} feature frames for {count} model frames"
            yield stream.frame + frame, made


def cluster(pool: Pool, features: Callable[[np.ndarray], np.ndarray], config: Targets, seed: int) -> np.ndarray:
    """Give every frame of a pool its cluster, an int16.

    ``features`` makes features (frames, dim) of samples (samples,); the seed decides which frames k-means sees, and
    how it begins.
    """
    from sklearn.cluster import MiniBatchKMeans

    kept = np.zeros(pool.frames, dtype=bool)
    chosen = np.random.default_rng(seed).choice(pool.frames, min(config.fit_frames, pool.frames), replace=False)
    kept[chosen] = True
    spans, rows = [], []
    for start, made in blocks(pool, features):
        spans.append((start, start + len(made)))
        rows.append(made[kept[start : start + len(made)]])
    sample = np.concatenate(rows)
    del rows
    kmeans = MiniBatchKMeans(
        min(config.clusters, len(sample)), batch_size=10_000, n_init=3, max_iter=50, random_state=seed
    ).fit(sample)
    # All features of a small pool are in the sample; those of a large one would not fit into memory and are made again.
    again = ((start, sample[start:end]) for start, end in spans) if kept.all() else blocks(pool, features)
    labels = np.empty(pool.frames, dtype=np.int16)
    for start, made in again:
        labels[start : start + len(made)] = kmeans.predict(made)
    return labels
