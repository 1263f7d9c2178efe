"""What losses beside the cross entropy gain, and what they make of representations, as objects: files of stage 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.report.scores import PairedTest, Score, System
from utils import csv_file

ABLATION, REPRESENTATION, POINTS = "ablation.csv", "representation.csv", "points.csv"
FILES = (ABLATION, REPRESENTATION, POINTS)
INPUT, HIDDEN = "input", "hidden"


@dataclass(frozen=True, kw_only=True)
class Ablation(PairedTest):
    """A system (a) beside the one that is trained by cross entropy alone (b).

    ``train`` and ``test`` are ``*`` for the mean over tested corpora. ``factor`` is what they differ in, ``value`` what
    a has; of the one that is trained on the tested corpus itself, ``train`` and nothing.
    """

    stage: str
    train: str
    test: str
    factor: str
    value: str
    a: System
    b: System


@dataclass(frozen=True)
class Measure:
    """What is read from one side of a head.

    Attributes
    ----------
    value, from_input, from_ce : Score
        And how far it lies above the head's input, and above what cross entropy alone makes; NaN where that is it.
    chance : float
        NaN of what is no reading of classes.
    """

    value: Score
    from_input: Score
    from_ce: Score
    chance: float


@dataclass(frozen=True)
class Point:
    """A test utterance on two principal components."""

    x: float
    y: float
    emotion: str
    language: str
    speaker: str


@dataclass(frozen=True)
class Aligned:
    """All of it.

    Attributes
    ----------
    tests : list of Ablation
    measures : dict of (System, test, side) to dict of str to Measure
        By measure; ``test`` is ``*`` for the mean over tested corpora.
    points : dict of (System, test, side) to list of Point
    explained : dict of the same to float
        The share of the variance that the two components have.
    """

    tests: list[Ablation] = field(default_factory=list)
    measures: dict[tuple[System, str, str], dict[str, Measure]] = field(default_factory=dict)
    points: dict[tuple[System, str, str], list[Point]] = field(default_factory=dict)
    explained: dict[tuple[System, str, str], float] = field(default_factory=dict)


def load(exp: Path, systems: Mapping[str, System], paired: Callable[[dict[str, str]], dict]) -> Aligned:
    """Read what stage 5 wrote.

    Parameters
    ----------
    exp : Path
        Holds :data:`FILES`.
    systems : mapping of str to System
        By the names that its files have.
    paired : callable
        Reads the columns that all paired tests have.

    Returns
    -------
    Aligned
    """
    found = Aligned()
    for row in csv_file.read(exp / ABLATION):
        own = {name: row[name] for name in ("stage", "train", "test", "factor", "value")}
        found.tests.append(Ablation(**own, a=systems[row["a"]], b=systems[row["b"]], **paired(row)))
    for row in csv_file.read(exp / REPRESENTATION):
        key = systems[row["system"]], row["test"], row["side"]
        scores = (_score(row, name) for name in ("value", "from_input", "from_ce"))
        found.measures.setdefault(key, {})[row["measure"]] = Measure(*scores, _float(row["chance"]))
    for row in csv_file.read(exp / POINTS):
        key = systems[row["system"]], row["test"], row["side"]
        place = Point(float(row["x"]), float(row["y"]), row["emotion"], row["language"], row["speaker"])
        found.points.setdefault(key, []).append(place)
        found.explained[key] = float(row["explained"])
    return found


def _score(row: Mapping[str, str], name: str) -> Score:
    return Score(*(_float(row[f"{name}{end}"]) for end in ("", "_lo", "_hi")))


def _float(text: str) -> float:
    return float(text or "nan")
