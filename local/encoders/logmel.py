"""Kind logmel: statistics of log-mel filter banks, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from local.encoders import kinds
from local.encoders.base import Encoder
from local.encoders.registry import EncoderSpec
from utils.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

MEL_BINS = 80


class Kind(kinds.Kind):
    """Mean and standard deviation of Kaldi's log-mel filter banks."""

    shape = (1, 2 * MEL_BINS)

    def load(self, spec: EncoderSpec, device: str, precision: str) -> LogMel:
        """Make the encoder, which runs on the CPU in fp32 whatever is asked for."""
        return LogMel(spec)


class LogMel(Encoder):
    """Mean and standard deviation over time of Kaldi's log-mel filter banks: 80 bands, 25 ms each 10 ms."""

    min_samples = SAMPLE_RATE * 25 // 1000

    def __init__(self, spec: EncoderSpec):
        self.spec = spec

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give mean and (biased) standard deviation, concatenated; see :meth:`Encoder.pooled`."""
        import numpy as np
        import torch
        from torchaudio.compliance import kaldi

        out = np.empty((len(waves), *Kind.shape), dtype=np.float32)
        for row, wave in zip(out, waves, strict=True):
            # Kaldi's floor on the energies is meant for 16-bit sample values.
            samples = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))[None] * 32768
            banks = kaldi.fbank(samples, num_mel_bins=MEL_BINS, dither=0.0, sample_frequency=float(SAMPLE_RATE))
            deviation, mean = torch.std_mean(banks, dim=0, correction=0)
            row[0] = torch.cat([mean, deviation]).numpy()
        return out
