"""Figure 1 of study A, from its published logs (local/report/import_published.py), and ours beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from local.report.conditions import Result
from local.report.figures.drawing import BLUE, VERMILLION, Figure, grid, legend
from local.report.import_published import FILE
from local.report.material import Inputs
from utils import csv_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from local.report.contents import Sources

Condition = tuple[str, str, str, str]  # encoder, setting, train, test
_COLUMNS = 4


def published(sources: Sources) -> Iterator[Figure]:
    """Give the figure where the study's logs have been imported, before we have run anything too."""
    path = sources.experiment.exp / FILE
    if not path.is_file():
        return
    curves = _read(path)
    caption = (
        "UA at each layer: the study's, from its logs, mean over folds, the band from the lowest fold to the highest; "
        "ours with its interval, of the linear head on the same encoder and corpora, where it has been run. The study "
        "chooses epochs on labelled speech of the corpus that it tests on."
    )
    yield Figure("figure1", "Figure 1 of the study, and ours", caption, lambda: _draw(curves, sources.inputs))


def _read(path: Path) -> dict[Condition, np.ndarray]:
    """Read the curves, shape (folds, layers), those of an encoder together."""
    rows: dict[Condition, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in csv_file.read(path):
        key = row["encoder"], row["setting"], row["train"], row["test"]
        rows[key][row["fold"]][int(row["layer"])] = float(row["ua"])
    return {
        key: np.array([[fold[layer] for layer in sorted(fold)] for _, fold in sorted(folds.items())])
        for key, folds in sorted(rows.items())
    }


def _draw(curves: Mapping[Condition, np.ndarray], inputs: Inputs | None) -> Drawing:
    drawing, panels = grid(len(curves), min(len(curves), _COLUMNS))
    styles = {"published": (VERMILLION, "--", "o"), "ours": (BLUE, "-", "s")}
    drawn = {"published"}
    for axes, (key, values) in zip(panels, curves.items(), strict=True):
        encoder, setting, train, test = key
        layers, colour = np.arange(values.shape[1]), styles["published"][0]
        axes.fill_between(layers, 100 * values.min(axis=0), 100 * values.max(axis=0), color=colour, alpha=0.15, lw=0)
        axes.plot(layers, 100 * values.mean(axis=0), color=colour, ls="--", marker="o", ms=3)
        own = _own(key, inputs)
        if own is not None:
            drawn.add("ours")
            numbers = sorted(layer for layer in own.layers if layer != "dev")
            ua, low, high = (
                np.array([100 * getattr(own.layers[number], end) for number in numbers]) for end in ("ua", "lo", "hi")
            )
            axes.fill_between(numbers, low, high, color=BLUE, alpha=0.15, lw=0)
            axes.plot(numbers, ua, color=BLUE, marker="s", ms=3)
        axes.axhline(25, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set_title(f"{encoder}, {setting}\n{train} to {test}" if train != test else f"{encoder}, {setting}\n{test}")
    legend(drawing, {name: style for name, style in styles.items() if name in drawn})
    return drawing


def _own(key: Condition, inputs: Inputs | None) -> Result | None:
    """Find our condition: the linear head, without anything that the study does not do."""
    encoder, _, train, test = key
    for result in inputs.results if inputs else []:
        same = (result.system.encoder, result.train, result.test) == (encoder, (train,), test)
        if same and not result.tuned and result.factors["method"] == "linear":
            return result
    return None
