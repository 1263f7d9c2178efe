"""Encoders without a model: statistics of log-mel filter banks, and eGeMAPS functionals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from local.encoders.base import Encoder, Frames, pad_frames
from local.encoders.registry import EncoderSpec
from utils.audio import SAMPLE_RATE
from utils.errors import UserError

MEL_BINS = 80


def load(spec: EncoderSpec, device: str, precision: str) -> Encoder:
    """Make an encoder, which runs on the CPU in fp32 whatever is asked for; see :func:`local.encoders.load`."""
    return LogMel(spec) if spec.kind == "logmel" else Egemaps(spec)


class LogMel(Encoder):
    """Mean and standard deviation over time of Kaldi's log-mel filter banks: 80 bands, 25 ms each 10 ms.

    Parameters
    ----------
    spec : EncoderSpec
        With ``layers`` 1 and ``dim`` 160.
    """

    min_samples = SAMPLE_RATE * 25 // 1000

    def __init__(self, spec: EncoderSpec):
        _check_shape(spec, 2 * MEL_BINS)
        self.spec = spec

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give mean and (biased) standard deviation, concatenated; see :meth:`Encoder.pooled`."""
        out = np.empty((len(waves), 1, 2 * MEL_BINS), dtype=np.float32)
        for row, wave in zip(out, waves, strict=True):
            deviation, mean = torch.std_mean(_filter_banks(wave), dim=0, correction=0)
            row[0] = torch.cat([mean, deviation]).numpy()
        return out

    def frames(self, waves: Sequence[np.ndarray]) -> Frames:
        """Give the filter banks themselves, 80 a frame; see :meth:`Encoder.frames`."""
        banks = [_filter_banks(wave) for wave in waves]
        return Frames([pad_frames(banks)], [len(bank) for bank in banks])


class Egemaps(Encoder):
    """The 88 functionals of eGeMAPSv02 (Eyben et al. 2016), by openSMILE.

    Parameters
    ----------
    spec : EncoderSpec
        With ``layers`` 1 and ``dim`` 88.
    """

    min_samples = SAMPLE_RATE * 60 // 1000  # the window of the fundamental frequency

    def __init__(self, spec: EncoderSpec):
        _check_shape(spec, 88)
        try:
            import opensmile
        except ImportError as error:
            raise UserError(
                f"encoder {spec.name}: opensmile is not installed; pip install -r requirements-egemaps.txt"
            ) from error
        self.spec = spec
        self._smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
        )

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give the functionals; see :meth:`Encoder.pooled`."""
        out = np.empty((len(waves), 1, 88), dtype=np.float32)
        for row, wave in zip(out, waves, strict=True):
            row[0] = self._smile(wave, SAMPLE_RATE).reshape(-1)
        return out

    def frames(self, waves: Sequence[np.ndarray]) -> Frames:
        """Raise a UserError: functionals describe whole utterances."""
        raise UserError(f"encoder {self.spec.name}: eGeMAPS functionals have no frames; choose another encoder")


def _check_shape(spec: EncoderSpec, dim: int) -> None:
    if (spec.layers, spec.dim) != (1, dim):
        raise UserError(f"conf/encoders.yaml: {spec.name}: kind {spec.kind} has layers: 1, dim: {dim}")


def _filter_banks(wave: np.ndarray) -> torch.Tensor:
    from torchaudio.compliance import kaldi

    # Kaldi's floor on the energies is meant for 16-bit sample values.
    samples = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))[None] * 32768
    return kaldi.fbank(samples, num_mel_bins=MEL_BINS, dither=0.0, sample_frequency=float(SAMPLE_RATE))
