"""What the gap between corpora is made of, as objects: exp/gap.csv of stage 5 (local/score/gap.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.report.scores import Score, System
from utils import csv_file

FILE = "gap.csv"


@dataclass(frozen=True)
class Gap:
    """The drop of a zero-shot pair, or its mean over several, in parts.

    Attributes
    ----------
    system : System
    train : tuple of str
        Empty for a mean over pairs; then ``test`` is ``*``.
    test : str
    languages : str
        ``same`` or ``other``.
    via : str
        What mended the shift: ``coral``, ``per-corpus``, or nothing.
    parts : dict of str to Score
        Those that were run; ``drop`` is the sum of ``priors``, ``shift`` and ``concept``.
    levels : dict of str to (float, float)
        UA before and after each of them.
    pairs, n, speakers : int
        Of the drop.
    tuned : str
        The strategy behind ``representation``.
    """

    system: System
    train: tuple[str, ...]
    test: str
    languages: str
    via: str
    parts: dict[str, Score]
    levels: dict[str, tuple[float, float]]
    pairs: int
    n: int
    speakers: int
    tuned: str


def load(exp: Path, systems: Mapping[str, System]) -> list[Gap]:
    """Read what stage 5 wrote, of pairs that have a drop; ``systems`` by the names that its files have."""
    rows: dict[tuple, dict[str, dict[str, str]]] = {}
    for row in csv_file.read(exp / FILE):
        key = tuple(row[name] for name in ("system", "train", "test", "languages", "via"))
        rows.setdefault(key, {})[row["part"]] = row
    return [_gap(systems[key[0]], own) for key, own in rows.items() if own["drop"]["value"]]


def _gap(system: System, rows: Mapping[str, Mapping[str, str]]) -> Gap:
    drop, known = rows["drop"], {part: row for part, row in rows.items() if row["value"]}
    return Gap(
        system, () if drop["train"] == "*" else tuple(drop["train"].split("+")), drop["test"], drop["languages"],
        drop["via"], {part: _score(row) for part, row in known.items()},
        {part: (float(row["before"]), float(row["after"])) for part, row in known.items()},
        *(int(drop[name]) for name in ("pairs", "n", "speakers")), rows["representation"]["tuned"],
    )  # fmt: skip


def _score(row: Mapping[str, str]) -> Score:
    return Score(*(float(row[name] or "nan") for name in ("value", "lo", "hi", "df")), row["no_interval"])
