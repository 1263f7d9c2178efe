"""Reads what the report is made from: the one place that knows the files of stages 1, 4, 5 and 6."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from local import corpora
from local.experiment import Experiment
from local.grid import manifest
from local.grid.factors import OUTSIDE
from local.report import aligned, erased, failures, gaps, listened
from local.report.conditions import SPREAD, Epoch, Result
from local.report.diarized import PARTS, Diarization, Diarized, DiarizedPair
from local.report.material import Comparison, Corpus, Inputs, LanguageTest, System
from local.report.outside import Outside
from local.report.scores import Score, ShotsTest
from local.report.tables.cells import HEARD
from local.results import heard
from local.results.read import STAGES
from utils import csv_file
from utils.config import read_yaml
from utils.errors import UserError

FILES = RESULTS, SUMMARY, SIGNIFICANCE, LANGUAGE, SHOTS, CONFUSION = (
    "results.csv", "summary.csv", "significance.csv", "language.csv", "shots.csv", "confusion.json",
)  # fmt: skip
FILES += (*failures.FILES, erased.FILE, gaps.FILE, *aligned.FILES)
SED_RESULTS, SED_SIGNIFICANCE = "sed/results.csv", "sed/significance.csv"
SED_REFERENCE = Path("conf/reference_sed.yaml")
MODELS = "finetune/models"


def files(experiment: Experiment) -> list[Path]:
    """List all that is read, whether it is there or not."""
    names = ("utt2spk", "utt2emo", "excluded.tsv", "audit.json")
    data = [Path("data") / corpus / name for corpus in experiment.corpora for name in names]
    made = [experiment.exp / name for name in (*FILES, SED_RESULTS, SED_SIGNIFICANCE, *listened.FILES)]
    made += [experiment.exp / stage / manifest.NAME for stage in STAGES]
    models = experiment.exp / MODELS
    kept = {name for folder in models.glob("*.carry_head=true*") for name in (folder.name, _fresh(folder.name))}
    curves = [path for path in models.glob("*/*/curve.csv") if ".source=" in str(path) or path.parts[-3] in kept]
    return [*made, SED_REFERENCE, *data, *sorted(curves)]


def _fresh(name: str) -> str:
    """Name the group that differs in having fresh heads."""
    return name.replace(".carry_head=true", "")


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
        None where a study's figures or what people heard are to be shown, and nothing of the experiment has been run
        (though stand-ins may have been, in a smoke run).

    Raises
    ------
    UserError
        Stage 5 has not been run, or its tables are of other corpora or encoders.
    """
    exp = experiment.exp
    asked = [entry.factors for stage in STAGES for entry in manifest.read(exp / stage)]
    if not asked and (experiment.study.reference or any((exp / name).is_file() for name in listened.KEPT)):
        return None
    for name in FILES:
        if not (exp / name).is_file():
            raise UserError(f"{exp / name}: no such file; run the score stage first")
    confusions = json.loads((exp / CONFUSION).read_text(encoding="utf-8"))
    metas = [one["meta"] for one in confusions["conditions"]]
    for meta in metas:
        meta["factors"] = manifest.complete(meta["stage"], meta["factors"])
    foreign = next((meta["factors"] for meta in metas if meta["factors"] not in asked), None)
    if foreign:
        names = f"{foreign['encoder']}, trained on {'+'.join(foreign['train'])} and tested on {foreign['test']}"
        raise UserError(f"{exp / CONFUSION}: holds {names}, which is not asked for; run the score stage again")
    everything = csv_file.read(exp / RESULTS)
    emotions, systems = confusions["emotions"], _systems(metas)
    rows = [row for row in everything if row["fold"] == "all"]
    audits = {name: _audit(name) for name in experiment.corpora}
    results = list(_results(rows, confusions["conditions"], emotions, systems, exp / MODELS, audits))
    theirs = [result for result in results if result.stage == OUTSIDE]
    results = [result for result in results if result.stage != OUTSIDE]
    if theirs and not results:
        raise UserError(f"{exp / RESULTS}: holds outside systems, and nothing of ours beside them; run the probe stage")
    few = [result for result in results if result.factors.get("shots")]
    if few and len(few) == len(results):
        raise UserError(f"{exp / RESULTS}: holds nothing without shots to start from; put 0 among vary's shots")
    results = [result for result in results if not result.factors.get("shots")]
    hidden = {result.system for result in (*few, *theirs)}
    used = {name for result in (*results, *theirs) for name in (*result.train, result.test)}
    means: dict[tuple[System, str], dict[int | str, Score]] = {}
    for row in csv_file.read(exp / SUMMARY):
        means.setdefault((systems[row["system"]], row["group"]), {})[_layer(row["layer"])] = _score(row)
    comparisons = [_comparison(row, systems) for row in csv_file.read(exp / SIGNIFICANCE)]
    own = {system: means[system, OUTSIDE]["dev"] for system in dict.fromkeys(result.system for result in theirs)}
    ran = [row for row in everything if row["stage"] != OUTSIDE and row.get("shots", "0") == "0"]
    return Inputs(
        recipe=recipe,
        experiment=experiment,
        emotions=emotions,
        corpora={name: _corpus(name, emotions) for name in experiment.corpora if name in used},
        results=results,
        means={key: scores for key, scores in means.items() if key[0] not in hidden},
        comparisons=[one for one in comparisons if not hidden.intersection((one.a, one.b))],
        languages=[_language_test(row, systems) for row in csv_file.read(exp / LANGUAGE)],
        folds=len({row["fold"] for row in everything} - {"all"}),
        seeds=len({row["seed"] for row in ran} - {"all"}),
        failures=failures.load(exp, systems),
        few=few,
        shots=[_shots_test(row, systems) for row in csv_file.read(exp / SHOTS)],
        erased=erased.load(exp, systems),
        gaps=gaps.load(exp, systems),
        aligned=aligned.load(exp, systems, _paired),
        outside=Outside(theirs, own, [one for one in comparisons if one.stage == OUTSIDE]),
    )


