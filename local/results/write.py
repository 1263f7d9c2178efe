"""Writes the directory of one condition that classifies utterances.

- ``meta.json``: stage and factors, which tell it from others, and what follows from them and the data;
- ``config.yaml``: all that decides its result, resolved;
- ``scores.csv``: a row a fold, seed and layer;
- ``hyp``: what the chosen layer says of every test utterance; ``layers.npz``: what every layer says;
- ``train.log``: the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from local.encoders import EncoderSpec
from local.grid.conditions import Condition
from local.grid.factors import FACTORS
from local.results import heard, languages
from local.results.corpus import Corpus
from utils import csv_file, metrics
from utils.errors import UserError


@dataclass(frozen=True)
class Run:
    """One trained classifier on the test list of its fold.

    Attributes
    ----------
    fold, seed, layer : int
    selected : bool
        Whether dev chose this layer for its fold and seed.
    facts : dict
        ``epoch``, ``dev_loss``, ``dev_ua``, ``n_train`` and ``n_dev``: columns of ``scores.csv``.
    probabilities : ndarray of float32, shape (test utterances, emotions)
    extra : dict
        Further columns.
    """

    fold: int
    seed: int
    layer: int
    selected: bool
    facts: Mapping[str, Any]
    probabilities: np.ndarray
    extra: Mapping[str, Any] = field(default_factory=dict)


def write(
    directory: Path, condition: Condition, meta: Mapping, config: Mapping, corpora: Iterable[Corpus], test: Corpus,
    runs: Sequence[Run],
) -> None:  # fmt: skip
    """Write everything but ``.done`` into a directory.

    Parameters
    ----------
    directory : Path
        Exists; nothing is read from it.
    condition : Condition
        Which.
    meta : mapping
        From :func:`describe`.
    config : mapping
        All settings that decide the result.
    corpora : iterable of Corpus
        All that it was made from.
    test : Corpus
        The tested one.
    runs : sequence of Run
        All folds, seeds and layers, in this order.
    """
    import yaml

    emotions = list(condition.factors["emotions"])
    labels = [test.labels[fold["test"]] for fold in test.folds]
    utts = [[test.utts[row] for row in fold["test"]] for fold in test.folds]
    config = dict(config) | {"condition": condition.identity | {"dev": list(condition.dev)}}
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (directory / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [_row(run, labels[run.fold], emotions) for run in runs]
    csv_file.write(directory / "scores.csv", list(rows[0]), rows)
    (directory / "train.log").write_text(_log(rows, corpora), encoding="utf-8")
    _write_hypotheses(directory / "hyp", runs, utts, emotions)
    _write_layers(directory / "layers.npz", runs, utts, labels, emotions)


def describe(
    condition: Condition, corpora: Mapping[str, Corpus], encoder: EncoderSpec, words: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Say what a condition is: its ``meta.json``, but for what only its result tells.

    Parameters
    ----------
    condition : Condition
        Which.
    corpora : mapping of str to Corpus
        Every corpus that it needs. In two-stage training, languages, contamination and speakers are those of both.
    encoder : EncoderSpec
        Its entry in the registry.
    words : str
        What its method is, in a few words for readers.

    Raises
    ------
    UserError
        The test corpus mixes languages, so that the condition has no setting.
    """
    test = corpora[condition.test]
    if len(test.languages) > 1:
        raise UserError(
            f"data/{test.name}/utt2lang: has {' and '.join(test.languages)}; a corpus that is tested on must have "
            "one language: prepare one corpus a language"
        )
    learnt = list(dict.fromkeys([*condition.source, *condition.train]))
    used = [corpora[name] for name in dict.fromkeys([*learnt, *condition.dev, condition.test])]
    words = {"method": words} if words else {}
    for name, value in condition.special.items():
        words[name] = FACTORS[name].says(value) if name in FACTORS else f"{name} {value}"
    return {
        "stage": condition.stage,
        "factors": condition.identity,
        "words": words,
        "dev": list(condition.dev),
        **languages.describe(encoder.languages, [corpora[name].languages for name in learnt], test.languages[0]),
        "contaminated": heard.say(encoder, [corpus.name for corpus in used]),
        "one_speaker": any(corpus.one_speaker for corpus in used),
        "voices_seen": _voices_seen([corpora[name] for name in learnt], test),
    }


