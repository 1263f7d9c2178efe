"""Learning curves: a row an epoch, with ``epoch``, ``dev_loss`` and whatever else a stage notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils import csv_file

NAME = "curve.csv"
Row = Mapping[str, Any]


def best(rows: Sequence[Row], keep: str = "loss") -> Row:
    """Give the epoch with the lowest dev loss, with ``ua`` that with the highest ``dev_ua``; the first of several."""
    return min(rows, key=lambda row: row["dev_loss"] if keep == "loss" else -row["dev_ua"])


def is_over(rows: Sequence[Row], epochs: int, patience: int) -> bool:
    """Tell whether a training ends after the last of some epochs.

    Examples
    --------
    >>> rows = [{"epoch": 1, "dev_loss": 1.0}, {"epoch": 2, "dev_loss": 1.5}]
    >>> is_over(rows, epochs=9, patience=1), is_over(rows, epochs=9, patience=2)
    (True, False)
    """
    return bool(rows) and (len(rows) >= epochs or len(rows) - best(rows)["epoch"] >= patience)


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``curve.csv``, whose columns are those of the first row."""
    csv_file.write(folder / NAME, list(rows[0]), rows)