def _systems(metas: list[dict]) -> dict[str, System]:
    """Tell what the tables' names of systems mean; without an encoder, of the method alone."""
    differing, found = manifest.varied(meta["factors"] for meta in metas), {}
    for meta in metas:
        factors, words = meta["factors"], manifest.in_words(meta["stage"], meta["factors"], differing)
        for encoder in (factors["encoder"], ""):
            name = manifest.system_name(meta["stage"], factors | {"encoder": encoder}, differing)
            found[name] = System(encoder, words)
    return found


def _results(
    rows: list[dict[str, str]], confusions: list[dict], emotions: list[str], systems: dict[str, System], models: Path,
    audits: dict[str, dict | None],
) -> Iterator[Result]:  # fmt: skip
    by_condition: dict[tuple, dict[int | str, dict[str, str]]] = {}
    for row in rows:
        key = row["stage"], systems[row["system"]], row["train"], row["test"]
        by_condition.setdefault(key, {})[_layer(row["layer"])] = row
    differing = manifest.varied(one["meta"]["factors"] for one in confusions)
    for confusion in confusions:
        meta, factors = confusion["meta"], confusion["meta"]["factors"]
        system = systems[manifest.system_name(meta["stage"], factors, differing)]
        layers = by_condition[meta["stage"], system, "+".join(factors["train"]), factors["test"]]
        headline = layers.pop("dev")
        selected = Counter({layer: int(row["selected"]) for layer, row in layers.items()})
        if meta["stage"] == "finetune":
            selected = Counter(confusion["cut"])
        recalls = {emotion: headline[f"recall_{emotion}"] for emotion in emotions}
        yield Result(
            system=system,
            factors=factors | meta.get("resolved", {}),
            **{key: meta[key] for key in ("stage", "setting", "params", "one_speaker", "voices_seen")},
            **{key: tuple(meta[key]) for key in ("dev", "contaminated")},
            headline=_score(headline),
            spread={key: _float(headline[key]) for key in SPREAD if headline[key]},
            **{key: _float(headline[key]) for key in ("wa", "macro_f1", "dev_ua")},
            **{key: int(headline[key]) for key in ("n_test", "speakers", "tied")},
            recalls={emotion: float(text) if text else None for emotion, text in recalls.items()},
            resampled=headline["resampled"],
            shared=factors["test"] in {*factors["train"], *factors.get("source", ()), *meta["dev"]}
            and _share_speakers(audits.get(factors["test"]), factors["split"]),
            layers={layer: _score(row) for layer, row in layers.items()},
            selected=dict(sorted((+selected).items())),
            counts=confusion["counts"],
            languages=tuple(meta["encoder_languages"]),
            words=meta["words"].get("method", ""),
            curves=_curves(models / meta["models"])
            if factors.get("source") or ("carry_head" in factors and "carry_head" in differing)
            else [],
        )


def _curves(folder: Path) -> list[list[Epoch]]:
    """Read the learning curves of a condition's models."""
    return [
        [
            Epoch(int(row["epoch"]), _float(row.get("train_ua", "")), float(row["dev_loss"]), float(row["dev_ua"]))
            for row in csv_file.read(path)
        ]
        for path in sorted(folder.glob("*/curve.csv"))
    ]


def _paired(row: dict[str, str]) -> dict:
    """Read the columns that all paired tests have."""
    score = "eder" if "eder_a" in row else "ua"
    numbers = {"p": "p", "adjusted": "p_holm", "q": "q", "smallest": "p_smallest", "reachable": "p_holm_smallest"}
    numbers |= {"ua_a": f"{score}_a", "ua_b": f"{score}_b"}
    numbers |= {key: key for key in ("detectable", "detectable_family", "margin")}
    return {key: _float(row[column]) for key, column in numbers.items()} | {
        "difference": _read_score(row, "diff", "lo", "hi"), "n": int(row["n"]), "speakers": int(row["speakers"]),
        "family": row["family"], "tests": int(row["family_size"]), "equivalent": row["equivalent"] == "1",
    }  # fmt: skip


