"""What erasing speakers does, iteration by iteration, beside its controls: rows of exp/erasure.csv.

A row a condition with ``erase=inlp``, kind of erasure (``inlp``; ``random``, as many directions at random; ``emotion``;
``leace``) and iteration: means over folds and the layers that dev chose in them, of what its ``erasure.csv`` holds
(local/probe/steps/curve.py says how it is measured). Where a fold was done before others, its last iteration counts on.
``seen``, ``unseen``: accuracy of linear classifiers of speakers that were trained on, and that are tested; ``_chance``:
of always naming the most frequent; ``_high``: how high that may be by chance; ``emotion``: UA. Of random subspaces they
are means over draws; ``_lo``, ``_hi``: ends of what 95% of the draws give. ``done``: share of folds at chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from local.results.read import ERASURE, Finished
from local.score.tabulate import Names, number
from utils import csv_file

_HEARD = ("seen", "unseen", "emotion")
_FACTS = ("seen_chance", "seen_high", "unseen_chance", "unseen_high")


def columns(names: Names) -> list[str]:
    """Header of exp/erasure.csv."""
    return [
        *("recipe", "stage", "train", "test", "setting", "system", "kind", "iteration", "folds", "draws", "rank"),
        *(f"{name}{end}" for name in _HEARD for end in ("", "_lo", "_hi")), *_FACTS, "done", *names.header,
    ]  # fmt: skip


def rows(conditions: Iterable[Finished], names: Names) -> list[dict]:
    """Average what each condition says of its folds.

    Parameters
    ----------
    conditions : iterable of Finished
        All; those without erasure are passed over.
    names : Names
        How tables call systems.

    Returns
    -------
    list of dict
        In the order of the conditions.
    """
    found = []
    for condition in conditions:
        labels = {
            "recipe": names.recipe, "stage": condition.stage, "train": condition.train, "test": condition.test,
            "setting": condition.meta["setting"], "system": names.system(condition),
        }  # fmt: skip
        if not (path := condition.path / ERASURE).is_file():
            continue
        kinds: dict[str, list[dict[str, str]]] = {}
        for row in csv_file.read(path):
            kinds.setdefault(row["kind"], []).append(row)
        for kind, own in kinds.items():
            found += [labels | {"kind": kind} | row | names.values(condition) for row in _means(own)]
    return found


def _means(own: Sequence[dict[str, str]]) -> list[dict]:
    """Average one kind of erasure over folds and layers, iteration by iteration."""
    curves: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
    for row in own:
        curves.setdefault((row["fold"], row["layer"]), {}).setdefault(row["draw"], []).append(row)
    length = max(len(curve) for draws in curves.values() for curve in draws.values())
    found = []
    for iteration in range(length):
        # Folds and layers, draws.
        now = [[curve[min(iteration, len(curve) - 1)] for curve in draws.values()] for draws in curves.values()]
        values = {key: _mean(now, key) for key in (*_HEARD, *_FACTS, "rank")}
        row: dict[str, object] = {"iteration": iteration, "folds": len({row["fold"] for row in own})}
        row |= {"draws": len(now[0]), **{key: number(value.mean()) for key, value in values.items()}}
        if len(now[0]) > 1:
            for key in _HEARD:
                ends = np.quantile(values[key], (0.025, 0.975))
                row |= {f"{key}_{end}": number(value) for end, value in zip(("lo", "hi"), ends, strict=True)}
        done = [float(one["seen"]) <= float(one["seen_high"]) for draws in now for one in draws]
        found.append(row | {"done": number(np.mean(done))})
    return found


def _mean(now: Sequence[Sequence[dict[str, str]]], key: str) -> np.ndarray:
    """Average over folds and layers where it is known: one value a draw, NaN where it is nowhere."""
    known = [[float(row[key]) for row in draws] for draws in now if all(row[key] for row in draws)]
    return np.mean(known, axis=0) if known else np.full(len(now[0]), np.nan)
