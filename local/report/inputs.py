"""Reads what the report is made from: the one place that knows the files of stages 1, 4, 5 and 6."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from local import corpora
from local.experiment import Experiment
from local.report.material import (
    PARTS,
    Comparison,
    Corpus,
    Diarization,
    Diarized,
    DiarizedPair,
    Epoch,
    Inputs,
    LanguageTest,
    Result,
    Score,
    System,
)  # fmt: skip
from utils.config import read_yaml
from utils.errors import UserError

RESULTS, SUMMARY, SIGNIFICANCE, CONFUSION, LANGUAGE = FILES = [
    Path("exp") / name for name in ("results.csv", "summary.csv", "significance.csv", "confusion.json", "language.csv")
]
SED_RESULTS, SED_SIGNIFICANCE = Path("exp/sed/results.csv"), Path("exp/sed/significance.csv")
SED_REFERENCE = Path("conf/reference_sed.yaml")
MODELS = Path("exp/finetune/models")


def files(experiment: Experiment) -> list[Path]:
    """List all that is read, whether it is there or not."""
    names = ("utt2spk", "utt2emo", "excluded.tsv", "audit.json")
    data = [Path("data") / corpus / name for corpus in experiment.corpora for name in names]
    return [*FILES, SED_RESULTS, SED_SIGNIFICANCE, SED_REFERENCE, *data, *sorted(MODELS.glob("*.after.*/*/curve.csv"))]


def load(recipe: str, experiment: Experiment) -> Inputs | None:
    """Read what stages 1, 4 and 5 wrote into the recipe's folder, which is the working directory.

    Parameters
    ----------
    recipe : str
        The recipe's name.
    experiment : Experiment
        Its configuration.

    Returns
    -------
    Inputs or None
        None where a study's figures are to be shown and nothing of the experiment has been run (though stand-ins
        may have been, in a smoke run).

    Raises
    ------
    UserError
        Stage 5 has not been run, or its tables are of other corpora or encoders.
    """
    alone = bool(experiment.study.reference) and not experiment.study.smoke and not _made(experiment)
    for path in FILES:
        if not path.is_file():
            if alone:
                return None
            raise UserError(f"{path}: no such file; run the score stage first")
    everything = _read_csv(RESULTS)
    foreign = [row for row in everything if not _belongs(row, experiment)]
    if alone and len(foreign) == len(everything):
        return None
    if foreign:
        names = f"{foreign[0]['encoder']}, trained on {foreign[0]['train']} and tested on {foreign[0]['test']}"
        raise UserError(f"{RESULTS}: holds {names}, which the experiment does not name; run the score stage again")
    confusions = json.loads(CONFUSION.read_text(encoding="utf-8"))
    emotions = confusions["emotions"]
    results = list(_results([row for row in everything if row["fold"] == "all"], confusions["conditions"], emotions))
    used = {name for result in results for name in (*result.train, result.test)}
    means: dict[tuple[System, str], dict[int | str, Score]] = {}
    for row in _read_csv(SUMMARY):
        means.setdefault((System(row["encoder"], row["method"]), row["group"]), {})[_layer(row["layer"])] = _score(row)
    return Inputs(
        recipe=recipe,
        experiment=experiment,
        emotions=emotions,
        corpora={name: _corpus(name, emotions) for name in experiment.corpora if name in used},
        results=results,
        means=means,
        comparisons=[_comparison(row) for row in _read_csv(SIGNIFICANCE)],
        languages=[_language_test(row) for row in _read_csv(LANGUAGE)],
        folds=len({row["fold"] for row in everything} - {"all"}),
        seeds=len({row["seed"] for row in everything} - {"all"}),
    )


def _belongs(row: dict[str, str], experiment: Experiment) -> bool:
    grids = [experiment, experiment.finetune, *experiment.finetune.also]
    known = row["encoder"] in {name for grid in grids for name in grid.encoders}
    return known and {*row["train"].split("+"), row["test"]} <= {*experiment.corpora}


def _made(experiment: Experiment) -> bool:
    """Tell whether there are conditions of the experiment's encoders, scored or not."""
    found = (
        Path("exp", stage).glob(f"{encoder}.*") for stage in ("probe", "finetune") for encoder in experiment.encoders
    )
    return any(path.is_dir() for paths in found for path in paths)


