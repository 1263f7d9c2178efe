"""What the directory of a probe's condition holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np


def scores(condition: str) -> list[dict[str, str]]:
    with open(f"exp/probe/{condition}/scores.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def meta(condition: str) -> dict:
    return json.loads(Path(f"exp/probe/{condition}/meta.json").read_text(encoding="utf-8"))


def arrays(condition: str) -> dict[str, np.ndarray]:
    with np.load(f"exp/probe/{condition}/layers.npz", allow_pickle=False) as found:
        return dict(found)


def hyp(condition: str) -> list[list[str]]:
    return [line.split() for line in Path(f"exp/probe/{condition}/hyp").read_text(encoding="utf-8").splitlines()]


def column(condition: str, name: str) -> list[float]:
    return [float(row[name]) for row in scores(condition)]


def selected(condition: str) -> dict[str, str]:
    return {row["fold"]: row["layer"] for row in scores(condition) if row["selected"] == "1"}


def everything(condition: str) -> dict[str, bytes]:
    """All files by name; of layers.npz the arrays, since a zip archive holds the time."""
    files = {path.name: path.read_bytes() for path in Path("exp/probe", condition).iterdir()}
    del files["layers.npz"]
    return files | {name: array.tobytes() for name, array in arrays(condition).items()}
