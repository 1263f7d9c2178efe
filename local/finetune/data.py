"""What fine-tuning reads of corpora: utterances with labels and folds, and batches of what training never changes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from local import encoders
from local.finetune.model import EmotionClassifier
from local.results.corpus import Corpus
from utils.data_dir import Utterance
from utils.feature_cache import InputCache

_FRAMES_A_SECOND = 50


@dataclass(frozen=True)
class Examples:
    """Utterances and their labels, indices into the emotions; ``labels`` is an ndarray of int64."""

    utterances: list[Utterance]
    labels: np.ndarray

    @staticmethod
    def joined(parts: Sequence[Examples]) -> Examples:
        """Join the examples of several corpora."""
        utterances = [utterance for part in parts for utterance in part.utterances]
        return Examples(utterances, np.concatenate([part.labels for part in parts]))


def part(corpus: Corpus, fold: int, part: str) -> Examples:
    """Give the utterances of one of a fold's lists."""
    rows = corpus.folds[fold][part]
    return Examples([corpus.utterances[row] for row in rows], corpus.labels[rows])


def open_cache(folder: Path, classifier: EmotionClassifier) -> InputCache:
    """Open the cache of what a classifier's ``features`` gives.

    All classifiers of an encoder whose blocks are trained share one, of the front end's output in 16 bits; those of
    a frozen encoder share one by layer and pooling, of means in 32 bits.

    Parameters
    ----------
    folder : Path
        Where caches are.
    classifier : EmotionClassifier
        With a fresh encoder.
    """
    spec = classifier.encoder.spec
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in spec.files()]
    kind = (spec.identity(), spec.normalise, files, classifier.encoder.precision)
    if not classifier.frozen:
        return InputCache(folder, repr(kind))
    return InputCache(folder, repr((*kind, classifier.design.layer, classifier.design.pooling)), "float32")


def fill(cache: InputCache, examples: Examples, classifier: EmotionClassifier, bar: bool, threads: int) -> None:
    """Compute what a cache lacks of some examples; see :meth:`InputCache.fill`."""
    cache.fill(examples.utterances, classifier.features, bar, threads)


def cache_folder(encoder: str) -> Path:
    """Tell where an encoder's caches are, from the recipe's folder."""
    return Path("dump", encoders.spec(encoder).name, "finetune")


class Batches(torch.utils.data.Sampler):
    """Cuts utterances into batches, anew in every epoch.

    Utterances of about the same length (to a second) share a batch, so that processes have equal work; which of them
    do, and the order of the batches, depends on the seed and the epoch. A last batch that is too small joins the one
    before: a single utterance would give a gradient of its own.

    Parameters
    ----------
    frames : sequence of int
        Rows of each utterance in the cache.
    size : int
        Utterances a batch, of all processes together.
    seed : int
        Not negative.
    rank, world : int
        Which of how many processes this is: each gets its share of every batch.
    """

    def __init__(self, frames: Sequence[int], size: int, seed: int, rank: int = 0, world: int = 1):
        self._frames, self._seed = np.asarray(frames), seed
        self._rank, self._world = rank, world
        starts = list(range(0, len(self._frames), size))
        if len(starts) > 1 and len(self._frames) - starts[-1] < max(2, world):
            starts.pop()
        self._starts = starts
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Cut the utterances into the batches of an epoch."""
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._frames))
        order = order[np.argsort(self._frames[order] // _FRAMES_A_SECOND, kind="stable")]
        batches = np.split(order, self._starts[1:])
        self._batches = [batches[index][self._rank :: self._world].tolist() for index in rng.permutation(len(batches))]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._starts)


class Loader(torch.utils.data.DataLoader):
    """Reads batches from a cache; transformers' Trainer tells it the epoch.

    Parameters
    ----------
    cache : InputCache
        Filled.
    examples : Examples
        What to read.
    batches : Batches
        Which of them together.
    """

    def __init__(self, cache: InputCache, examples: Examples, batches: Batches):
        read = functools.partial(read_batch, cache, examples)
        super().__init__(range(len(examples.labels)), batch_sampler=batches, collate_fn=read)

    def set_epoch(self, epoch: int) -> None:
        """Cut the batches of an epoch."""
        self.batch_sampler.set_epoch(epoch)


def read_batch(cache: InputCache, examples: Examples, rows: Sequence[int]) -> dict[str, Any]:
    """Read some examples as one batch of packed utterances.

    Returns
    -------
    dict
        ``features``: Tensor of float32, shape (rows of all, ...); ``lengths``: list of int, the rows of each;
        ``labels``: Tensor of int64, shape (utterances,).
    """
    inputs = [cache.read(examples.utterances[row]) for row in rows]
    return {
        "features": torch.from_numpy(np.concatenate(inputs).astype(np.float32, copy=False)),
        "lengths": [len(own) for own in inputs],
        "labels": torch.from_numpy(examples.labels[list(rows)]),
    }


def by_length(cache: InputCache, examples: Examples, size: int) -> list[list[int]]:
    """Cut examples into batches for use, those with the most rows first."""
    frames = [cache.frames(utterance) for utterance in examples.utterances]
    order = sorted(range(len(frames)), key=lambda row: -frames[row])
    return [order[begin : begin + size] for begin in range(0, len(order), size)]
