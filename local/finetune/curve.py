"""The curve of a training: by epoch, its losses and what dev says, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils import csv_file

COLUMNS = ("train", "epoch", "train_loss", "dev_loss", "dev_ua", "seconds")


def rows_of(history: Sequence[dict[str, float]], name: str) -> list[dict[str, Any]]:
    """Make a curve of what transformers' Trainer has logged.

    Parameters
    ----------
    history : sequence of dict
        ``log_history`` of its state.
    name : str
        Of what it is trained on.

    Returns
    -------
    list of dict
        A row an epoch, with ``COLUMNS``.
    """
    losses = [entry["loss"] for entry in history if "loss" in entry]
    dev = [[entry[f"eval_{key}"] for key in ("loss", "ua", "seconds")] for entry in history if "eval_loss" in entry]
    return [
        dict(zip(COLUMNS, (name, epoch, loss, *own), strict=True))
        for epoch, (loss, own) in enumerate(zip(losses, dev, strict=True), 1)
    ]


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the epoch with the lowest dev loss, the first of several."""
    return min(rows, key=lambda row: row["dev_loss"])


def is_over(rows: Sequence[dict[str, Any]], epochs: int, patience: int) -> bool:
    """Tell whether a training ends after the last of some epochs.

    Examples
    --------
    >>> rows = [{"epoch": 1, "dev_loss": 1.0}, {"epoch": 2, "dev_loss": 1.5}]
    >>> is_over(rows, epochs=9, patience=1), is_over(rows, epochs=9, patience=2)
    (True, False)
    """
    return bool(rows) and (len(rows) >= epochs or len(rows) - best(rows)["epoch"] >= patience)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``curve.csv``."""
    csv_file.write(path, COLUMNS, rows)
