"""The files of one condition."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from local.experiment import Experiment, setting
from local.probe.conditions import Condition, Group, seeds, settings
from local.probe.corpus import Corpus
from local.probe.group import Selection
from local.probe.heads import WORDS
from utils import metrics
from utils.errors import UserError


def write_condition(
    directory: Path, group: Group, condition: Condition, experiment: Experiment, corpora: dict[str, Corpus],
    selection: Selection, probabilities: list[np.ndarray], params: int,
) -> None:  # fmt: skip
    """Write everything but ``.done`` into a directory.

    Parameters
    ----------
    directory : Path
        Exists; nothing is read from it.
    group : Group
        What its heads are trained and selected on.
    condition : Condition
        What they are tested on.
    experiment : Experiment
        The settings.
    corpora : dict of str to Corpus
        The group's corpora and the test corpus.
    selection : Selection
        What training and dev say.
    probabilities : list of ndarray
        For each fold, (seeds, layers, test utterances, emotions).
    params : int
        Trainable parameters of one head.
    """
    import yaml

    test = corpora[condition.test]
    labels = [test.labels[fold["test"]] for fold in test.folds]
    utts = [[test.utts[row] for row in fold["test"]] for fold in test.folds]
    names = seeds(group.head, experiment)
    config = settings(group, condition, experiment)
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    meta = describe(group, condition, experiment, corpora, params)
    (directory / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = _rows(selection, probabilities, labels, names, experiment.emotions)
    with open(directory / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (directory / "train.log").write_text(_log(rows, corpora), encoding="utf-8")
    _write_hypotheses(directory / "hyp", selection, probabilities, utts, names, experiment.emotions)
    np.savez(
        directory / "layers.npz",
        utts=np.array([utt for fold in utts for utt in fold]),
        fold=np.repeat(np.arange(len(utts)), [len(fold) for fold in utts]),
        ref=np.concatenate(labels).astype(np.int8),
        emotions=np.array(experiment.emotions),
        seeds=np.array(names),
        layers=np.arange(probabilities[0].shape[1]),
        pred=np.concatenate([fold.argmax(3) for fold in probabilities], axis=2).astype(np.int8),
    )


def describe(
    group: Group, condition: Condition, experiment: Experiment, corpora: dict[str, Corpus], params: int
) -> dict:
    """Say in words what a condition is: its ``meta.json``.

    Raises
    ------
    UserError
        The test corpus mixes languages, so that the condition has no setting.
    """
    used = [corpora[name] for name in dict.fromkeys([*group.train, *group.dev, condition.test])]
    test = corpora[condition.test]
    if len(test.languages) > 1:
        raise UserError(
            f"data/{test.name}/utt2lang: has {' and '.join(test.languages)}; a corpus that is tested on must have "
            "one language: prepare one corpus a language"
        )
    train_languages = sorted({language for name in group.train for language in corpora[name].languages})
    return {
        "stage": "probe",
        "method": group.head,
        "words": WORDS.get(group.head, ""),
        "setting": setting(test.info["languages"], train_languages, test.languages[0]),
        "encoder": group.encoder,
        "encoder_languages": test.info["languages"],
        "train": list(group.train),
        "dev": list(group.dev),
        "test": test.name,
        "train_languages": train_languages,
        "test_language": test.languages[0],
        "contaminated": [corpus.name for corpus in used if corpus.name in test.info["pretrained_on"]],
        "normalise": experiment.probe.normalise,
        "cross_dev": experiment.probe.cross_dev,
        "params": params,
        "scheme": experiment.split.scheme,
        "one_speaker": any(corpus.one_speaker for corpus in used),
        "emotions": experiment.emotions,
        "labels": experiment.labels,
    }


def _rows(
    selection: Selection, probabilities: list[np.ndarray], labels: list[np.ndarray], names: list[int],
    emotions: list[str],
) -> list[dict[str, object]]:  # fmt: skip
    """Rows of scores.csv: every fold, seed and layer."""
    rows: list[dict[str, object]] = []
    for fold, seed, layer in np.ndindex(*selection.dev_ua.shape):
        hypothesis = probabilities[fold][seed, layer].argmax(1)
        counts = metrics.confusion(labels[fold], hypothesis, len(emotions))
        scores = {
            "ua": metrics.unweighted_accuracy(counts),
            "wa": metrics.weighted_accuracy(counts),
            "macro_f1": metrics.macro_f1(counts),
            **{f"recall_{name}": value for name, value in zip(emotions, metrics.recalls(counts), strict=True)},
        }
        cell = fold, seed, layer
        rows.append({
            "fold": fold,
            "seed": names[seed],
            "layer": layer,
            "epoch": int(selection.epoch[cell]),
            "dev_loss": f"{selection.dev_loss[cell]:.6f}",
            "dev_ua": f"{selection.dev_ua[cell]:.6f}",
            "selected": int(layer == selection.layer[fold, seed]),
            "n_train": selection.n_train[fold],
            "n_dev": selection.n_dev[fold],
            "n_test": len(labels[fold]),
            **{name: f"{value:.6f}" for name, value in scores.items()},
        })  # fmt: skip
    return rows


def _write_hypotheses(
    path: Path, selection: Selection, probabilities: list[np.ndarray], utts: list[list[str]], names: list[int],
    emotions: list[str],
) -> None:  # fmt: skip
    """Write what the layer that dev chose says of every test utterance."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print("# utt fold seed emo", *(f"p_{name}" for name in emotions), file=file)
        for fold, seed in np.ndindex(*selection.layer.shape):
            for utt, shares in zip(utts[fold], probabilities[fold][seed, selection.layer[fold, seed]], strict=True):
                emotion = emotions[int(shares.argmax())]
                print(utt, fold, names[seed], emotion, *(f"{share:.5f}" for share in shares), file=file)


def _log(rows: list[dict[str, object]], corpora: dict[str, Corpus]) -> str:
    lines = [
        f"{corpus.name}: {corpus.excluded} utterances of the folds are left out, the encoder could not take them"
        for corpus in corpora.values()
        if corpus.excluded
    ]
    for row in rows:
        line = "fold {fold} seed {seed} layer {layer}: best epoch {epoch}, dev loss {dev_loss}, dev UA {dev_ua}, "
        lines.append((line + "test UA {ua}").format(**row) + (" (chosen)" if row["selected"] else ""))
    return "\n".join(lines) + "\n"
