"""A kind of encoder that nothing in the repository knows: levels of an utterance, as many as its dim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from local.encoders import kinds
from local.encoders.base import Encoder
from local.encoders.registry import EncoderSpec


class Kind(kinds.Kind):
    """Levels."""

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Levels:
        """Make the encoder."""
        return Levels(spec)


class Levels(Encoder):
    """Mean level of equal parts of an utterance, and its square, as two layers."""

    def __init__(self, spec: EncoderSpec):
        self.spec, self.min_samples = spec, spec.dim

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give the levels."""
        levels = [[np.abs(part).mean() for part in np.array_split(wave, self.spec.dim)] for wave in waves]
        return np.stack([levels, np.square(levels)], axis=1).astype(np.float32)
