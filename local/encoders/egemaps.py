"""Kind egemaps: the functionals of eGeMAPSv02 (Eyben et al. 2016), by openSMILE."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from local.encoders import kinds
from local.encoders.base import Encoder
from local.encoders.registry import EncoderSpec
from utils.audio import SAMPLE_RATE
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_MISSING = "opensmile is not installed (utils/install.sh --extra egemaps)"


class Kind(kinds.Kind):
    """Functionals that describe a whole utterance."""

    shape = (1, 88)

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Egemaps:
        """Make the encoder, which runs on the CPU in fp32 whatever is asked for."""
        return Egemaps(spec)

    def unavailable(self, spec: EncoderSpec) -> str | None:
        """Say so where openSMILE is not installed."""
        return _MISSING if importlib.util.find_spec("opensmile") is None else None


class Egemaps(Encoder):
    """The 88 functionals."""

    min_samples = SAMPLE_RATE * 60 // 1000  # the window of the fundamental frequency

    def __init__(self, spec: EncoderSpec):
        try:
            import opensmile
        except ImportError as error:
            raise UserError(f"encoder {spec.name}: {_MISSING}") from error
        self.spec = spec
        self._smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
        )

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give the functionals; see :meth:`Encoder.pooled`."""
        import numpy as np

        out = np.empty((len(waves), *Kind.shape), dtype=np.float32)
        for row, wave in zip(out, waves, strict=True):
            row[0] = self._smile(wave, SAMPLE_RATE).reshape(-1)
        return out
