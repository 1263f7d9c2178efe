"""Batches of utterances of about the same length, cut anew in every epoch."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence

import numpy as np
import torch

FRAMES_A_SECOND = 50


class Batches(torch.utils.data.Sampler, abc.ABC):
    """Cuts utterances of so many frames into batches, anew in every epoch; subclasses say where.

    Utterances of about the same length (to a second) share a batch; which of them do, and the order of the batches,
    depends on the seed, which is not negative, and the epoch.
    """

    def __init__(self, frames: Sequence[int], seed: int):
        self._frames, self._seed = np.asarray(frames), seed
        self.set_epoch(0)

    @abc.abstractmethod
    def cut(self, order: np.ndarray) -> Sequence[np.ndarray]:
        """Cut utterances, the short ones first, into batches."""

    def set_epoch(self, epoch: int) -> None:
        """Cut the utterances into the batches of an epoch."""
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._frames))
        batches = self.cut(order[np.argsort(self._frames[order] // FRAMES_A_SECOND, kind="stable")])
        self._batches = [batches[index].tolist() for index in rng.permutation(len(batches))]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)