def _voices_seen(trained_on: Sequence[Corpus], test: Corpus) -> int:
    """Count the people whose voice is in a fold's test list and in what that fold trains on, whatever the corpus."""
    seen = set()
    for k, fold in enumerate(test.folds):
        trained = {corpus.persons[row] for corpus in trained_on for row in corpus.folds[k]["train"]}
        seen |= trained.intersection(test.persons[row] for row in fold["test"])
    return len(seen)


def _row(run: Run, labels: np.ndarray, emotions: Sequence[str]) -> dict[str, object]:
    """Make a run's row of scores.csv."""
    counts = metrics.confusion(labels, run.probabilities.argmax(1), len(emotions))
    scores = {
        "ua": metrics.unweighted_accuracy(counts),
        "wa": metrics.weighted_accuracy(counts),
        "macro_f1": metrics.macro_f1(counts),
        **{f"recall_{name}": value for name, value in zip(emotions, metrics.recalls(counts), strict=True)},
    }
    facts = run.facts
    return {
        "fold": run.fold,
        "seed": run.seed,
        "layer": run.layer,
        "epoch": int(facts["epoch"]),
        "dev_loss": f"{facts['dev_loss']:.6f}",
        "dev_ua": f"{facts['dev_ua']:.6f}",
        "selected": int(run.selected),
        "n_train": facts["n_train"],
        "n_dev": facts["n_dev"],
        "n_test": len(labels),
        **{name: f"{value:.6f}" for name, value in scores.items()},
        **run.extra,
    }


def _write_hypotheses(path: Path, runs: Iterable[Run], utts: Sequence[Sequence[str]], emotions: Sequence[str]) -> None:
    """Write what the layer that dev chose says of every test utterance."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print("# utt fold seed emo", *(f"p_{name}" for name in emotions), file=file)
        for run in runs:
            if run.selected:
                for utt, shares in zip(utts[run.fold], run.probabilities, strict=True):
                    emotion = emotions[int(shares.argmax())]
                    print(utt, run.fold, run.seed, emotion, *(f"{share:.5f}" for share in shares), file=file)


def _write_layers(
    path: Path, runs: Sequence[Run], utts: Sequence[Sequence[str]], labels: Sequence[np.ndarray],
    emotions: Sequence[str],
) -> None:  # fmt: skip
    seeds = list(dict.fromkeys(run.seed for run in runs))
    layers = list(dict.fromkeys(run.layer for run in runs))
    said = {(run.seed, run.layer, run.fold): run.probabilities.argmax(1) for run in runs}
    folds = range(len(utts))
    pred = [[np.concatenate([said[seed, layer, k] for k in folds]) for layer in layers] for seed in seeds]
    np.savez(
        path,
        utts=np.array([utt for fold in utts for utt in fold]),
        fold=np.repeat(np.arange(len(utts)), [len(fold) for fold in utts]),
        ref=np.concatenate(labels).astype(np.int8),
        emotions=np.array(emotions),
        seeds=np.array(seeds),
        layers=np.array(layers),
        pred=np.array(pred).astype(np.int8),
    )


def _log(rows: Iterable[Mapping[str, object]], corpora: Iterable[Corpus]) -> str:
    lines = [
        f"{corpus.name}: {corpus.excluded} utterances of the folds are left out, the encoder could not take them"
        for corpus in corpora
        if corpus.excluded
    ]
    for row in rows:
        where = row.get("cut", row["layer"])
        line = "best epoch {epoch}, dev loss {dev_loss}, dev UA {dev_ua}, test UA {ua}".format(**row)
        chosen = " (chosen)" if row["selected"] and "cut" not in row else ""
        lines.append(f"fold {row['fold']} seed {row['seed']} layer {where}: {line}{chosen}")
    return "\n".join(lines) + "\n"
