"""Tests the models of one condition, and writes its files: those of a probe's condition, with one layer.

``scores.csv`` has a column more, ``cut``: the layer behind which the fold's encoder was cut. Where the probes chose it,
it is another in every fold and corpus, and ``layer`` is -1 throughout, the last of what is left of the encoder.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from local import encoders
from local.experiment import Experiment, setting
from local.finetune import data, strategies, trainer
from local.finetune.conditions import Condition, Group, Training, settings, trainings
from local.finetune.data import Corpus
from local.finetune.model import EmotionClassifier
from utils import metrics
from utils.errors import UserError

CUT = -1  # the layer's name where it differs between folds


@dataclass(frozen=True)
class Tested:
    """One training's model on its fold's test list.

    Attributes
    ----------
    training : Training
    layer : int
        Behind which the encoder was cut.
    provenance : dict
        What its training says.
    params : int
        Trainable parameters.
    labels : ndarray of int64, shape (utterances,)
    utts : list of str
    probabilities : ndarray of float32, shape (utterances, emotions)
    """

    training: Training
    layer: int
    provenance: dict[str, Any]
    params: int
    labels: np.ndarray
    utts: list[str]
    probabilities: np.ndarray

    @property
    def key(self) -> tuple[int, int]:
        """Fold and seed."""
        return self.training.fold, self.training.seed


def write_condition(
    directory: Path, group: Group, condition: Condition, experiment: Experiment, device: str = "cpu"
) -> None:
    """Test a condition and write everything but ``.done`` into a directory.

    Parameters
    ----------
    directory : Path
        Exists; nothing is read from it.
    group : Group
        Its models are trained.
    condition : Condition
        What they are tested on.
    experiment : Experiment
        The settings.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        The test corpus is not whole, mixes languages or has another number of folds than the models, or a model is
        damaged.
    """
    import yaml

    corpora = {
        name: data.read(name, group.encoder, experiment.split.scheme, experiment.emotions)
        for name in dict.fromkeys([*group.learnt, condition.test])
    }
    meta = describe(group, condition, experiment, corpora)
    runs = trainings(group, experiment)
    if len(corpora[condition.test].folds) != max(run.fold for run in runs) + 1:
        raise UserError(
            f"data/{condition.test}/folds/{experiment.split.scheme}: has {len(corpora[condition.test].folds)} folds, "
            f"and {group.train[0]} another number; corpora of one condition need the same"
        )
    tested = [_test(run, corpora[condition.test], device) for run in runs]
    config = settings(group, condition, experiment)
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    meta["params"] = max(one.params for one in tested)
    (directory / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    layer = CUT if experiment.finetune.layer == "probe" else tested[0].layer
    rows = [_row(one, layer, experiment.emotions) for one in tested]
    with open(directory / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (directory / "train.log").write_text(_log(rows, corpora), encoding="utf-8")
    _write_hypotheses(directory / "hyp", tested, experiment.emotions)
    _write_layers(directory / "layers.npz", tested, layer, experiment.emotions)


def describe(group: Group, condition: Condition, experiment: Experiment, corpora: dict[str, Corpus]) -> dict[str, Any]:
    """Say in words what a condition is: its ``meta.json``, but for the number of parameters.

    In two-stage training, ``train`` is the second stage's, and languages, contamination and speakers are those of
    both.

    Raises
    ------
    UserError
        The test corpus mixes languages, so that the condition has no setting.
    """
    spec, test = encoders.spec(group.encoder), corpora[condition.test]
    used = [corpora[name] for name in dict.fromkeys([*group.learnt, condition.test])]
    if len(test.languages) > 1:
        raise UserError(
            f"data/{test.name}/utt2lang: has {' and '.join(test.languages)}; a corpus that is tested on must have "
            "one language: prepare one corpus a language"
        )
    languages = sorted({one for name in (*group.source, *group.train) for one in corpora[name].languages})
    return {
        "stage": "finetune",
        "method": group.method,
        "words": strategies.words(group.strategy),
        "setting": setting(spec.languages, languages, test.languages[0]),
        "encoder": group.encoder,
        "encoder_languages": spec.languages,
        "source": list(group.source),
        "train": list(group.train),
        "dev": list(group.dev),
        "test": test.name,
        "train_languages": languages,
        "test_language": test.languages[0],
        "contaminated": [corpus.name for corpus in used if corpus.name in spec.pretrained_on],
        "normalise": "none",
        "cross_dev": experiment.probe.cross_dev,
        "scheme": experiment.split.scheme,
        "one_speaker": any(corpus.one_speaker for corpus in used),
        "emotions": experiment.emotions,
        "labels": experiment.labels,
    }


def _test(training: Training, corpus: Corpus, device: str) -> Tested:
    """Apply a model to its fold's test list."""
    classifier = EmotionClassifier.load(training.directory, device)
    examples = corpus.part(training.fold, "test")
    cache = data.open_cache(data.cache_folder(training.group.encoder), classifier)
    data.fill(cache, examples, classifier, sys.stderr.isatty(), 1)
    batches = data.by_length(cache, examples, 16)
    probabilities = np.empty((len(examples.labels), len(classifier.emotions)), dtype=np.float32)
    for rows, scores in zip(batches, trainer.score(classifier, cache, examples, batches), strict=True):
        probabilities[rows] = scores.softmax(dim=1).numpy()
    return Tested(
        training, classifier.design.layer, classifier.provenance, classifier.counts()[0], examples.labels,
        [utterance.id for utterance in examples.utterances], probabilities,
    )  # fmt: skip


