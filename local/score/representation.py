"""What training does to a representation, means over folds and seeds: rows of exp/representation.csv.

A row a condition that was trained on others than it tests, side and measure (local/representation/measures.py says what
each is), and rows with ``train`` and ``test`` ``*``: means over the tested corpora. Of stage 3's head ``aligned``,
``input`` is what the head is given and ``hidden`` what it makes of it; of stage 4, what the encoder gives as it came,
and what the tuned one gives its head.

Beside the value of ``hidden``, how far it lies above its ``input`` (``from_input``), and above what cross entropy alone
has made (``from_ce``), fold by fold; ``chance``, of reading classes. ``_lo``, ``_hi``: t-intervals over folds, whose
speakers differ, of means over seeds; corpora are taken as they are. Folds share most of what they train on, so that
other speakers to train on may move a value by more than its interval says.

exp/points.csv has the utterances of points.csv of each condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from local.losses import PLAIN
from local.results.read import POINTS, REPRESENTATION, Finished
from local.score.tabulate import Names, number
from utils import csv_file, student

INPUT, HIDDEN = SIDES = ("input", "hidden")
_DIFFERENCES = ("from_input", "from_ce")
_KEYS, _CHANCE = ("fold", "layer", "side", "seed"), "_chance"  # columns beside the measures
_PLACED = ("side", "layer", "utt", "speaker", "language", "emotion", "x", "y", "explained")

Values = dict[tuple[str, str], np.ndarray]  # by side and measure, a value a fold


def columns(names: Names) -> list[str]:
    """Header of exp/representation.csv."""
    numbers = [f"{name}{end}" for name in ("value", *_DIFFERENCES) for end in ("", "_lo", "_hi")]
    labels = ["recipe", "stage", "train", "test", "system", "side", "measure", "conditions", "folds", "seeds"]
    return [*labels, *numbers, "chance", *names.header]


def point_columns() -> list[str]:
    """Header of exp/points.csv."""
    return ["recipe", "stage", "train", "test", "system", *_PLACED]


def points(conditions: Iterable[Finished], names: Names) -> list[dict]:
    """Gather the utterances that figures show."""
    return [
        _labels(one, names) | row for one in conditions if (path := one.path / POINTS).is_file()
        for row in csv_file.read(path)
    ]  # fmt: skip


def rows(conditions: Sequence[Finished], names: Names, confidence: float) -> list[dict]:
    """Average what each condition says of its folds, and over corpora.

    Parameters
    ----------
    conditions : sequence of Finished
        All; those without such a file are passed over.
    names : Names
        How tables call systems.
    confidence : float
        0.95 for 95% intervals.

    Returns
    -------
    list of dict
        In the order of the conditions, means last.
    """
    read = {one.path: _read(one.path / REPRESENTATION) for one in conditions if (one.path / REPRESENTATION).is_file()}
    plain = {(_but_loss(one), one.train, one.test): one for one in conditions if _loss(one) == PLAIN}
    found, systems = [], {}
    for one in conditions:
        if one.path not in read:
            continue
        base = plain.get((_but_loss(one), one.train, one.test))
        made = read[one.path], read.get(base.path) if base and base is not one else None
        found += _rows([made], _labels(one, names), names.values(one), confidence)
        systems.setdefault((one.stage, one.system), []).append((one, made))
    for members in systems.values():
        if len(members) > 1:
            one = members[0][0]
            labels = _labels(one, names) | {"train": "*", "test": "*"}
            found += _rows([made for _, made in members], labels, names.values(one), confidence)
    return found


def _labels(one: Finished, names: Names) -> dict[str, str]:
    return {
        "recipe": names.recipe, "stage": one.stage, "train": one.train, "test": one.test, "system": names.system(one)
    }  # fmt: skip


def _loss(one: Finished) -> str:
    return one.factors.get("loss", PLAIN)


def _but_loss(one: Finished) -> tuple:
    return tuple((name, value) for name, value in one.system if name != "loss")


def _read(path: Path) -> tuple[Values, dict[str, float], int]:
    """Read means over seeds by fold; chances of reading; and how many seeds there are."""
    cells: dict[tuple[str, str, str], list[float]] = {}
    chances: dict[str, list[float]] = {}
    everything = csv_file.read(path)
    for row in everything:
        for name in row:
            if name not in _KEYS and not name.endswith(_CHANCE):
                cells.setdefault((row["side"], name, row["fold"]), []).append(float(row[name] or "nan"))
                chances.setdefault(name, []).append(float(row.get(name + _CHANCE) or "nan"))
    folds: dict[tuple[str, str], list[float]] = {}
    for (side, name, _), values in cells.items():
        folds.setdefault((side, name), []).append(float(np.mean(values)))
    seeds = len({row["seed"] for row in everything if row["side"] == HIDDEN})
    return {key: np.array(own) for key, own in folds.items()}, {k: float(np.mean(v)) for k, v in chances.items()}, seeds


def _rows(
    members: Sequence[tuple], labels: Mapping[str, str], factors: Mapping[str, str], confidence: float
) -> Iterable[dict]:
    own, chances, seeds = zip(*(one for one, _ in members), strict=True)
    plain = [base[0] for _, base in members if base]
    for side in SIDES:
        for name in chances[0]:
            values = [one[side, name] for one in own]
            against = {"value": values}
            if side == HIDDEN:
                against["from_input"] = [one[HIDDEN, name] - one[INPUT, name] for one in own]
                if len(plain) == len(own):
                    pairs = zip(own, plain, strict=True)
                    against["from_ce"] = [a[HIDDEN, name] - b[HIDDEN, name] for a, b in pairs]
            yield dict(labels) | {
                "side": side, "measure": name, "conditions": len(own), "folds": sum(map(len, values)),
                "seeds": max(seeds) if side == HIDDEN else "", "chance": number(np.mean([c[name] for c in chances])),
            } | {
                f"{key}{end}": number(value) for key, cells in against.items()
                for end, value in zip(("", "_lo", "_hi"), interval(cells, confidence), strict=True)
            } | dict(factors)  # fmt: skip


def interval(cells: Sequence[np.ndarray], confidence: float) -> tuple[float, float, float]:
    """Give the mean of several means over folds, and a t-interval of it.

    Variances of corpora are added up, with Satterthwaite's degrees of freedom. NaN are values that there are none of.

    Examples
    --------
    >>> [round(float(end), 3) for end in interval([np.array([1.0, 2.0, 3.0])], 0.95)]
    [2.0, -0.484, 4.484]
    """
    cells = [one[~np.isnan(one)] for one in cells]
    if not all(map(len, cells)):
        return np.nan, np.nan, np.nan
    mean = float(np.mean([one.mean() for one in cells]))
    if min(map(len, cells)) < 2:
        return mean, np.nan, np.nan
    parts = np.array([one.var(ddof=1) / len(one) for one in cells]) / len(cells) ** 2
    df = parts.sum() ** 2 / max((parts**2 / [len(one) - 1 for one in cells]).sum(), 1e-300)
    half = student.quantile((1 + confidence) / 2, df) * np.sqrt(parts.sum()) if parts.sum() else 0.0
    return mean, mean - half, mean + half
