"""The report's figure of two-stage training: dev UA by epoch, through both stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from local.experiment import Finetune
from local.report.conditions import Epoch, Result
from local.report.figures.drawing import BLUE, VERMILLION, Figure, grid
from local.report.material import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLUMNS = 3  # panels beside each other


def two_stage(inputs: Inputs) -> Iterator[Figure]:
    """Give the figure, where there is two-stage training and its curves are at hand."""
    # Conditions that differ in the test corpus alone share their models.
    shown = list({(r.system, r.train, r.dev): r for r in inputs.results if r.curves and r.source}.values())
    if shown:
        caption = (
            "Dev UA after each epoch, a line a fold and seed: first (blue) on the source corpus and by its dev list, "
            "then (red) on the target's. The second stage begins with the weights of the first one's epoch "
            "that is kept; dots: the epochs whose weights were kept."
            if inputs.experiment.finetune.second_stage == "fresh" else
            "Dev UA after each epoch, a line a fold and seed, of the second stage's dev list: first (blue) the source "
            "corpus is trained on, then (red), with the weights and the optimiser as they are, the target; dots: the "
            "epoch whose weights were kept."
        )  # fmt: skip
        yield Figure("two_stage", "Two-stage training", caption, lambda: _draw(inputs, shown))


def _draw(inputs: Inputs, shown: Sequence[Result]) -> Drawing:
    drawing, panels = grid(len(shown), COLUMNS, x="epoch", y="dev UA (%)", panel=(3.4, 2.6))
    for axes, result in zip(panels, shown, strict=True):
        for run in result.curves:
            _plot(axes, run, inputs.experiment.finetune)
        axes.axhline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        name = result.system.method
        axes.set_title(f"{result.system.encoder}: {'+'.join(result.train)}\n{name}", fontsize=9)
        axes.grid(axis="y", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return drawing


def _plot(axes: Axes, run: Sequence[Epoch], settings: Finetune) -> None:
    """Draw one run's stages, the second one where the first ends, and the epochs that were kept."""
    stages: list[list[Epoch]] = []
    for epoch in run:
        # Both stages may be on the same corpora, so epochs say where one begins.
        if epoch.epoch == 1:
            stages.append([])
        stages[-1].append(epoch)

    def worse(epoch: Epoch) -> float:
        return epoch.dev_loss if settings.keep == "loss" else -epoch.dev_ua

    continued = settings.second_stage == "continued"
    kept = [min(run, key=worse)] if continued else [min(stage, key=worse) for stage in stages]
    done = 0
    for stage, colour in zip(stages, (BLUE, VERMILLION), strict=False):
        epochs = [done + epoch.epoch for epoch in stage]
        ua = [100 * epoch.dev_ua for epoch in stage]
        axes.plot(epochs, ua, color=colour, lw=1.2, alpha=0.8)
        for epoch in [one for one in stage if any(one is best for best in kept)]:
            place = done + epoch.epoch
            axes.plot(place, 100 * epoch.dev_ua, "o", color=colour, ms=4, mew=0.6, mec="white", zorder=4)
        done = epochs[-1]
