"""Test utterances on two principal components, before the head and after: by emotion, by language, by speaker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from local.losses import parse
from local.report.aligned import HIDDEN, INPUT, Point
from local.report.figures.drawing import CYCLE, MARKERS, Figure
from local.report.material import Inputs, System
from local.report.tables.ablation import PLAIN, called, what
from local.report.tables.representation import BEFORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLOURED = ("emotion", "language", "speaker")
NAMED = 8  # values that a legend names
Row = tuple[str, float, list[Point]]


def planes(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure an encoder and tested corpus, frozen ones first; the first of either is shown, others folded."""
    for tuned in (False, True):
        found = [
            (pair, test) for pair in _pairs(inputs, tuned).items()
            for system, test, side in inputs.aligned.points if (system, side) == (pair[0], INPUT)
        ]  # fmt: skip
        for number, (pair, test) in enumerate(found):
            name = "_".join(["representation", *["tuned"] * tuned, *[str(number)] * bool(number)])
            yield _plane(inputs, pair, test, name, tuned, number > 0)


def _plane(inputs: Inputs, pair: tuple[System, System], test: str, name: str, tuned: bool, detail: bool) -> Figure:
    base, full = pair
    before, after = (BEFORE, "what the tuned encoder gives its head") if tuned else ("input", "its hidden values")
    rows = [
        (name, inputs.aligned.explained[key], inputs.aligned.points[key])
        for name, key in (
            (before, (full, test, INPUT)), (PLAIN, (base, test, HIDDEN)), (called(inputs, full), (full, test, HIDDEN)),
        ) if key in inputs.aligned.points
    ]  # fmt: skip
    first = "what the encoder gives as it came" if tuned else "the head's input"
    caption = (
        f"`{base.encoder}`, tested on {inputs.label(test)}, of which nothing was labelled: utterances of the test "
        "lists of the first fold, first seed, on the first two principal components of the sources' train lists; the "
        f"same utterances in every panel. Rows: {first}, and {after}, trained by cross entropy and with all losses. "
        "Each plane is scaled to the same mean square distance, turned or mirrored to lie as near to the first's as "
        "can be, and drawn within the same limits; percent: variance that the two components have. For looking: "
        "distances across many dimensions are in the tables."
    )
    how = f" tuning: {base.encoder}, {inputs.of(base)[0].factors['method']}" if tuned else f": {base.encoder}"
    return Figure(name, f"Before and after{how}, tested on {test}", caption, lambda: _draw(rows), detail=detail)


def _pairs(inputs: Inputs, tuned: bool) -> dict[System, System]:
    """Find for each cross entropy alone, of tuned encoders or of frozen ones, the system with the most losses."""
    found: dict[System, tuple[int, System]] = {}
    for test in inputs.aligned.tests:
        if test.factor == "loss" and what(test) and (test.stage == "finetune") == tuned:
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
