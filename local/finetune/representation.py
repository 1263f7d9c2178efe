"""What tuning makes of a layer: who and what is read from it before and after.

    looked = Looked(condition, corpora, device)
    looked.at(training, classifier)  # of each model

It gives the rows of two files of a condition's directory (local/representation/records.py): ``input`` is what the head
would be given by the encoder as it came, at the layer behind which the model is cut; ``hidden`` is what it is given by
the tuned one, of each seed. Both are standardised by the sources' train lists, as stage 3 standardises features. Points
are of the first fold and seed.

A model is run once more, on all train and test lists, without gradients; the encoder as it came, once an utterance for
all models.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import torch

from local import encoders
from local.finetune import data
from local.finetune.conditions import sources
from local.finetune.data import Examples
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.grid.conditions import Condition, Training
from local.representation.records import HIDDEN, INPUT, PLACED, Pair, Records
from local.representation.scaling import measure
from local.results.corpus import Corpus

_BATCH = 16


class Looked:
    """Reads what models are given and what they make of it.

    Parameters
    ----------
    condition : Condition
        Trained on several corpora, and tested on another.
    corpora : mapping of str to Corpus
        All that it needs.
    device : str
        As torch names it.
    """

    def __init__(self, condition: Condition, corpora: Mapping[str, Corpus], device: str):
        self._encoder, self._device = condition.encoder, device
        self._corpora = [corpora[name] for name in (*sources(condition), condition.test)]
        self._records = Records(self._corpora, condition.factors["emotions"])
        self._before: dict[tuple[int, int], Pair] = {}  # by fold and layer

    @property
    def files(self) -> dict[str, tuple[list[str], list[dict]]]:
        """Columns and rows by file."""
        return self._records.files

    def at(self, training: Training, classifier: EmotionClassifier) -> None:
        """Read what a model's encoder gives its head, and what the encoder gave as it came."""
        design = classifier.design
        own = training.fold, design.layer
        if own not in self._before:
            untuned = Design(design.layer, pooling=design.pooling)  # whose strategy leaves the encoder alone
            plain = EmotionClassifier(encoders.spec(self._encoder), classifier.emotions, untuned, device=self._device)
            self._before = {at: pair for at, pair in self._before.items() if at[0] == training.fold}  # folds in turn
            self._before[own] = self._pair(training.fold, plain)
            self._records.read(*own, INPUT, "", self._before[own])
        after = self._pair(training.fold, classifier)
        self._records.read(*own, HIDDEN, training.seed, after)
        if not self.files[PLACED][1]:
            self._records.lay_out(design.layer, self._before[own], after)

    def _pair(self, fold: int, classifier: EmotionClassifier) -> Pair:
        x = []
        for part in Pair._fields:
            examples = Examples.joined([data.part(corpus, fold, part) for corpus in self._corpora])
            x.append(self._pooled(classifier, examples))
        known = sum(len(corpus.folds[fold]["train"]) for corpus in self._corpora[:-1])
        scaling = measure(x[0][None, :known])
        for one in x:
            scaling.apply(one[None])
        return self._records.pair(fold, *x)

    @torch.no_grad()
    def _pooled(self, classifier: EmotionClassifier, examples: Examples) -> np.ndarray:
        """Give what the head is given of every utterance: float32, shape (utterances, dim)."""
        cache = data.open_cache(data.cache_folder(self._encoder), classifier)
        cache.fill(examples.utterances, classifier.features, sys.stderr.isatty(), 1)
        found = np.empty((len(examples.labels), classifier.encoder.spec.dim), dtype=np.float32)
        for rows in data.by_length(cache, examples, _BATCH):
            batch = data.read_batch(cache, examples, rows)
            pooled = classifier.pooled(batch["features"].to(self._device), batch["lengths"])
            found[rows] = pooled.float().cpu().numpy()
        return found
