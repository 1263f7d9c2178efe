"""Batches of packed utterances for training: what the encoder gives for them is read from utils/feature_cache.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from utils.data_dir import Utterance
from utils.feature_cache import InputCache

_FRAMES_A_SECOND = 50


class Batch(NamedTuple):
    """Packed utterances: inputs (frames, ...) in 16 bits, labels (frames,), and the frames of each utterance."""

    inputs: torch.Tensor
    labels: torch.Tensor
    lengths: list[int]


class Batches(torch.utils.data.Sampler):
    """Cuts utterances into batches, anew in every epoch, and reads them.

    Utterances of about the same length (to a second) share a batch; which of them do, and the order of the batches,
    depends on the seed and the epoch.

    Parameters
    ----------
    cache : InputCache
        Filled.
    utterances : sequence of Utterance
        At least one.
    labels : sequence of ndarray of int64, each of shape (frames,)
        Of each utterance.
    seconds : float
        The most audio a batch; an utterance that is longer is a batch of its own.
    seed : int
        Not negative.
    """

    def __init__(
        self,
        cache: InputCache,
        utterances: Sequence[Utterance],
        labels: Sequence[np.ndarray],
        seconds: float,
        seed: int,
    ):
        self._cache, self._utterances, self._labels = cache, utterances, labels
        self._frames = np.array([len(own) for own in labels])
        self._limit, self._seed = seconds * _FRAMES_A_SECOND, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Cut the utterances into the batches of an epoch."""
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._frames))
        order = order[np.argsort(self._frames[order] // _FRAMES_A_SECOND, kind="stable")]
        batches: list[list[int]] = [[]]
        for index in order.tolist():
            if batches[-1] and self._frames[[*batches[-1], index]].sum() > self._limit:
                batches.append([])
            batches[-1].append(index)
        self._batches = [batches[index] for index in rng.permutation(len(batches))]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def loader(self) -> torch.utils.data.DataLoader:
        """Make the iterable of :class:`Batch` that SpeechBrain's Brain wants."""
        return torch.utils.data.DataLoader(range(len(self._frames)), batch_sampler=self, collate_fn=self._read)

    def _read(self, batch: list[int]) -> Batch:
        inputs = np.concatenate([self._cache.read(self._utterances[index]) for index in batch])
        labels = np.concatenate([self._labels[index] for index in batch])
        return Batch(torch.from_numpy(inputs), torch.from_numpy(labels), self._frames[batch].tolist())
