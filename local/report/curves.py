"""The report's figure of two-stage training: dev UA by epoch, through both stages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from local.report.figures import BLUE, VERMILLION, Figure
from local.report.inputs import Inputs, Result, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MODELS = Path("exp/finetune/models")
COLUMNS = 3  # panels beside each other


def files() -> list[Path]:
    """List the curves of two-stage training that there are, in the recipe's folder."""
    return sorted(MODELS.glob("*.after.*/*/curve.csv"))


def for_report(inputs: Inputs) -> Iterator[Figure]:
    """Give the figure, where there is two-stage training and its curves are at hand."""
    found = {_folder(result): result for result in inputs.results if result.tuned and result.meta["source"]}
    shown = {folder: result for folder, result in found.items() if _curves(folder)}
    if shown:
        caption = (
            "Dev UA after each epoch, a line a fold and seed: first (blue) on the source corpus and by its dev list, "
            "then (red) on the target's. The second stage begins with the weights of the first one's epoch "
            "with the lowest dev loss; dots: the epochs whose weights were kept."
        )
        yield Figure("two_stage", "Two-stage training", caption, lambda: _draw(inputs, shown))


def _folder(result: Result) -> Path:
    """Where stage 4 keeps a condition's models, whose folder is named after what training depends on."""
    train, dev = ("+".join(result.meta[key]) for key in ("train", "dev"))
    name = f"{result.system.encoder}.{result.system.method}.{train}"
    return MODELS / (name if dev == train else f"{name}.dev-{dev}")


def _curves(folder: Path) -> list[list[dict[str, str]]]:
    curves = []
    for path in sorted(folder.glob("*/curve.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            curves.append(list(csv.DictReader(file)))
    return curves


def _draw(inputs: Inputs, shown: dict[Path, Result]) -> Drawing:
    import matplotlib.pyplot as plt

    columns = min(len(shown), COLUMNS)
    rows = -(-len(shown) // columns)
    size = (1.0 + 3.4 * columns, 0.6 + 2.6 * rows)
    drawing, panels = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, (folder, result) in zip(panels.flat, shown.items(), strict=False):
        for run in _curves(folder):
            _plot(axes, run)
        axes.axhline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        name = in_words(result.system.method)
        axes.set_title(f"{result.system.encoder}: {'+'.join(result.train)}\n{name}", fontsize=9)
        axes.set_xlabel("epoch")
        axes.grid(axis="y", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in panels[:, 0]:
        axes.set_ylabel("dev UA (%)")
    return drawing


def _plot(axes: Axes, rows: list[dict[str, str]]) -> None:
    """Draw one run's stages, the second one where the first ends."""
    stages: list[list[dict[str, str]]] = []
    for row in rows:
        # Both stages may be on the same corpora, so epochs say where one begins.
        if row["epoch"] == "1":
            stages.append([])
        stages[-1].append(row)
    done = 0
    for stage, colour in zip(stages, (BLUE, VERMILLION), strict=False):
        epochs = [done + int(row["epoch"]) for row in stage]
        ua = [100 * float(row["dev_ua"]) for row in stage]
        kept = min(range(len(stage)), key=lambda index: float(stage[index]["dev_loss"]))
        axes.plot(epochs, ua, color=colour, lw=1.2, alpha=0.8)
        axes.plot(epochs[kept], ua[kept], "o", color=colour, ms=4, mec="white", mew=0.6, zorder=4)
        done = epochs[-1]
