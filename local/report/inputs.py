"""What the report is made from: the tables of stage 5, and the data directories with their audits."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from local import corpora, encoders
from local.encoders import EncoderSpec
from local.experiment import Experiment
from utils.errors import UserError

SETTINGS = ("mono", "cross", "trans", "cross-trans")
GROUPS = ("within", "across", "joint")
FILES = [
    Path("exp") / name for name in ("results.csv", "summary.csv", "significance.csv", "confusion.json", "language.csv")
]


@dataclass(frozen=True)
class Score:
    """UA with its interval, all as fractions of 1."""

    ua: float
    lo: float
    hi: float

    def __str__(self) -> str:
        """Percent with one decimal, as every table prints it."""
        return f"{100 * self.ua:.1f} [{100 * self.lo:.1f}, {100 * self.hi:.1f}]"


@dataclass(frozen=True)
class System:
    """An encoder and a method; orders as the experiment names them."""

    encoder: str
    method: str

    @classmethod
    def parse(cls, text: str) -> System:
        """Read a system as exp/significance.csv names it; names of encoders hold no dot, those of methods may."""
        return cls(*text.split(".", 1))


@dataclass(frozen=True)
class Result:
    """A condition: its headline (the layers that dev chose) and, of a probe, its score at every layer.

    Attributes
    ----------
    system : System
    train : tuple of str
    test : str
    headline : Score
    row : dict of str to str
        The headline's row of exp/results.csv.
    layers : dict of int to Score
    selected : dict of int to int
        Layer to the number of fold x seed runs in which dev chose it, or in which a tuned encoder was cut behind it.
    meta : dict
        The condition's meta.json.
    counts : list of list of int
        The headline's confusions, reference down.
    """

    system: System
    train: tuple[str, ...]
    test: str
    headline: Score
    row: dict[str, str]
    layers: dict[int, Score]
    selected: dict[int, int]
    meta: dict
    counts: list[list[int]]

    @property
    def tuned(self) -> bool:
        """Whether it is of stage 4, not of stage 3."""
        return self.meta["stage"] == "finetune"

    @property
    def group(self) -> str:
        """``within``, ``across`` or ``joint``."""
        if self.test not in self.train:
            return "across"
        return "within" if len(self.train) == 1 else "joint"


@dataclass(frozen=True)
class Corpus:
    """A corpus as the report names it."""

    name: str
    language: str
    synthetic: bool
    title: str
    licence: str
    speakers: int
    emotions: dict[str, int] = field(default_factory=dict)
    excluded: int = 0
    audit: dict | None = None

    @property
    def label(self) -> str:
        """Name and language, and that it is synthetic if it is."""
        return f"{self.name} ({self.language}{', synthetic' if self.synthetic else ''})"


@dataclass(frozen=True)
class Inputs:
    """Everything the report says something about.

    Attributes
    ----------
    recipe : str
    experiment : Experiment
    emotions : list of str
    corpora : dict of str to Corpus
    results : list of Result
        By system, then test, then train, in the experiment's order, which stage 5 keeps.
    means : dict of (System, str) to dict
        For each system and group of exp/summary.csv, layer (a number or ``"dev"``) to Score.
    comparisons : list of dict of str to str
        exp/significance.csv.
    languages : list of dict of str to str
        exp/language.csv.
    folds, seeds : int
        How many of each the results have.
    """

    recipe: str
    experiment: Experiment
    emotions: list[str]
    corpora: dict[str, Corpus]
    results: list[Result]
    means: dict[tuple[System, str], dict[int | str, Score]]
    comparisons: list[dict[str, str]]
    languages: list[dict[str, str]]
    folds: int
    seeds: int

    @cached_property
    def systems(self) -> list[System]:
        """Systems that have results, in the experiment's order."""
        return list(dict.fromkeys(result.system for result in self.results))

    @cached_property
    def methods(self) -> list[str]:
        """Methods that have results."""
        return list(dict.fromkeys(system.method for system in self.systems))

    @cached_property
    def heads(self) -> list[str]:
        """Methods of stage 3 that have results: classifiers of frozen encoders' layers."""
        return list(dict.fromkeys(result.system.method for result in self.results if not result.tuned))

    @cached_property
    def strategies(self) -> list[str]:
        """Methods of stage 4 that have results: ways to tune encoders."""
        return list(dict.fromkeys(result.system.method for result in self.results if result.tuned))

    @cached_property
    def encoders(self) -> list[str]:
        """Encoders that have results."""
        return list(dict.fromkeys(system.encoder for system in self.systems))

    @cached_property
    def specs(self) -> dict[str, EncoderSpec]:
        """The encoders' entries in conf/encoders.yaml."""
        return {name: encoders.spec(name) for name in self.encoders}

    @cached_property
    def settings_matter(self) -> bool:
        """Whether mono, cross and so on say more than within and across do."""
        same = {("within", "mono"), ("across", "cross")}
        return any((result.group, result.meta["setting"]) not in same for result in self.results)

    @property
    def chance(self) -> float:
        """UA of guessing."""
        return 1 / len(self.emotions)

    def of(self, system: System, group: str | None = None) -> list[Result]:
        """Results of a system, of all or of one group or setting."""
        return [
            r for r in self.results
            if r.system == system and group in (None, r.group, r.meta["setting"])
        ]  # fmt: skip

    def headlines(self, group: str) -> dict[System, Score]:
        """Mean headlines over a group's conditions (or a setting's, or ``drop``), of the systems that have one."""
        return {s: self.means[s, group]["dev"] for s in self.systems if (s, group) in self.means}

    def comparable(self, group: str) -> dict[System, Score]:
        """Mean headlines, as above, of the systems that have most conditions; means over fewer do not compare."""
        scores = self.headlines(group)
        counted = "across" if group == "drop" else group
        numbers = {system: len(self.of(system, counted)) for system in scores}
        return {s: score for s, score in scores.items() if numbers[s] == max(numbers.values())}

    def name(self, system: System) -> str:
        """Name a system as briefly as is clear: the method only where there are several."""
        return system.encoder if len(self.methods) == 1 else f"{system.encoder}, {in_words(system.method)}"

    def label(self, names: str | tuple[str, ...]) -> str:
        """Label one corpus, or several joined by '+'."""
        return " + ".join(self.corpora[name].label for name in ([names] if isinstance(names, str) else names))


