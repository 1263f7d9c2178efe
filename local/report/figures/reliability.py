"""Reliability diagrams: how often systems are right where they say that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.conditions import GROUPS
from local.report.failures import Bin
from local.report.figures.drawing import Figure, grid, legend, panel_title
from local.report.figures.layers import COLUMNS, STYLES
from local.report.material import Inputs
from local.report.scores import System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHOWN = 8  # systems


def diagrams(inputs: Inputs) -> Iterator[Figure]:
    """Give one figure, of each encoder's system that is best on dev; none without posteriors."""
    chosen = _chosen(inputs)
    if chosen:
        caption = (
            "Accuracy of the utterances in each of 15 bins of confidence (the largest posterior), all conditions of a "
            "group and all seeds; areas of points: share of the utterances; dashed: posteriors that mean what they "
            "say; below it, a system is too sure. Of each encoder, the method that dev chose; *ECE* in percent. Many "
            "conditions of the same utterances are pooled, so points of few utterances scatter more than they seem to."
        )
        yield Figure("reliability", "Do posteriors mean what they say?", caption, lambda: _draw(inputs, chosen))


def _chosen(inputs: Inputs) -> list[System]:
    """Choose each encoder's method by the mean dev UA of its conditions within corpora, or else of all."""
    best: dict[str, System] = {}
    for encoder in inputs.encoders:
        own = [system for system in inputs.systems if system.encoder == encoder]
        group = next((g for g in GROUPS if any(inputs.of(system, g) for system in own)), None)
        own = [system for system in own if inputs.of(system, group) and (system, group) in inputs.failures.bins]
        if own:
            best[encoder] = inputs.preferred(own, group)
    return list(best.values())[:SHOWN]


def _draw(inputs: Inputs, systems: Sequence[System]) -> Drawing:
    bins = inputs.failures.bins
    used = [group for group in GROUPS if any((system, group) in bins for system in systems)]
    words = {"x": "confidence (%)", "y": "accuracy (%)"}
    drawing, panels = grid(len(systems), COLUMNS, **words, panel=(2.5, 3.1), sharex=True)
    for axes, system in zip(panels, systems, strict=True):
        for place, group in enumerate(used):
            if (system, group) in bins:
                _curve(axes, bins[system, group], group, place)
        axes.plot([0, 100], [0, 100], color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set(title=panel_title(inputs, system), xlim=(0, 104), ylim=(0, 104), box_aspect=1)
        axes.grid(color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
    legend(drawing, {group: STYLES[group] for group in used})
    return drawing


def _curve(axes: Axes, bins: Sequence[Bin], group: str, place: int) -> None:
    """Draw a group's bins, and write down how far they are from the diagonal."""
    colour, line, marker = STYLES[group]
    n, confidence, accuracy = (np.array([getattr(own, key) for own in bins]) for key in ("n", "confidence", "accuracy"))
    axes.plot(100 * confidence, 100 * accuracy, color=colour, ls=line, lw=1.2, zorder=2)
    axes.scatter(
        100 * confidence, 100 * accuracy, s=6 + 300 * n / n.sum(), color=colour, marker=marker, alpha=0.75,
        edgecolors="white", linewidths=0.6, zorder=3,
    )  # fmt: skip
    ece = 100 * (n * np.abs(confidence - accuracy)).sum() / n.sum()
    axes.text(4, 97 - 8 * place, f"ECE {ece:.1f}", color=colour, fontsize=8, va="center")
