"""What the report is about, as objects: all conditions together, paired tests between them, corpora."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local import encoders
from local.encoders import EncoderSpec, kinds
from local.experiment import Experiment
from local.grid.factors import freeze
from local.report.aligned import Aligned
from local.report.conditions import Result
from local.report.erased import Curve
from local.report.failures import Failures
from local.report.gaps import Gap
from local.report.outside import Outside
from local.report.scores import PairedTest, Score, ShotsTest, System
from local.results.read import group_of

NO_EARS = "no ears"


def baseline(spec: EncoderSpec) -> str:
    """Say what kind of baseline an encoder is; nothing of one that is to be better than those."""
    if len(spec.parts) > 1:
        found = [baseline(part) for part in spec.parts]
        return " + ".join(dict.fromkeys(found)) if all(found) else ""
    if spec.kind == "logmel":
        return "log-mel"
    if not kinds.of(spec.kind).hears:
        return NO_EARS
    return "random weights" if spec.init == "random" else ""


@dataclass(frozen=True, kw_only=True)
class Comparison(PairedTest):
    """Two systems in one condition or, with ``train`` None, in the mean over those of a group (``setting``)."""

    stage: str
    train: tuple[str, ...] | None
    test: str
    setting: str
    a: System
    b: System

    @property
    def group(self) -> str:
        """``within``, ``across``, ``joint`` or ``outside``."""
        return self.setting if self.train is None else group_of(self.train, self.test)

    def ahead(self, system: System) -> Score:
        """How far one of the two is ahead of the other."""
        return self.difference if self.a == system else -self.difference


@dataclass(frozen=True, kw_only=True)
class LanguageTest(PairedTest):
    """The encoder of a language (a) and those of others (b); ``test`` is None for all corpora together."""

    stage: str
    question: str
    method: str
    test: str | None


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
    emobox: str = ""  # its name there

    @property
    def label(self) -> str:
        """Name and language, and that it is synthetic if it is."""
        return f"{self.name} ({self.language}{', synthetic' if self.synthetic else ''})"


@dataclass(frozen=True)
class Inputs:
    """Everything the report says something about, diarization aside.

    Attributes
    ----------
    recipe : str
    experiment : Experiment
    emotions : list of str
    corpora : dict of str to Corpus
    results : list of Result
        By system, then test, then train, in the experiment's order, which stage 5 keeps.
    means : dict of (System, str) to dict
        For each system and group, layer (a number or ``"dev"``) to the mean over conditions.
    comparisons : list of Comparison
    languages : list of LanguageTest
    folds, seeds : int
        How many of each the results have.
    failures : Failures
        Who and what systems fail on.
    few : list of Result
        Conditions with shots, which are in none of the other fields.
    shots : list of ShotsTest
    erased : list of Curve
        What erasing speakers does.
    gaps : list of Gap
        What zero-shot pairs lose, in parts; CORAL before other ways to mend a shift.
    aligned : Aligned
        What losses beside the cross entropy do.
    outside : Outside
        Systems from outside, which are in none of the other fields but ``failures.calibration``.
    """

    recipe: str
    experiment: Experiment
    emotions: list[str]
    corpora: dict[str, Corpus]
    results: list[Result]
    means: dict[tuple[System, str], dict[int | str, Score]]
    comparisons: list[Comparison]
    languages: list[LanguageTest]
    folds: int
    seeds: int
    failures: Failures = field(default_factory=Failures)
    few: list[Result] = field(default_factory=list)
    shots: list[ShotsTest] = field(default_factory=list)
    erased: list[Curve] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    aligned: Aligned = field(default_factory=Aligned)
    outside: Outside = field(default_factory=Outside)

    @cached_property
    def systems(self) -> list[System]:
        """Systems that have results, in the experiment's order."""
        return list(dict.fromkeys(result.system for result in self.results))

    @cached_property
    def methods(self) -> list[str]:
        """Methods that have results."""
        return list(dict.fromkeys(system.method for system in self.systems))

    @cached_property
    def heads(self) -> dict[str, str]:
        """Methods of stage 3 that have results, classifiers of frozen encoders' layers, with their words."""
        return {result.system.method: result.words for result in self.results if not result.tuned}

    @cached_property
    def strategies(self) -> dict[str, str]:
        """Methods of stage 4 that have results, ways to tune encoders, with their words."""
        return {result.system.method: result.words for result in self.results if result.tuned}

    @cached_property
    def encoders(self) -> list[str]:
        """Encoders that have results."""
        return list(dict.fromkeys(system.encoder for system in self.systems))

    @cached_property
    def specs(self) -> dict[str, EncoderSpec]:
        """The encoders' entries in conf/encoders.yaml."""
        return {name: encoders.spec(name) for name in self.encoders}

    @cached_property
    def conditions(self) -> int:
        """How many pairs of training sets and test corpora there are."""
        return len({(result.train, result.test) for result in self.results})

    def values(self, factor: str) -> list[Any]:
        """List the values that a factor takes, each once."""
        found = [result.factors[factor] for result in self.results if factor in result.factors]
        return [value for place, value in enumerate(found) if value not in found[:place]]

    @property
    def chance(self) -> float:
        """UA of guessing."""
        return 1 / len(self.emotions)

    @property
    def level(self) -> float:
        """A corrected p below this is called significant."""
        return 1 - self.experiment.score.confidence

    @cached_property
    def _members(self) -> dict[tuple[System, str | None], list[Result]]:
        found: dict[tuple[System, str | None], list[Result]] = {}
        for result in self.results:
            for key in (None, result.group):
                found.setdefault((result.system, key), []).append(result)
        return found

    @cached_property
    def _by_condition(self) -> dict[tuple, Result]:
        return {(result.system, result.train, result.test): result for result in self.results}

    @cached_property
    def _by_factors(self) -> dict[tuple, Result]:
        return {(result.stage, _identity(result.factors)): result for result in self.results}

    @cached_property
    def _pairs(self) -> dict[tuple, Comparison]:
        return {
            (frozenset((c.a, c.b)), c.train, c.setting if c.train is None else c.test): c for c in self.comparisons
        }  # fmt: skip

    def of(self, system: System, group: str | None = None) -> list[Result]:
        """Results of a system, of all or of one group."""
        return self._members.get((system, group), [])

    def result(self, system: System, train: tuple[str, ...], test: str) -> Result | None:
        """Find a condition."""
        return self._by_condition.get((system, train, test))

    def like(self, result: Result, **changed: Any) -> Result | None:
        """Find the condition that differs from one in the given factors alone."""
        return self._by_factors.get((result.stage, _identity(result.factors | changed)))

    def compared(self, result: Result, other: System) -> Comparison | None:
        """Find the paired test of a condition with another system in the same one."""
        return self._pairs.get((frozenset((result.system, other)), result.train, result.test))

    def compared_means(self, a: System, b: System, group: str) -> Comparison | None:
        """Find the paired test of two systems' means over a group."""
        return self._pairs.get((frozenset((a, b)), None, group))

    def tested(self, a: System, b: System, group: str) -> Comparison | None:
        """Find the paired test of two systems over a group: of their means or, of a single condition, in that."""
        results = self.of(a, group)
        return self.compared(results[0], b) if len(results) == 1 else self.compared_means(a, b, group)

    def headlines(self, group: str) -> dict[System, Score]:
        """Mean headlines over a group's conditions (or ``drop``), of the systems that have one."""
        return {s: self.means[s, group]["dev"] for s in self.systems if (s, group) in self.means}

    def comparable(self, group: str) -> dict[System, Score]:
        """Mean headlines, as above, of the systems that have most conditions; means over fewer do not compare."""
        scores = self.headlines(group)
        counted = "across" if group == "drop" else group
        numbers = {system: len(self.of(system, counted)) for system in scores}
        return {s: score for s, score in scores.items() if numbers[s] == max(numbers.values())}

    def eligible(self, methods: Iterable[str]) -> list[str]:
        """Leave methods out that are controls, which dev is never asked to prefer; keep all where there is no other."""
        methods = list(methods)
        return [method for method in methods if method in self._plain] or methods

    def preferred(self, systems: Iterable[System], group: str) -> System:
        """Give the system that dev prefers in a group of conditions, controls aside."""
        systems = list(systems)
        plain = [system for system in systems if system.method in self._plain] or systems
        return max(plain, key=lambda system: self.dev_ua([system], group))

    @cached_property
    def _plain(self) -> set[str]:
        return {result.system.method for result in self.results if not result.control}

    def selections(self, results: Iterable[Result]) -> list[Result]:
        """Keep one result of each training: what dev chose is the same wherever it is tested."""
        found: dict[tuple, Result] = {}
        for result in results:
            found.setdefault((result.system, result.train, result.source, result.dev), result)
        return list(found.values())

    def dev_ua(self, systems: Iterable[System], group: str) -> float:
        """Mean dev UA of what dev chose, over all trainings of systems for a group of conditions."""
        chosen = self.selections(result for system in systems for result in self.of(system, group))
        return sum(result.dev_ua for result in chosen) / len(chosen)

    def name(self, system: System) -> str:
        """Name a system as briefly as is clear: the method only where there are several."""
        return system.encoder if len(self.methods) == 1 else f"{system.encoder}, {system.method}"

    def label(self, names: str | Sequence[str]) -> str:
        """Label one corpus, or several joined by '+'."""
        return " + ".join(self.corpora[name].label for name in ([names] if isinstance(names, str) else names))


def _identity(factors: dict[str, Any]) -> frozenset:
    return frozenset((name, freeze(value)) for name, value in factors.items())
