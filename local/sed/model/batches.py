"""Batches of packed utterances for training: what the encoder gives for them is read from utils/feature_cache.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from local.models import batches
from utils.data_dir import Utterance
from utils.feature_cache import InputCache


class Batch(NamedTuple):
    """Packed utterances: inputs (frames, ...) in 16 bits, labels (frames,), and the frames of each utterance."""

    inputs: torch.Tensor
    labels: torch.Tensor
    lengths: list[int]


class Batches(batches.Batches):
    """Cuts utterances into batches of so many seconds, and reads them from a filled cache.

    Labels are int64 of shape (frames,); an utterance that is longer is a batch of its own.
    """

    def __init__(
        self, cache: InputCache, utterances: Sequence[Utterance], labels: Sequence[np.ndarray], seconds: float,
        seed: int,
    ):  # fmt: skip
        self._cache, self._utterances, self._labels = cache, utterances, labels
        self._limit = seconds * batches.FRAMES_A_SECOND
        super().__init__([len(own) for own in labels], seed)

    def cut(self, order: np.ndarray) -> list[np.ndarray]:
        """Begin a batch where the one before would become too long."""
        starts, frames = [], 0
        for place, own in enumerate(self._frames[order].tolist()):
            if place and frames + own > self._limit:
                starts.append(place)
                frames = 0
            frames += own
        return np.split(order, starts)

    def loader(self) -> torch.utils.data.DataLoader:
        """Make the iterable of :class:`Batch` that SpeechBrain's Brain wants."""
        return torch.utils.data.DataLoader(range(len(self._frames)), batch_sampler=self, collate_fn=self._read)

    def _read(self, batch: list[int]) -> Batch:
        inputs = np.concatenate([self._cache.read(self._utterances[index]) for index in batch])
        labels = np.concatenate([self._labels[index] for index in batch])
        return Batch(torch.from_numpy(inputs), torch.from_numpy(labels), self._frames[batch].tolist())