def in_words(method: str) -> str:
    """Name a method as tables do.

    Examples
    --------
    >>> in_words("linear"), in_words("lora.after.emodb+urdu")
    ('linear', 'lora after emodb+urdu')
    """
    return method.replace(".after.", " after ")


def load(recipe: str, experiment: Experiment) -> Inputs | None:
    """Read what stages 1 and 5 wrote into the recipe's folder, which is the working directory.

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
    everything = _read_csv(FILES[0])
    foreign = [row for row in everything if not _belongs(row, experiment)]
    if alone and len(foreign) == len(everything):
        return None
    if foreign:
        names = f"{foreign[0]['encoder']}, trained on {foreign[0]['train']} and tested on {foreign[0]['test']}"
        raise UserError(f"{FILES[0]}: holds {names}, which the experiment does not name; run the score stage again")
    rows = [row for row in everything if row["fold"] == "all"]
    confusions = json.loads(FILES[3].read_text(encoding="utf-8"))
    results = _results(rows, confusions["conditions"])
    used = {name for result in results for name in (*result.train, result.test)}
    means: dict[tuple[System, str], dict[int | str, Score]] = {}
    for row in _read_csv(FILES[1]):
        key = System(row["encoder"], row["method"]), row["group"]
        means.setdefault(key, {})[_layer(row["layer"])] = _score(row)
    return Inputs(
        recipe=recipe,
        experiment=experiment,
        emotions=confusions["emotions"],
        corpora={name: _corpus(name, confusions["emotions"]) for name in experiment.corpora if name in used},
        results=results,
        means=means,
        comparisons=_read_csv(FILES[2]),
        languages=_read_csv(FILES[4]),
        folds=len({row["fold"] for row in everything} - {"all"}),
        seeds=len({row["seed"] for row in everything} - {"all"}),
    )


def data_files(experiment: Experiment) -> list[Path]:
    """List the files of stage 1 that the report reads."""
    names = ("utt2spk", "utt2emo", "excluded.tsv", "audit.json")
    return [Path("data") / corpus / name for corpus in experiment.corpora for name in names]


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


def _results(rows: list[dict[str, str]], confusions: list[dict]) -> list[Result]:
    by_condition: dict[tuple, dict[int | str, dict[str, str]]] = {}
    for row in rows:
        key = row["stage"], row["encoder"], row["method"], row["train"], row["test"]
        by_condition.setdefault(key, {})[_layer(row["layer"])] = row
    results = []
    for confusion in confusions:
        meta = confusion["meta"]
        layers = by_condition[meta["stage"], meta["encoder"], meta["method"], "+".join(meta["train"]), meta["test"]]
        headline = layers.pop("dev")
        selected = Counter({layer: int(row["selected"]) for layer, row in layers.items()})
        if meta["stage"] == "finetune":
            selected = Counter(confusion["cut"])
        results.append(
            Result(
                System(meta["encoder"], meta["method"]),
                tuple(meta["train"]),
                meta["test"],
                _score(headline),
                headline,
                {layer: _score(row) for layer, row in layers.items()},
                dict(sorted((+selected).items())),
                meta,
                confusion["counts"],
            )
        )
    return results


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


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _layer(text: str) -> int | str:
    return text if text == "dev" else int(text)


def _score(row: dict[str, str]) -> Score:
    return Score(*(float(row[key]) if row[key] else float("nan") for key in ("ua", "ua_lo", "ua_hi")))
