"""What erasing speakers does, as objects: exp/erasure.csv of stage 5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path

from local.report.scores import System
from utils import csv_file

FILE = "erasure.csv"
HEARD = ("seen", "unseen", "emotion")


@dataclass(frozen=True)
class Point:
    """What is heard after an iteration: value and, of several draws, ends; NaN where there is none.

    ``seen`` and ``unseen`` are accuracies on speakers that were trained on, and on those that are tested; ``emotion``
    is UA.
    """

    rank: float
    seen: tuple[float, float, float]
    unseen: tuple[float, float, float]
    emotion: tuple[float, float, float]


@dataclass(frozen=True)
class Curve:
    """One kind of erasure in one condition, iteration by iteration, from 0.

    ``chance``: of ``seen`` and ``unseen``, the accuracy of always naming the most frequent, and how high it may be by
    chance. ``done``: share of folds whose last iteration is no better than that on ``seen``.
    """

    system: System
    train: tuple[str, ...]
    test: str
    kind: str
    points: list[Point]
    chance: dict[str, tuple[float, float]]
    done: float


def load(exp: Path, systems: Mapping[str, System]) -> list[Curve]:
    """Read what stage 5 wrote; ``systems`` by the names that its files have."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in csv_file.read(exp / FILE):
        found.setdefault(tuple(row[name] for name in ("system", "train", "test", "kind")), []).append(row)
    return [
        Curve(
            systems[system], tuple(train.split("+")), test, kind, [_point(row) for row in rows],
            {name: (_float(rows[-1][f"{name}_chance"]), _float(rows[-1][f"{name}_high"])) for name in HEARD[:2]},
            _float(rows[-1]["done"]),
        )
        for (system, train, test, kind), rows in found.items()
    ]  # fmt: skip


def _point(row: Mapping[str, str]) -> Point:
    heard = (tuple(_float(row[f"{name}{end}"]) for end in ("", "_lo", "_hi")) for name in HEARD)
    return Point(_float(row["rank"]), *heard)


def _float(text: str) -> float:
    return float(text) if text else nan
