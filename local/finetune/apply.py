"""Tests the models of a group, and writes its conditions' directories: those of a probe's condition, with one layer.

``scores.csv`` has a column more, ``cut``: the layer behind which the fold's encoder was cut. Where the probes chose it,
it is another in every fold and corpus, and ``layer`` is -1 throughout, the last of what is left of the encoder.
Of models that learnt from several corpora and are tested on another, ``representation.csv`` and ``points.csv`` say what
tuning made of the layer (local/finetune/representation.py).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from local import encoders
from local.finetune import data, strategies, trainer
from local.finetune.conditions import REPRESENTATION, STAGE, settings, unheard
from local.finetune.model import EmotionClassifier
from local.grid.conditions import Condition, Group, Training
from local.results import corpus as reader
from local.results.corpus import Corpus
from local.results.write import Run, describe, write
from utils import csv_file, stamp
from utils.atomic import atomic_dir

if TYPE_CHECKING:
    from local.finetune.representation import Looked

CUT = -1  # the layer's name where it differs between folds


def test(group: Group, device: str = "cpu") -> None:
    """Test conditions, whose models are trained, and write their directories anew.

    Raises
    ------
    UserError
        A test corpus is not whole, mixes languages or has another number of folds than the models, or a model is
        damaged.
    """
    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    stamps = {condition: STAGE.stamp(group, condition) for condition in group.conditions}
    encoder, emotions = group.first.encoder, group.first.factors["emotions"]
    corpora = {name: reader.read(name, encoder, group.scheme, emotions) for name in group.corpora}
    reader.check_folds(corpora.values(), group.scheme)
    for condition in group.conditions:
        used = {name: corpora[name] for name in dict.fromkeys([*group.learnt, condition.test])}
        meta = describe(condition, used, encoders.spec(encoder), strategies.words(condition.method))
        looked = _look(condition, corpora, device)
        runs, params = [], []
        for training in STAGE.trainings(group):
            classifier = EmotionClassifier.load(training.directory, device)
            runs.append(_apply(training, classifier, corpora[condition.test]))
            params.append(classifier.counts()[0])
            if looked:
                looked.at(training, classifier)
        meta |= {"models": group.name, "params": max(params)}
        with atomic_dir(condition.directory) as directory:
            write(directory, condition, meta, settings(condition), used.values(), corpora[condition.test], runs)
            for name, (columns, rows) in (looked.files if looked else {}).items():
                csv_file.write(directory / name, columns, rows)
            stamp.write(directory, stamps[condition], keep=True)
        print(f"{condition.directory}: done", flush=True)


def _look(condition: Condition, corpora: Mapping[str, Corpus], device: str) -> Looked | None:
    """Make what reads representations, of a condition that has any to read."""
    return importlib.import_module(REPRESENTATION).Looked(condition, corpora, device) if unheard(condition) else None


def _apply(training: Training, classifier: EmotionClassifier, corpus: Corpus) -> Run:
    """Apply a model to its fold's test list."""
    examples = data.part(corpus, training.fold, "test")
    cache = data.open_cache(data.cache_folder(training.group.first.encoder), classifier)
    cache.fill(examples.utterances, classifier.features, sys.stderr.isatty(), 1)
    batches = data.by_length(cache, examples, 16)
    probabilities = np.empty((len(examples.labels), len(classifier.emotions)), dtype=np.float32)
    for rows, scores in zip(batches, trainer.score(classifier, cache, examples, batches), strict=True):
        probabilities[rows] = scores.softmax(dim=1).numpy()
    cut, made = classifier.design.layer, classifier.provenance
    facts: dict[str, Any] = {"epoch": made["best_epoch"]} | {
        name: made[name] for name in ("dev_loss", "dev_ua", "n_train", "n_dev")
    }
    layer = CUT if training.group.first.factors["layer"] == "probe" else cut
    return Run(training.fold, training.seed, layer, True, facts, probabilities, {"cut": cut})
