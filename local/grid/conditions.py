"""Conditions, what shares their training, and the seeds of it.

A condition is a stage and a value of each factor (local/grid/factors.py). Its identity is these values, which its
``meta.json`` holds; its directory's name is made from them for people, and nothing parses it. Conditions that differ in
the test corpus alone are a group: they share their training. A training is one fold and seed of a group, where training
is expensive enough for models to be kept.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.experiment import Experiment
from local.grid import factors as registry
from local.grid.factors import FACTORS, Factor, Value, freeze, show
from utils import folds
from utils.data_dir import fingerprint

_LONGEST = 200  # of a directory's name; file systems take 255 bytes


@dataclass(frozen=True)
class Condition:
    """A stage, a value for each of its factors, and the experiment that asks for it.

    Attributes
    ----------
    stage : str
    values : tuple of (Factor, value)
        Of all factors that the stage knows, in their order.
    experiment : Experiment
        With the fields that vary at this condition's values.
    """

    stage: str
    values: tuple[tuple[Factor, Value], ...]
    experiment: Experiment = field(compare=False, repr=False)

    @functools.cached_property
    def factors(self) -> dict[str, Value]:
        """All factors by name."""
        return {factor.name: value for factor, value in self.values}

    @property
    def encoder(self) -> str:
        """Its name in the registry; empty where none takes part."""
        return self.factors["encoder"]

    @property
    def method(self) -> str:
        """Head, strategy or mode."""
        return self.factors["method"]

    @property
    def source(self) -> tuple[str, ...]:
        """Corpora of a first stage of training."""
        return self.factors.get("source", ())

    @property
    def train(self) -> tuple[str, ...]:
        """Corpora whose train lists count."""
        return self.factors["train"]

    @property
    def test(self) -> str:
        """The corpus, or set, that is tested on."""
        return self.factors["test"]

    @property
    def dev(self) -> tuple[str, ...]:
        """Corpora whose dev lists choose epochs and layers."""
        return (self.test,) if self.factors.get("cross_dev") == "target" else self.train

    @property
    def special(self) -> dict[str, Value]:
        """The factors beside encoder, method and corpora that are not at their default."""
        return {
            factor.name: value for factor, value in self.values
            if factor.name not in ("encoder", "method", "train", "test") and value != factor.default
        }  # fmt: skip

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The corpus whose train list training looks at, though it is not trained on; see ``Factor.sees_test``."""
        return (self.test,) if any(factor.looks(value) for factor, value in self.values) else ()

    @property
    def name(self) -> str:
        """The name of its directory."""
        parts = [self.encoder, self.method, show(self.train) if self.train else ""]
        return _short(f"{'.'.join(filter(None, parts))}-{self.test}{_suffix(self.special)}")

    @property
    def directory(self) -> Path:
        """Where its results are, from the recipe's folder."""
        return self.experiment.exp / self.stage / self.name

    @property
    def identity(self) -> dict[str, Value]:
        """What tells it from others: its factors as its files hold them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.factors.items()}


@dataclass(frozen=True)
class Group:
    """Conditions that share their training: trained and stopped on the same data, tested on different corpora."""

    conditions: tuple[Condition, ...]

    @property
    def first(self) -> Condition:
        """Any of its conditions, for what they share: all but ``test``."""
        return self.conditions[0]

    @property
    def words(self) -> str:
        """What its seeds derive from: the data that is learnt from, and factors that draw anew.

        No names: the same recordings draw the same as another corpus. No labels. Nor encoder and method: systems that
        are compared draw alike, so that they differ in what they are.
        """
        first = self.first
        dev = () if first.dev == first.train else first.dev
        used = {"source": first.source, "train": first.train, "dev": dev}
        data = [f"{part} {'+'.join(map(_fingerprint, corpora))}" for part, corpora in used.items() if corpora]
        seeded = {n: v for n, v in first.special.items() if FACTORS.get(n) and FACTORS[n].seeded and n != "source"}
        return f"{' '.join(data)}{_suffix(seeded)}"

    @property
    def name(self) -> str:
        """Its name, for people."""
        first = self.first
        dev = "" if first.dev == first.train else f".dev-{show(first.dev)}"
        seen = f".for-{first.test}" if first.looks_at else ""
        special = {name: value for name, value in first.special.items() if name != "cross_dev"}
        parts = (first.encoder, first.method, show(first.train) if first.train else "")
        return _short(".".join(filter(None, parts)) + dev + seen + _suffix(special))

    @property
    def directory(self) -> Path:
        """Where its models are."""
        return self.first.experiment.exp / self.first.stage / "models" / self.name

    @property
    def learnt(self) -> list[str]:
        """Corpora that training or choosing reads, in a fixed order, each once."""
        first = self.first
        return list(dict.fromkeys([*first.source, *first.train, *first.dev, *first.looks_at]))

    @property
    def corpora(self) -> list[str]:
        """All corpora that it needs, each once."""
        return list(dict.fromkeys([*self.learnt, *(condition.test for condition in self.conditions)]))

    @property
    def scheme(self) -> str:
        """The split scheme of its folds."""
        return self.first.experiment.split.scheme

    @property
    def folds(self) -> int:
        """How many folds its first training corpus is cut into."""
        return folds.count(Path("data", self.first.train[0], "folds", self.scheme))

    def only(self, conditions: Iterable[Condition]) -> Group:
        """Give the group of some of its conditions."""
        kept = set(conditions)
        return Group(tuple(condition for condition in self.conditions if condition in kept))

    def draw(self, fold: int, seed: int, what: str = "") -> int:
        """Derive the seed of something that is drawn, the same on every machine and whatever else is made.

        Parameters
        ----------
        fold, seed : int
            Which training, and the experiment's seed.
        what : str
            What is drawn: ``weights``, ``order``, ...

        Returns
        -------
        int
            Of 32 bits.
        """
        text = f"{self.words} fold {fold} seed {seed} {what}".strip().encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")

    def trainings(self, seeds: Iterable[int]) -> list[Training]:
        """List its trainings, by fold, then by seed."""
        return [Training(self, fold, seed) for fold in range(self.folds) for seed in dict.fromkeys(seeds)]


@dataclass(frozen=True)
class Training:
    """One fold and seed of a group whose models are kept."""

    group: Group
    fold: int
    seed: int

    @property
    def directory(self) -> Path:
        """Where the trained model is."""
        return self.group.directory / f"fold{self.fold}.seed{self.seed}"

    def draw(self, what: str = "") -> int:
        """Derive a seed of its own; see :meth:`Group.draw`."""
        return self.group.draw(self.fold, self.seed, what)


def expand(
    stage: str, experiment: Experiment, asked: Callable[[Experiment], Iterable[Mapping[str, Value]]]
) -> list[Condition]:
    """List a stage's conditions.

    Parameters
    ----------
    stage : str
        Which.
    experiment : Experiment
        What is asked for.
    asked : callable
        Lists, for an experiment that varies nothing, the stage's own factors (encoder, method, corpora, and others
        whose value is not that of the field): the stage's ``asked``.

    Returns
    -------
    list of Condition
        Each once, in the order of ``asked``; of each, what varies one after the other. Grids beside the first come
        after it.

    Raises
    ------
    UserError
        ``vary`` or pairs make no sense.
    """
    found: dict[tuple[int, int, int], Condition] = {}
    grids = registry.grids(experiment, stage)
    parts = [(number, part) for number, grid in enumerate(grids) for part in enumerate(registry.variants(grid, stage))]
    # A field that one grid varies tells the conditions of all.
    adhoc = [factor for _, (_, (_, chosen)) in parts for factor in chosen if factor.name not in FACTORS]
    known = [*registry.known(stage), *dict.fromkeys(adhoc)]
    for number, (place, (own, chosen)) in parts:
        given = registry.values(own, known) | {factor.name: value for factor, value in chosen.items()}
        for row, factors in enumerate(asked(own)):
            merged = given | {name: freeze(value) for name, value in factors.items() if value is not None}
            values = tuple((factor, merged.get(factor.name, factor.default)) for factor in known)
            found[number, row, place] = Condition(stage, values, own)
    return list(dict.fromkeys(found[key] for key in sorted(found)))


def groups(conditions: Iterable[Condition]) -> list[Group]:
    """Gather conditions that share their training, in order of appearance."""
    shared: dict[tuple, list[Condition]] = {}
    for condition in conditions:
        rest = tuple((factor.name, value) for factor, value in condition.values if factor.name != "test")
        shared.setdefault((condition.stage, rest, condition.dev, condition.looks_at), []).append(condition)
    return [Group(tuple(members)) for members in shared.values()]


def settings(condition: Condition, section: str, names: Iterable[str]) -> dict:
    """Gather what decides a condition's result, apart from its input files, for its stamp and its ``config.yaml``.

    A factor at its default is not there, so that a new factor leaves finished conditions valid.

    Parameters
    ----------
    condition : Condition
        Which.
    section : str
        Of the experiment, from which ``names`` are.
    names : iterable of str
        Fields that decide, beside the factors.
    """
    own, marked = getattr(condition.experiment, section), {"encoder", "method", "train", "test", *condition.special}
    return {
        "condition": {name: value for name, value in condition.identity.items() if name in marked}
        | {"dev": list(condition.dev)},
        "split": dataclasses.asdict(condition.experiment.split),
        section: {name: getattr(own, name) for name in names},
    }


def _fingerprint(corpus: str) -> str:
    folder = Path("data", corpus)
    files = [folder / name for name in ("utt2spk", "utt2digest")]
    return _read_fingerprint(folder.resolve(), tuple(file.stat().st_mtime_ns for file in files if file.is_file()))


@functools.cache
def _read_fingerprint(folder: Path, _changed: tuple[int, ...]) -> str:
    """Read it once a process and time of its tables' last change: stamps ask for it thousands of times."""
    return fingerprint(folder)


def _suffix(factors: Mapping[str, Value]) -> str:
    return "".join(f".{name}={_word(value)}" for name, value in factors.items())


def _word(value: Value) -> str:
    """Write a value into a directory's name; one with odd characters gets a digest, so that no two look alike."""
    text = show(value)
    plain = re.sub(r"[^\w.+-]", "_", text)
    return text if text == plain else f"{plain}~{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _short(name: str) -> str:
    """Cut a name that file systems would not take, with a digest of all of it."""
    if len(name.encode()) <= _LONGEST:
        return name
    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
