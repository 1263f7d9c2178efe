"""Who and what systems fail on, as objects: exp/{breakdown,calibration,reliability,mixed}.csv of stage 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path

from local.report.scores import Score, System
from utils import csv_file

FILES = ("breakdown.csv", "calibration.csv", "reliability.csv", "mixed.csv")


@dataclass(frozen=True)
class Test:
    """What a test is worth in its family: p alone, after Holm, q; what it could have seen, NaN where unknown."""

    p: float
    adjusted: float
    q: float
    tests: int
    detectable: float
    detectable_family: float


@dataclass(frozen=True)
class Part:
    """A figure of a part of a test, or of a comparison of parts; ``train`` is empty for means over a group.

    ``by``, ``what`` and ``name`` are as in breakdown.csv; ``chance`` and ``test`` where there are such.
    """

    system: System
    train: tuple[str, ...]
    test_corpus: str
    setting: str
    by: str
    what: str
    name: str
    score: Score
    n: int
    speakers: int
    chance: float
    test: Test | None


@dataclass(frozen=True)
class Calibration:
    """How far a condition's posteriors can be believed."""

    system: System
    train: tuple[str, ...]
    test_corpus: str
    n: int
    speakers: int
    confidence: float
    accuracy: float
    surplus: Score
    ece: Score
    ece_chance: float
    brier: Score
    log_loss: float


@dataclass(frozen=True)
class Bin:
    """A bin of a reliability diagram."""

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Mixed:
    """Two encoders in all conditions of a group, by a mixed model; ``shares``: of the variance of the difference."""

    setting: str
    a: System
    b: System
    corpora: str
    difference: Score
    n: int
    speakers: int
    sentences: int
    test: Test | None
    shares: dict[str, float]


@dataclass(frozen=True)
class Failures:
    """All of them."""

    parts: list[Part] = field(default_factory=list)
    calibration: list[Calibration] = field(default_factory=list)
    bins: dict[tuple[System, str], list[Bin]] = field(default_factory=dict)  # by system and group
    mixed: list[Mixed] = field(default_factory=list)


def load(exp: Path, systems: Mapping[str, System]) -> Failures:
    """Read what stage 5 wrote; ``systems`` by the names that its files have."""
    bins: dict[tuple[System, str], list[Bin]] = {}
    for row in csv_file.read(exp / "reliability.csv"):
        own = Bin(int(row["n"]), *_floats(row, ("confidence", "accuracy")))
        bins.setdefault((systems[row["system"]], row["group"]), []).append(own)
    return Failures(
        [_part(row, systems) for row in csv_file.read(exp / "breakdown.csv")],
        [_calibration(row, systems) for row in csv_file.read(exp / "calibration.csv")],
        bins,
        [_mixed(row, systems) for row in csv_file.read(exp / "mixed.csv")],
    )


def _part(row: Mapping[str, str], systems: Mapping[str, System]) -> Part:
    train = () if row["train"] == "*" else tuple(row["train"].split("+"))
    return Part(
        systems[row["system"]], train, row["test"], row["setting"], row["by"], row["what"], row["group"],
        _score(row, "value", "lo", "hi"), int(row["n"]), int(row["speakers"]), _float(row["chance"]), _test(row),
    )  # fmt: skip


def _calibration(row: Mapping[str, str], systems: Mapping[str, System]) -> Calibration:
    scores = [_score(row, name, f"{name}_lo", f"{name}_hi") for name in ("overconfidence", "ece", "brier")]
    confidence, accuracy, chance, loss = _floats(row, ("confidence", "accuracy", "ece_chance", "log_loss"))
    return Calibration(
        systems[row["system"]], tuple(row["train"].split("+")), row["test"], int(row["n"]), int(row["speakers"]),
        confidence, accuracy, scores[0], scores[1], chance, scores[2], loss,
    )  # fmt: skip


def _mixed(row: Mapping[str, str], systems: Mapping[str, System]) -> Mixed:
    names = [name for name in ("speaker", "sentence", "corpus", "residual") if row[f"var_{name}"]]
    variances = dict(zip(names, _floats(row, [f"var_{name}" for name in names]), strict=True))
    whole = sum(variances.values())
    return Mixed(
        row["setting"], systems[row["a"]], systems[row["b"]], row["corpora"], _score(row, "diff", "lo", "hi"),
        int(row["n"]), int(row["speakers"] or 0), int(row["sentences"] or 0), _test(row),
        {name: value / whole for name, value in variances.items() if whole},
    )  # fmt: skip


def _test(row: Mapping[str, str]) -> Test | None:
    if not row["family"]:
        return None
    p, adjusted, q, alone, first = _floats(row, ("p", "p_holm", "q", "detectable", "detectable_family"))
    return Test(p, adjusted, q, int(row["family_size"]), alone, first)


def _score(row: Mapping[str, str], *columns: str) -> Score:
    value, low, high = _floats(row, columns)
    return Score(value, low, high, _float(row["df"]), row["no_interval"] if isnan(low) else "")


def _floats(row: Mapping[str, str], columns: Iterable[str]) -> list[float]:
    return [_float(row[column]) for column in columns]


def _float(text: str) -> float:
    return float(text or "nan")
