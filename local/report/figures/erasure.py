"""Speakers and emotions as directions are taken away: what INLP leaves, and what as many random directions leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.erased import HEARD, Curve
from local.report.figures.drawing import BLUE, GREEN, VERMILLION, Figure, grid, legend, panel_title
from local.report.material import Inputs, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHOWN = 8  # panels
COLUMNS = 4  # beside each other
COLOURS = {"seen": VERMILLION, "unseen": GREEN, "emotion": BLUE}
WORDS = {"seen": "speakers trained on", "unseen": "speakers tested", "emotion": "emotions (UA)"}


def curves(inputs: Inputs) -> Iterator[Figure]:
    """Give the figure, a panel a system; none where nothing was erased."""
    systems = list(dict.fromkeys(curve.system for curve in inputs.erased))[:SHOWN]
    if systems:
        caption = (
            "Accuracy of linear classifiers after each iteration of INLP (lines), by how many directions are gone; "
            "dotted, with bands that hold 95% of 20 draws: as many random directions; stars: LEACE. Means over all "
            "conditions of a system, folds, and the layers that dev chose; dashed: chance, of emotions. A condition "
            "that is done before others stays at its last iteration."
        )
        yield Figure("erasure", "Speakers and emotions as speakers are erased", caption, lambda: _draw(inputs, systems))


def _draw(inputs: Inputs, systems: Sequence[System]) -> Drawing:
    drawing, panels = grid(len(systems), COLUMNS, x="directions gone", y="accuracy (%)", panel=(2.7, 2.6))
    for axes, system in zip(panels, systems, strict=True):
        for kind in ("random", "inlp", "leace"):
            own = [curve for curve in inputs.erased if (curve.system, curve.kind) == (system, kind)]
            if own:
                _plot(axes, own, kind)
        axes.axhline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set(title=panel_title(inputs, system), ylim=(0, 103))
        axes.grid(axis="y", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
    legend(drawing, {WORDS[name]: (COLOURS[name], "-", "o") for name in HEARD})
    return drawing


def _plot(axes: Axes, own: Sequence[Curve], kind: str) -> None:
    """Draw one kind of erasure, the mean over conditions."""
    longest = max(len(curve.points) for curve in own)
    padded = [[*curve.points, *[curve.points[-1]] * (longest - len(curve.points))] for curve in own]
    rank = np.mean([[point.rank for point in points] for points in padded], axis=0)
    for name in HEARD:
        each = 100 * np.array([[getattr(point, name) for point in points] for points in padded])
        value, low, high = each[~np.isnan(each[:, 0, 0])].mean(axis=0).T if not np.isnan(each).all() else each[0].T
        if kind == "leace":
            axes.plot(rank[-1], value[-1], "*", color=COLOURS[name], ms=8, mec="white", mew=0.6, zorder=4)
        elif kind == "random":
            axes.plot(rank, value, color=COLOURS[name], lw=1, ls=":", zorder=1)
            axes.fill_between(rank, low, high, color=COLOURS[name], alpha=0.2, lw=0, zorder=1)
        else:
            axes.plot(rank, value, "o-", color=COLOURS[name], ms=3, lw=1.4, zorder=3)
