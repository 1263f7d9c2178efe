"""Figures of confusions: which emotion is taken for which, within and across corpora."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.conditions import GROUPS, Result
from local.report.figures.drawing import Figure, axes_of, folded, maps, panel_title, short, training_label
from local.report.material import Inputs, System
from local.report.tables.cells import notes, with_method

COLUMNS = 6  # panels beside each other
_Side = str | tuple[str, str]  # an encoder, or a method and a group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


def shares(results: Sequence[Result]) -> np.ndarray:
    """Row-normalised confusions, mean over conditions, so that each condition counts the same.

    Parameters
    ----------
    results : sequence of Result
        Conditions.

    Returns
    -------
    ndarray, shape (classes, classes)
        Reference down; NaN where no condition has the class.
    """
    counts = np.array([result.counts for result in results], dtype=float)
    totals = counts.sum(axis=-1, keepdims=True)
    rows = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    number = np.isfinite(rows).sum(axis=0)
    return np.divide(np.nansum(rows, axis=0), number, out=np.full(number.shape, np.nan), where=number > 0)


def pooled(inputs: Inputs) -> Figure:
    """Give the figure of mean confusions, within and across corpora."""
    caption = (
        "Share of each emotion's utterances (rows, percent) that were taken for each emotion; layers chosen on dev; "
        f"mean over conditions within, and across, corpora{_alone(inputs)}.{notes(inputs)}"
    )
    return Figure("confusion", "Confusions", caption, lambda: _draw_pooled(inputs))


def by_condition(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure of every condition's confusions an encoder, where there is more than one condition."""
    for encoder in inputs.encoders if inputs.conditions > 1 else []:
        caption = (
            f"`{encoder}`: one block a condition, training corpus down, test corpus across; in a block the "
            f"reference ({', '.join(inputs.emotions)}) goes down and the hypothesis across, as share of the row"
            f"{_alone(inputs)}."
            f"{notes(inputs, (result for result in inputs.results if result.system.encoder == encoder))}"
        )
        title = f"Confusions in every condition: {encoder}"
        yield Figure(f"confusion_{encoder}", title, caption, lambda e=encoder: _draw_blocks(inputs, e), detail=True)


def _alone(inputs: Inputs) -> str:
    """Name the one method that there is; of several, panels do."""
    return f", {with_method(inputs, inputs.methods[0])}" if len(inputs.methods) == 1 else ""


def _draw_pooled(inputs: Inputs) -> Drawing:
    """Small multiples: encoders across, groups and methods down, or the other way round, in blocks of few columns."""
    import matplotlib.pyplot as plt

    groups = [group for group in GROUPS if inputs.headlines(group)]
    used = {(result.system.method, result.group) for result in inputs.results}
    lines = [(method, group) for method in inputs.methods for group in groups if (method, group) in used]
    across: Sequence[_Side] = inputs.encoders
    down: Sequence[_Side] = lines
    if len(lines) > len(across):
        down, across = across, down
    blocks = []
    for start in range(0, len(across), COLUMNS):
        columns = across[start : start + COLUMNS]
        blocks.append((columns, [row for row in down if any(_members(inputs, row, column) for column in columns)]))
    wide, heights = min(len(across), COLUMNS), [len(rows) for _, rows in blocks]
    size = 0.36 * len(inputs.emotions) + 0.25
    drawing, panels = plt.subplots(
        len(blocks), 1, figsize=(1.2 + size * wide, 0.8 * len(blocks) + size * sum(heights)), height_ratios=heights,
        squeeze=False,
    )  # fmt: skip
    for axes, (columns, rows) in zip(panels.flat, blocks, strict=True):
        _draw_block(axes, inputs, columns, rows, wide)
    return drawing


def _members(inputs: Inputs, down: _Side, across: _Side) -> list[Result]:
    encoder, (method, group) = (across, down) if isinstance(across, str) else (down, across)
    return inputs.of(System(encoder, method), group)


def _side_name(inputs: Inputs, side: _Side) -> str:
    if isinstance(side, str):
        return side
    return folded(f"{side[0]}, {side[1]}" if len(inputs.methods) > 1 else side[1])


def _draw_block(axes: Axes, inputs: Inputs, columns: Sequence[_Side], rows: Sequence[_Side], wide: int) -> None:
    """Draw panels as one picture with gaps: many axes take many times as long as what is in them."""
    classes = len(inputs.emotions)
    pitch, middle = classes + 1, (classes - 1) / 2
    canvas = np.full((len(rows) * pitch - 1, wide * pitch - 1), np.nan)
    for (y, down), (x, across) in itertools.product(enumerate(rows), enumerate(columns)):
        results = _members(inputs, down, across)
        if results:
            canvas[y * pitch : y * pitch + classes, x * pitch : x * pitch + classes] = 100 * shares(results)
    axes.imshow(canvas, cmap="Purples", vmin=0, vmax=100, interpolation="none")
    for row, column in np.argwhere(np.isfinite(canvas)):
        colour = "white" if canvas[row, column] > 55 else "#222222"
        text = f"{canvas[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8, in_layout=False)
    across_ticks, down_ticks = (
        [number * pitch + i for number in range(len(names)) for i in range(classes)] for names in (columns, rows)
    )
    axes.set_xticks(
        across_ticks, inputs.emotions * len(columns), rotation=45, ha="right", rotation_mode="anchor", fontsize=8
    )
    axes.set_yticks(down_ticks, inputs.emotions * len(rows), fontsize=8)
    for x, column in enumerate(columns):
        axes.text(x * pitch + middle, -0.9, _side_name(inputs, column), ha="center", va="bottom", fontsize=9)
    beside = (-5 * max(map(len, inputs.emotions)) - 12, 0)  # points, left of the emotions
    for y, row in enumerate(rows):
        axes.annotate(
            _side_name(inputs, row), (0, y * pitch + middle), beside, xycoords=("axes fraction", "data"),
            textcoords="offset points", rotation=90, ha="right", va="center", ma="center", fontsize=9,
        )  # fmt: skip
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_blocks(inputs: Inputs, encoder: str) -> Drawing:
    """One picture a method of all conditions' row-normalised confusions, as a matrix of blocks."""
    systems = [system for system in inputs.systems if system.encoder == encoder]
    trains, tests = axes_of(inputs, [result for system in systems for result in inputs.of(system)])
    classes = len(inputs.emotions)
    pitch, middle = classes + 1, (classes - 1) / 2
    widest = max(len(line) for name in tests for line in short(inputs, name).split("\n"))
    size = max(0.17 * classes + 0.15, 0.07 * widest)
    drawing, panels = maps(len(systems), size * len(tests) + 0.2, size * len(trains))
    for axes, system in zip(panels.flat, systems, strict=False):
        canvas = np.full((len(trains) * pitch - 1, len(tests) * pitch - 1), np.nan)
        for result in inputs.of(system):
            top, left = trains.index(result.train) * pitch, tests.index(result.test) * pitch
            canvas[top : top + classes, left : left + classes] = 100 * shares([result])
        image = axes.imshow(canvas, cmap="Purples", vmin=0, vmax=100, interpolation="none")
        labels = [short(inputs, name) for name in tests]
        axes.set_xticks([i * pitch + middle for i in range(len(tests))], labels, fontsize=8)
        axes.set(xlabel="test", title=panel_title(inputs, system))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    labels = [training_label(inputs, train) for train in trains]
    panels[0][0].set_yticks([i * pitch + middle for i in range(len(trains))], labels, fontsize=8)
    drawing.colorbar(image, ax=panels, label="% of the row", shrink=0.9, aspect=18).outline.set_visible(False)
    return drawing
