"""The one figure of RESULTS.md: every system with its interval beside the baselines, a panel a measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from local.report.figures.drawing import BLUE, Figure
from local.report.headline import Measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLUMNS = 2  # panels beside each other
GREY = "#666666"


def figure(found: Sequence[Measure]) -> Figure:
    """Give the figure of all measures."""
    caption = (
        "Systems (blue, filled) beside baselines (grey, hollow), with 95% intervals; in brackets, over how many "
        "conditions; the best on top; dotted: the strongest baseline."
    )
    return Figure("headline", "Systems beside baselines", caption, lambda: _draw(found))


def _draw(found: Sequence[Measure]) -> Drawing:
    import matplotlib.pyplot as plt

    columns = min(len(found), COLUMNS)
    rows = [found[start : start + columns] for start in range(0, len(found), columns)]
    heights = [max(len(measure.lines) for measure in row) + 2.2 for row in rows]
    drawing, panels = plt.subplots(
        len(rows), columns, figsize=(4.6 * columns, 0.23 * sum(heights) + 0.2), height_ratios=heights, squeeze=False
    )
    for axes in panels.flat[len(found) :]:
        axes.set_visible(False)
    for axes, measure in zip(panels.flat, found, strict=False):
        _panel(axes, measure)
    return drawing


def _panel(axes: Axes, measure: Measure) -> None:
    for y, line in enumerate(measure.lines):
        score, system = line.score, not line.baseline
        colour = BLUE if system else GREY
        axes.plot([100 * score.lo, 100 * score.hi], [y, y], color=colour, lw=1.8, solid_capstyle="round")
        axes.plot(100 * score.ua, y, "os"[not system], color=colour, ms=5.5, mew=1.2, mfc=colour if system else "w")
    for line in measure.lines:
        if any(other.among and line.name == other.than for other in measure.lines):
            axes.axvline(100 * line.score.ua, color=GREY, lw=0.9, ls=":", zorder=0)
    labels = [label + line.marks for label, line in zip(measure.labels, measure.lines, strict=True)]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(len(labels), 2) - 0.4, -0.6)
    axes.set_title(measure.title)
    axes.set_xlabel(f"{measure.title.partition(' ')[0]} (%)")
    axes.grid(axis="x", color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
