"""What every encoder can do."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from local.encoders.registry import EncoderSpec

if TYPE_CHECKING:
    import numpy as np


class Encoder(abc.ABC):
    """A speech representation, ready to run."""

    spec: EncoderSpec  # its entry in the registry: name, layers, dim, languages
    min_samples: int  # (16 kHz) of the shortest utterance that it can represent
    precision: str = "fp32"  # or bf16: what it really runs in
    commit: str = ""  # of a checkpoint on a hub, in full, as the hub or its cache resolved the entry's revision
    # Why it has no transformer blocks that can be run one by one; None if it has.
    untunable: str | None = "it has no transformer blocks"

    @abc.abstractmethod
    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Represent utterances by one vector a layer, which does not depend on neighbours in the batch (to 1e-4).

        Parameters
        ----------
        waves : sequence of ndarray, each of shape (samples,)
            16 kHz mono float32, at least ``min_samples`` long; or texts, if the kind names tables to read.

        Returns
        -------
        ndarray of float32, shape (utterances, layers, dim)
            The mean over time of every hidden state (for ``logmel`` and ``egemaps``, their statistics).
        """
