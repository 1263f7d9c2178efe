"""What the report says of emotion diarization, as objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from local.report.scores import PairedTest, Score

PARTS = ("weighted", "frames", "missed", "false_alarm", "confusion")  # what else is known of an EDER over all emotions


@dataclass(frozen=True)
class Diarized:
    """EDER of a system (name, and what it was trained on) on a set, of one emotion's recordings or of ``all``.

    ``marks`` are keys of ``local.report.tables.cells.MARKS``.
    """

    system: tuple[str, str]
    baseline: bool
    setting: str
    test: str
    emotion: str
    eder: Score
    n: int
    speakers: int
    marks: str
    voices_seen: int  # tested people whose voice trained the model that tests them
    parts: dict[str, float]  # of ``PARTS``; empty for one emotion


@dataclass(frozen=True, kw_only=True)
class DiarizedPair(PairedTest):
    """A paired test of two systems' EDER on a set."""

    test: str
    a: tuple[str, str]
    b: tuple[str, str]

    def ahead(self, system: tuple[str, str]) -> Score:
        """How much lower the EDER of one of the two is than that of the other."""
        return -self.difference if self.a == system else self.difference


@dataclass(frozen=True)
class Diarization:
    """What stage 6 found in ``exp``, and the figures published of others (conf/reference_sed.yaml; empty without)."""

    rows: list[Diarized]
    pairs: list[DiarizedPair]
    reference: dict = field(default_factory=dict)
    exp: Path = Path("exp")

    @cached_property
    def tests(self) -> list[str]:
        """Names of the sets, the pooled ones last."""
        return list(dict.fromkeys(row.test for row in self.rows))

    @cached_property
    def systems(self) -> list[tuple[str, str]]:
        """System and what it was trained on (``all``, ``others`` or, for baselines, nothing)."""
        return list(dict.fromkeys(row.system for row in self.rows))

    @cached_property
    def _found(self) -> dict[tuple, Diarized]:
        return {(row.system, row.test, row.emotion): row for row in self.rows}

    def row(self, system: tuple[str, str], test: str, emotion: str = "all") -> Diarized | None:
        """Find a row."""
        return self._found.get((system, test, emotion))

    def pair(self, a: tuple[str, str], b: tuple[str, str], test: str) -> DiarizedPair | None:
        """Find the paired test of two systems."""
        return next((pair for pair in self.pairs if pair.test == test and {pair.a, pair.b} == {a, b}), None)