def _comparison(row: dict[str, str], systems: dict[str, System]) -> Comparison:
    a, b = (systems[row[side]] for side in "ab")
    # Of two systems from outside, nothing is known that trains them.
    train = None if row["train"] == "*" else tuple(filter(None, row["train"].split("+")))
    return Comparison(
        stage=row["stage"], train=train, test=row["test"], setting=row["setting"], a=a, b=b, **_paired(row)
    )  # fmt: skip


def _language_test(row: dict[str, str], systems: dict[str, System]) -> LanguageTest:
    test = None if row["test"] == "*" else row["test"]
    return LanguageTest(
        stage=row["stage"], question=row["question"], method=systems[row["method"]].method, test=test, **_paired(row)
    )  # fmt: skip


def _shots_test(row: dict[str, str], systems: dict[str, System]) -> ShotsTest:
    return ShotsTest(
        system=systems[row["system"]], shots=int(row["shots"]), train=row["train"], test=row["test"], **_paired(row)
    )  # fmt: skip


def _corpus(name: str, emotions: list[str]) -> Corpus:
    folder = Path("data") / name
    labels = Counter(line.split()[1] for line in _lines(folder / "utt2emo"))
    return Corpus(
        name=name,
        **describe(name),
        speakers=len({line.split()[1] for line in _lines(folder / "utt2spk")}),
        emotions={emotion: labels[emotion] for emotion in emotions},
        excluded=max(0, len(_lines(folder / "excluded.tsv")) - 1),
        audit=_audit(name),
    )


def _audit(name: str) -> dict | None:
    path = Path("data") / name / "audit.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _share_speakers(audit: dict | None, scheme: str) -> bool:
    """Whether a corpus's test speakers are in its train or dev lists; a corpus of one speaker has its own mark."""
    found = (audit or {}).get("schemes", {}).get(scheme)
    if found is None:  # not audited
        return scheme in ("random", "speaker+mixed")
    return not found["speakers_disjoint"] and not found["one_speaker"]


def describe(name: str) -> dict:
    """Look up how a corpus is called, in which language it is, and whether it is synthetic."""
    spec = corpora.spec(name)
    return {key: getattr(spec, key) for key in ("language", "synthetic", "title", "licence", "emobox")}


def diarization(experiment: Experiment) -> Diarization | None:
    """Read what stage 6 wrote; None where the experiment does not ask for it, or it has not been run."""
    path = experiment.exp / SED_RESULTS
    if not experiment.sed.encoders or not path.is_file():
        return None
    return Diarization(
        [_diarized(row, experiment) for row in csv_file.read(path)],
        [_diarized_pair(row) for row in csv_file.read(experiment.exp / SED_SIGNIFICANCE)],
        read_yaml(SED_REFERENCE) if SED_REFERENCE.is_file() else {},
        experiment.exp,
    )


def _diarized(row: dict[str, str], experiment: Experiment) -> Diarized:
    corpus, _, kind = row["test"].partition(".")
    trained = set(row["train"].split("+")) if row["train"] else set()
    if kind and row["how"] == "all":  # pooled sets name no training corpora
        trained = set(experiment.sed.corpora)
    # The sets of corpora are cut as these are; one with labels of its own has no folds.
    shared = any(_share_speakers(_audit(name), row["split"]) for name in trained if kind and corpus in (name, "*"))
    said = heard.read(row["contaminated"].split("+")).values()
    marks = {mark: how in said for how, mark in HEARD.items()}
    marks |= {"¶": row["resampled"] == "utterance", "‖": row["how"] == "all" and shared}
    return Diarized(
        system=(row["system"], row["how"]),
        baseline=row["baseline"] != "0",
        **{key: row[key] for key in ("setting", "test", "emotion")},
        eder=_read_score(row, "eder", "eder_lo", "eder_hi"),
        n=int(row["n"]),
        speakers=int(row["speakers"]),
        marks="".join(mark for mark, applies in marks.items() if applies),
        voices_seen=int(row["voices_seen"]),
        parts={key: float(row[key]) for key in PARTS if row.get(key)},
    )


def _diarized_pair(row: dict[str, str]) -> DiarizedPair:
    return DiarizedPair(
        test=row["test"], a=(row["a"], row["a_how"]), b=(row["b"], row["b_how"]), **_paired(row)
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _layer(text: str) -> int | str:
    return text if text == "dev" else int(text)


def _score(row: dict[str, str]) -> Score:
    return _read_score(row, "ua", "ua_lo", "ua_hi")


def _read_score(row: dict[str, str], *columns: str) -> Score:
    return Score(*(_float(row[key]) for key in (*columns, "df")), row["no_interval"])


def _float(text: str) -> float:
    return float(text or "nan")
