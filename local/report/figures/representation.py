"""Test utterances on two principal components, before the head and after: by emotion, by language, by speaker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from local.losses import parse
from local.report.aligned import HIDDEN, INPUT, Point
from local.report.figures.drawing import CYCLE, MARKERS, Figure
from local.report.material import Inputs, System
from local.report.tables.ablation import PLAIN, called, what

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLOURED = ("emotion", "language", "speaker")
NAMED = 8  # values that a legend names
Row = tuple[str, float, list[Point]]


def planes(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure an encoder and tested corpus; the first is shown, others are folded away."""
    number = 0
    for base, full in _pairs(inputs).items():
        tests = [test for system, test, side in inputs.aligned.points if (system, side) == (base, INPUT)]
        for test in tests:
            rows = [
                (name, inputs.aligned.explained[key], inputs.aligned.points[key])
                for name, key in (
                    ("input", (full, test, INPUT)), (PLAIN, (base, test, HIDDEN)), (called(inputs, full),
                    (full, test, HIDDEN)),
                ) if key in inputs.aligned.points
            ]  # fmt: skip
            caption = (
                f"`{base.encoder}`, tested on {inputs.label(test)}, of which nothing was labelled: utterances of the "
                "test lists of the first fold, first seed, on the first two principal components of the sources' train "
                "lists; the same utterances in every panel. Rows: the head's input, and its hidden values, trained by "
                "cross entropy and with all losses. Each plane is scaled to the same mean square distance, turned or "
                "mirrored to lie as near to its input's as can be, and drawn within the same limits; percent: variance "
                "that the two components have. For looking: distances across many dimensions are in the tables."
            )
            title = f"Before and after: {base.encoder}, tested on {test}"
            name = f"representation_{number}" if number else "representation"
            yield Figure(name, title, caption, lambda own=rows: _draw(own), detail=number > 0)
            number += 1


def _pairs(inputs: Inputs) -> dict[System, System]:
    """Find for each cross entropy alone the system with the most losses."""
    found: dict[System, tuple[int, System]] = {}
    for test in inputs.aligned.tests:
        if test.factor == "loss" and what(test) and test.stage == "probe":
            number = len(parse(test.value))
            if number > found.get(test.b, (0, test.a))[0]:
                found[test.b] = number, test.a
    return {base: full for base, (_, full) in found.items()}


def _draw(rows: list[Row]) -> Drawing:
    import matplotlib.pyplot as plt

    size = 2.5 * len(COLOURED) + 0.3, 2.3 * len(rows) + 0.6
    drawing, panels = plt.subplots(
        len(rows), len(COLOURED), figsize=size, sharex=True, sharey=True, squeeze=False, subplot_kw={"box_aspect": 1}
    )
    for line, (name, explained, points) in zip(panels, rows, strict=True):
        for axes, by in zip(line, COLOURED, strict=True):
            _scatter(axes, points, by)
        line[0].set_ylabel(f"{name}\n{100 * explained:.0f}%")
    for axes, by in zip(panels[0], COLOURED, strict=True):
        axes.set_title(by)
    for axes, by in zip(panels[-1], COLOURED, strict=True):
        values = _values(rows[-1][2], by)
        if len(values) <= NAMED:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.04), ncols=2, handletextpad=0.1, columnspacing=0.8)
        else:
            axes.set_xlabel(f"{len(values)} speakers")
    return drawing


def _values(points: list[Point], by: str) -> list[str]:
    return sorted({getattr(point, by) for point in points})


def _scatter(axes: Axes, points: list[Point], by: str) -> None:
    for place, value in enumerate(_values(points, by)):
        own = [point for point in points if getattr(point, by) == value]
        style = {"color": CYCLE[place % len(CYCLE)], "marker": MARKERS[place // len(CYCLE) % len(MARKERS)]}
        if by != "speaker":
            style["marker"] = MARKERS[place % len(MARKERS)]
        x, y = ([getattr(point, axis) for point in own] for axis in "xy")
        axes.plot(x, y, ls="", ms=3, mew=0, alpha=0.7, label=value, **style)
    axes.set_xticks([])
    axes.set_yticks([])