def _results(rows: list[dict[str, str]], confusions: list[dict], emotions: list[str]) -> Iterator[Result]:
    by_condition: dict[tuple, dict[int | str, dict[str, str]]] = {}
    for row in rows:
        key = row["stage"], row["encoder"], row["method"], row["train"], row["test"]
        by_condition.setdefault(key, {})[_layer(row["layer"])] = row
    for confusion in confusions:
        meta = confusion["meta"]
        layers = by_condition[meta["stage"], meta["encoder"], meta["method"], "+".join(meta["train"]), meta["test"]]
        headline = layers.pop("dev")
        selected = Counter({layer: int(row["selected"]) for layer, row in layers.items()})
        if meta["stage"] == "finetune":
            selected = Counter(confusion["cut"])
        recalls = {emotion: headline[f"recall_{emotion}"] for emotion in emotions}
        yield Result(
            system=System(meta["encoder"], meta["method"]),
            **{key: meta[key] for key in ("stage", "test", "setting", "cross_dev", "scheme", "params", "one_speaker")},
            **{key: tuple(meta[key]) for key in ("train", "dev", "contaminated")},
            source=tuple(meta.get("source", ())),
            headline=_score(headline),
            **{key: float(headline[key]) for key in ("wa", "macro_f1")},
            **{key: int(headline[key]) for key in ("n_test", "speakers")},
            recalls={emotion: float(text) if text else None for emotion, text in recalls.items()},
            resampled=headline["resampled"],
            layers={layer: _score(row) for layer, row in layers.items()},
            selected=dict(sorted((+selected).items())),
            counts=confusion["counts"],
            languages=tuple(meta["encoder_languages"]),
            words=meta.get("words", ""),
            curves=_curves(meta) if meta.get("source") else [],
        )


def _curves(meta: dict) -> list[list[Epoch]]:
    """Read the learning curves of a condition's models, whose folder is named after what training depends on."""
    train, dev = ("+".join(meta[key]) for key in ("train", "dev"))
    name = f"{meta['encoder']}.{meta['method']}.{train}" + ("" if dev == train else f".dev-{dev}")
    return [
        [Epoch(int(row["epoch"]), float(row["dev_loss"]), float(row["dev_ua"])) for row in _read_csv(path)]
        for path in sorted((MODELS / name).glob("*/curve.csv"))
    ]


def _paired(row: dict[str, str]) -> dict:
    """Read the columns that all paired tests of UA have."""
    return {
        "ua_a": float(row["ua_a"]), "ua_b": float(row["ua_b"]), "difference": _difference(row), "n": int(row["n"]),
        "speakers": int(row["speakers"]), "p": float(row["p"]), "adjusted": float(row["p_holm"]),
    }  # fmt: skip


def _comparison(row: dict[str, str]) -> Comparison:
    # Names of encoders hold no dot, those of methods may.
    a, b = (System(*row[side].split(".", 1)) for side in "ab")
    train = None if row["train"] == "*" else tuple(row["train"].split("+"))
    return Comparison(
        stage=row["stage"], train=train, test=row["test"], setting=row["setting"], a=a, b=b, **_paired(row)
    )  # fmt: skip


def _language_test(row: dict[str, str]) -> LanguageTest:
    test = None if row["test"] == "*" else row["test"]
    return LanguageTest(
        stage=row["stage"], question=row["question"], method=row["method"], test=test, **_paired(row)
    )  # fmt: skip


def _corpus(name: str, emotions: list[str]) -> Corpus:
    folder = Path("data") / name
    labels = Counter(line.split()[1] for line in _lines(folder / "utt2emo"))
    audit = folder / "audit.json"
    return Corpus(
        name=name,
        **describe(name),
        speakers=len({line.split()[1] for line in _lines(folder / "utt2spk")}),
        emotions={emotion: labels[emotion] for emotion in emotions},
        excluded=max(0, len(_lines(folder / "excluded.tsv")) - 1),
        audit=json.loads(audit.read_text(encoding="utf-8")) if audit.is_file() else None,
    )


def describe(name: str) -> dict:
    """Look up how a corpus is called, in which language it is, and whether it is synthetic."""
    spec = corpora.spec(name)
    return {key: getattr(spec, key) for key in ("language", "synthetic", "title", "licence")}


def diarization(experiment: Experiment) -> Diarization | None:
    """Read what stage 6 wrote; None where the experiment does not ask for it, or it has not been run."""
    if not experiment.sed.encoders or not SED_RESULTS.is_file():
        return None
    return Diarization(
        [_diarized(row) for row in _read_csv(SED_RESULTS)],
        [_diarized_pair(row) for row in _read_csv(SED_SIGNIFICANCE)],
        read_yaml(SED_REFERENCE) if SED_REFERENCE.is_file() else {},
    )


def _diarized(row: dict[str, str]) -> Diarized:
    return Diarized(
        system=(row["system"], row["how"]),
        baseline=row["baseline"] != "0",
        **{key: row[key] for key in ("setting", "test", "emotion")},
        eder=Score(*(float(row[key]) for key in ("eder", "eder_lo", "eder_hi"))),
        n=int(row["n"]),
        speakers=int(row["speakers"]),
        contaminated=bool(row["contaminated"]),
        parts={key: float(row[key]) for key in PARTS if row.get(key)},
    )


def _diarized_pair(row: dict[str, str]) -> DiarizedPair:
    return DiarizedPair(
        row["test"], (row["a"], row["a_how"]), (row["b"], row["b_how"]), _difference(row), int(row["n"]),
        int(row["speakers"]), float(row["p"]), float(row["p_holm"]),
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _layer(text: str) -> int | str:
    return text if text == "dev" else int(text)


def _score(row: dict[str, str]) -> Score:
    return Score(*(float(row[key]) if row[key] else float("nan") for key in ("ua", "ua_lo", "ua_hi")))


def _difference(row: dict[str, str]) -> Score:
    return Score(*(float(row[key]) for key in ("diff", "lo", "hi")))