def _row(tested: Tested, layer: int, emotions: list[str]) -> dict[str, object]:
    """Make a training's row of scores.csv."""
    counts = metrics.confusion(tested.labels, tested.probabilities.argmax(1), len(emotions))
    scores = {
        "ua": metrics.unweighted_accuracy(counts),
        "wa": metrics.weighted_accuracy(counts),
        "macro_f1": metrics.macro_f1(counts),
        **{f"recall_{name}": value for name, value in zip(emotions, metrics.recalls(counts), strict=True)},
    }
    made = tested.provenance
    return {
        "fold": tested.training.fold,
        "seed": tested.training.seed,
        "layer": layer,
        "epoch": made["best_epoch"],
        "dev_loss": f"{made['dev_loss']:.6f}",
        "dev_ua": f"{made['dev_ua']:.6f}",
        "selected": 1,
        "n_train": made["n_train"],
        "n_dev": made["n_dev"],
        "n_test": len(tested.labels),
        **{name: f"{value:.6f}" for name, value in scores.items()},
        "cut": tested.layer,
    }


def _write_hypotheses(path: Path, tested: list[Tested], emotions: list[str]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print("# utt fold seed emo", *(f"p_{name}" for name in emotions), file=file)
        for one in tested:
            for utt, shares in zip(one.utts, one.probabilities, strict=True):
                emotion = emotions[int(shares.argmax())]
                print(utt, *one.key, emotion, *(f"{share:.5f}" for share in shares), file=file)


def _write_layers(path: Path, tested: list[Tested], layer: int, emotions: list[str]) -> None:
    seeds = list(dict.fromkeys(one.training.seed for one in tested))
    first = [one for one in tested if one.training.seed == seeds[0]]
    pred = [
        np.concatenate([one.probabilities.argmax(1) for one in tested if one.training.seed == seed]) for seed in seeds
    ]
    np.savez(
        path,
        utts=np.array([utt for one in first for utt in one.utts]),
        fold=np.repeat([one.training.fold for one in first], [len(one.utts) for one in first]),
        ref=np.concatenate([one.labels for one in first]).astype(np.int8),
        emotions=np.array(emotions),
        seeds=np.array(seeds),
        layers=np.array([layer]),
        pred=np.stack(pred)[:, None].astype(np.int8),
    )


def _log(rows: list[dict[str, object]], corpora: dict[str, Corpus]) -> str:
    lines = [
        f"{corpus.name}: {corpus.excluded} utterances of the folds are left out, the encoder could not take them"
        for corpus in corpora.values()
        if corpus.excluded
    ]
    line = "fold {fold} seed {seed} layer {cut}: best epoch {epoch}, dev loss {dev_loss}, dev UA {dev_ua}, test UA {ua}"
    return "\n".join([*lines, *(line.format(**row) for row in rows)]) + "\n"
