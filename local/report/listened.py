"""What stage 7 found, as objects: exp/listen/*.csv (local/listen/analyse.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from local import encoders
from local.report.material import NO_EARS, baseline
from local.report.scores import Score
from local.report.tables.cells import HEARD
from utils import csv_file

RATES, BESIDE, ITEMS = "listen/rates.csv", "listen/beside.csv", "listen/items.csv"
TABLES = (
    "scores", "confusions", "contrasts", "logistic", "reliability", "segments", "study_tests", "study_figures",
)  # fmt: skip
KEPT = (RATES, BESIDE, *(f"listen/{name}.csv" for name in TABLES))  # nothing of a single listener or clip
FILES = (*KEPT, ITEMS)
FEW = "too few for an interval"


@dataclass(frozen=True)
class Beside:
    """People and a model on the same utterances.

    Attributes
    ----------
    people, corpus, encoder, system, train : str
    n, speakers : int
    ours, theirs, difference : Score
        UA of the model, of people, and model less people.
    rho, within : Score
        Rank correlations over utterances, and with the emotions' means taken away; fractions of 1 as UA is.
    p, adjusted, ceiling : float
        Of ``within``: its p and Holm's, and the most that it could be with so few listeners.
    baseline : str
        What kind of baseline the model is, in words; empty for a system.
    mark : str
        How the encoder heard the corpus, as tables mark it.
    """

    people: str
    corpus: str
    encoder: str
    system: str
    train: str
    n: int
    speakers: int
    ours: Score
    theirs: Score
    difference: Score
    rho: Score
    within: Score
    p: float
    adjusted: float
    ceiling: float
    baseline: str
    mark: str


def rank(row: Beside) -> tuple[bool, float]:
    """Order models: by UA, baselines last."""
    return not row.baseline, row.ours.ua


@dataclass(frozen=True)
class Listened:
    """All of it; rows of tables that are shown as they are stay rows, ``tables`` by the names in :data:`TABLES`."""

    rates: list[dict[str, str]]
    beside: list[Beside]
    items: list[dict[str, str]]
    tables: dict[str, list[dict[str, str]]]

    @property
    def simulated(self) -> bool:
        """Whether any answer was made up."""
        rows = (*self.tables["scores"], *self.tables["segments"])
        return any(row["simulated"] == "true" for row in rows)

    @property
    def best(self) -> Beside | None:
        """The best model by test among those that are no baselines, or else among all."""
        return max(self.beside, key=rank, default=None)

    @property
    def by_people(self) -> dict[tuple[str, str], list[Beside]]:
        """Models by the people and the corpus that they stand beside."""
        found: dict[tuple[str, str], list[Beside]] = {}
        for row in self.beside:
            found.setdefault((row.people, row.corpus), []).append(row)
        return found

    @cached_property
    def hearing(self) -> set[tuple[str, str]]:
        """Systems with ears, with what trained them."""
        return {(row.system, row.train) for row in self.beside if row.baseline != NO_EARS}


def load(exp: Path) -> Listened | None:
    """Read what stage 7 wrote; None where it has not been run, or there was nothing to analyse."""

    def read(name: str) -> list[dict[str, str]]:
        return csv_file.read(exp / name) if (exp / name).is_file() else []

    rates, beside, items = map(read, (RATES, BESIDE, ITEMS))
    tables = {name: read(f"listen/{name}.csv") for name in TABLES}
    if not (rates or beside or any(tables.values())):
        return None
    known = {row["encoder"] for row in beside}.intersection(encoders.names())
    kinds = {name: baseline(encoders.spec(name)) for name in known}
    return Listened(rates, [_beside(row, kinds) for row in beside], items, tables)


def score(row: Mapping[str, str], value: str, ends: str = "") -> Score:
    """Read a value with its interval, whose columns begin with ``ends`` (or ``value``)."""
    numbers = (float(row[name] or "nan") for name in (value, f"{ends or value}_lo", f"{ends or value}_hi"))
    return Score(*numbers, reason="" if row[f"{ends or value}_lo"] else FEW)


def _beside(row: dict[str, str], kinds: Mapping[str, str]) -> Beside:
    words = (row[name] for name in ("people", "corpus", "encoder", "system", "train"))
    scores = [score(row, "ua"), score(row, "people_ua", "people")]
    scores += [score(row, name) for name in ("difference", "rho", "within")]
    rest = (float(row[name] or "nan") for name in ("within_p", "within_p_holm", "ceiling"))
    qualified = kinds.get(row["encoder"], ""), HEARD.get(row["heard"], "")
    return Beside(*words, int(row["n"]), int(row["speakers"]), *scores, *rest, *qualified)
