"""What fine-tuning reads of corpora: utterances with labels and folds, and batches of what training never changes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from local import encoders
from local.finetune.model import EmotionClassifier
from local.losses import sampler
from local.models import batches
from local.results.corpus import Corpus
from utils.data_dir import Utterance
from utils.feature_cache import InputCache


@dataclass(frozen=True)
class Examples:
    """Utterances and their labels, indices into the emotions; ``labels`` is an ndarray of int64.

    ``persons`` and ``languages`` say who speaks each, and in which language.
    """

    utterances: list[Utterance]
    labels: np.ndarray
    persons: list[str]
    languages: list[str]

    def some(self, rows: Sequence[int]) -> Examples:
        """Give some of them, in this order."""
        lists = ([own[row] for row in rows] for own in (self.utterances, self.persons, self.languages))
        utterances, persons, languages = lists
        return Examples(utterances, self.labels[list(rows)], persons, languages)

    @staticmethod
    def joined(parts: Sequence[Examples]) -> Examples:
        """Join the examples of several corpora."""
        names = ("utterances", "persons", "languages")
        utterances, persons, languages = ([one for part in parts for one in getattr(part, name)] for name in names)
        return Examples(utterances, np.concatenate([part.labels for part in parts]), persons, languages)


def part(corpus: Corpus, fold: int, part: str) -> Examples:
    """Give the utterances of one of a fold's lists."""
    return everything(corpus).some(corpus.folds[fold][part])


def everything(corpus: Corpus) -> Examples:
    """Give all utterances of a corpus."""
    return Examples(corpus.utterances, corpus.labels, corpus.persons, ["+".join(corpus.languages)] * len(corpus.utts))


def open_cache(folder: Path, classifier: EmotionClassifier) -> InputCache:
    """Open the cache of what a classifier's ``features`` gives.

    All classifiers of an encoder whose blocks are trained share one, of the front end's output in 16 bits; those of
    a frozen encoder share one by layer and pooling, of means in 32 bits.
    """
    spec = classifier.encoder.spec
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in spec.files()]
    kind = (spec.identity(), spec.normalise, files, classifier.encoder.precision)
    if not classifier.frozen:
        return InputCache(folder, repr(kind))
    return InputCache(folder, repr((*kind, classifier.design.layer, classifier.design.pooling)), "float32")


def cache_folder(encoder: str) -> Path:
    """Tell where an encoder's caches are, from the recipe's folder."""
    return Path("dump", encoders.spec(encoder).name, "finetune")


class Batches(batches.Batches):
    """Cuts utterances into batches of one size, for all processes together: each gets its share of every batch.

    A last batch that is too small joins the one before: a single utterance would give a gradient of its own. Batches of
    one are in an order that is drawn evenly among all.
    """

    def __init__(self, frames: Sequence[int], size: int, seed: int, rank: int = 0, world: int = 1):
        self._size, self._rank, self._world = size, rank, world
        super().__init__(frames, seed)

    def cut(self, order: np.ndarray) -> list[np.ndarray]:
        """Cut after so many utterances; of every batch, give this process's share."""
        starts = list(range(self._size, len(order), self._size))
        if starts and len(order) - starts[-1] < max(min(2, self._size), self._world):
            starts.pop()
        return [batch[self._rank :: self._world] for batch in np.split(order, starts)]


class Cells(Batches):
    """Cuts batches that hold as many of every emotion in every language (local/losses/sampler.py).

    ``drawn`` is ``cells``, or ``classes`` for as many of every emotion, whatever the language.
    """

    def __init__(self, examples: Examples, drawn: str, frames: Sequence[int], seed: int, rank: int, world: int):
        languages = numbered(examples.languages) if drawn == "cells" else np.zeros(len(examples.labels), dtype=int)
        self._cells = examples.labels, languages
        super().__init__(frames, sampler.EACH, seed, rank, world)

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of an epoch; of every batch, keep this process's share."""
        drawn = sampler.batches(*self._cells, self._seed, epoch, self._size, lengths=self._frames)
        self._batches = [batch[self._rank :: self._world].tolist() for batch in drawn]


def numbered(names: Sequence[str]) -> np.ndarray:
    """Number names, from 0, in the order of the alphabet."""
    return np.unique(names, return_inverse=True)[1]


class Loader(torch.utils.data.DataLoader):
    """Reads batches of examples from a filled cache; transformers' Trainer tells it the epoch."""

    def __init__(self, cache: InputCache, examples: Examples, batches: Batches):
        who = numbered(examples.persons), numbered(examples.languages)
        read = functools.partial(_read_training, cache, examples, *who)
        super().__init__(range(len(examples.labels)), batch_sampler=batches, collate_fn=read)

    def set_epoch(self, epoch: int) -> None:
        """Cut the batches of an epoch."""
        self.batch_sampler.set_epoch(epoch)


def _read_training(
    cache: InputCache, examples: Examples, persons: np.ndarray, languages: np.ndarray, rows: Sequence[int]
) -> dict[str, Any]:
    """Read a batch with numbers of who speaks, and in which language."""
    who = {"persons": torch.from_numpy(persons[list(rows)]), "languages": torch.from_numpy(languages[list(rows)])}
    return read_batch(cache, examples, rows) | who


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
