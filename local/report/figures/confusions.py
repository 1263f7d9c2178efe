"""Figures of confusions: which emotion is taken for which, within and across corpora."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from local.report.figures.drawing import Figure, axes_of, panel_title, short, training_label
from local.report.material import GROUPS, Inputs, Result, System, in_words

COLUMNS = 6  # panels beside each other

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.gridspec import GridSpecBase


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
        "mean over conditions within, and across, corpora."
    )
    return Figure("confusion", "Confusions", caption, lambda: _draw_pooled(inputs))


def by_condition(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure of every condition's confusions an encoder, where there is more than one condition."""
    for encoder in inputs.encoders if inputs.conditions > 1 else []:
        caption = (
            f"`{encoder}`: one block a condition, training corpus down, test corpus across; in a block the "
            f"reference ({', '.join(inputs.emotions)}) goes down and the hypothesis across, as share of the row."
        )
        title = f"Confusions in every condition: {encoder}"
        yield Figure(f"confusion_{encoder}", title, caption, lambda e=encoder: _draw_blocks(inputs, e), detail=True)


def _draw_pooled(inputs: Inputs) -> Drawing:
    """Small multiples: encoders across, groups and methods down, or the other way round, in blocks of few columns."""
    import matplotlib.pyplot as plt

    groups = [group for group in GROUPS if inputs.headlines(group)]
    used = {(result.system.method, result.group) for result in inputs.results}
    lines = [(method, group) for method in inputs.methods for group in groups if (method, group) in used]
    across = inputs.encoders
    if len(lines) > len(across):
        lines, across = across, lines
    blocks = []
    for start in range(0, len(across), COLUMNS):
        rows = [[_Panel.of(inputs, line, beside) for beside in across[start : start + COLUMNS]] for line in lines]
        blocks.append([row for row in rows if any(row)])
    number, columns = sum(map(len, blocks)), min(len(across), COLUMNS)
    size = 0.36 * len(inputs.emotions) + 0.25
    drawing = plt.figure(figsize=(1.2 + size * columns, 0.8 + size * number))
    places, first = drawing.add_gridspec(number, columns), 0
    for block in blocks:
        _draw_block(drawing, places[first : first + len(block), :].subgridspec(len(block), columns), block, inputs)
        first += len(block)
    return drawing


@dataclass(frozen=True)
class _Panel:
    """Mean confusions of a system in a group, with what stands above and beside them."""

    values: np.ndarray
    above: str
    beside: str

    @classmethod
    def of(cls, inputs: Inputs, down: str | tuple[str, str], across: str | tuple[str, str]) -> _Panel | None:
        """Make the panel of an encoder and a (method, group), whichever is down; None where nothing was run."""
        encoder, (method, group) = (across, down) if isinstance(across, str) else (down, across)
        results = inputs.of(System(encoder, method), group)
        if not results:
            return None
        name = f"{in_words(method)}, {group}" if len(inputs.methods) > 1 else group
        if inputs.strategies:
            name = name.replace(", ", "\n").replace(" after ", "\nafter ")
        return cls(100 * shares(results), *((encoder, name) if across == encoder else (name, encoder)))


def _draw_block(drawing: Drawing, places: GridSpecBase, rows: list[list[_Panel | None]], inputs: Inputs) -> None:
    """Draw rows of panels, named at their outer ends; nothing is shared, which costs more than it saves."""
    columns = list(zip(*rows, strict=True))
    for (y, row), x in itertools.product(enumerate(rows), range(len(columns))):
        panel = row[x]
        if panel is None:
            continue
        axes = drawing.add_subplot(places[y, x])
        _annotated(axes, panel.values)
        ticks = range(len(inputs.emotions))
        axes.set_xticks(ticks, [])
        axes.set_yticks(ticks, [])
        if not any(columns[x][:y]):
            axes.set_title(panel.above, fontsize=9)
        if not any(columns[x][y + 1 :]):
            axes.set_xticks(ticks, inputs.emotions, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        if not any(row[:x]):
            axes.set_ylabel(panel.beside, fontsize=9)
            axes.set_yticks(ticks, inputs.emotions, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)


def _annotated(axes: Axes, values: np.ndarray) -> None:
    axes.imshow(values, cmap="Purples", vmin=0, vmax=100)
    for row, column in np.ndindex(values.shape):
        if np.isfinite(values[row, column]):
            colour = "white" if values[row, column] > 55 else "#222222"
            axes.text(column, row, f"{values[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)


def _draw_blocks(inputs: Inputs, encoder: str) -> Drawing:
    """One picture a method of all conditions' row-normalised confusions, as a matrix of blocks."""
    import matplotlib.pyplot as plt

    systems = [system for system in inputs.systems if system.encoder == encoder]
    trains, tests = axes_of(inputs, [result for system in systems for result in inputs.of(system)])
    classes = len(inputs.emotions)
    pitch, middle = classes + 1, (classes - 1) / 2
    widest = max(len(line) for name in tests for line in short(inputs, name).split("\n"))
    size = max(0.17 * classes + 0.15, 0.07 * widest)
    drawing, panels = plt.subplots(
        1, len(systems), figsize=(1.9 + (size * len(tests) + 0.2) * len(systems), 1.1 + size * len(trains)),
        sharey=True, squeeze=False,
    )  # fmt: skip
    for axes, system in zip(panels[0], systems, strict=True):
        canvas = np.full((len(trains) * pitch - 1, len(tests) * pitch - 1), np.nan)
        for result in inputs.of(system):
            top, left = trains.index(result.train) * pitch, tests.index(result.test) * pitch
            canvas[top : top + classes, left : left + classes] = 100 * shares([result])
        image = axes.imshow(canvas, cmap="Purples", vmin=0, vmax=100)
        labels = [short(inputs, name) for name in tests]
        axes.set_xticks([i * pitch + middle for i in range(len(tests))], labels, fontsize=8)
        axes.set(xlabel="test", title=panel_title(inputs, system))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    labels = [training_label(inputs, train) for train in trains]
    panels[0][0].set_yticks([i * pitch + middle for i in range(len(trains))], labels, fontsize=8)
    panels[0][0].set_ylabel("train")
    drawing.colorbar(image, ax=panels, label="% of the row", shrink=0.9, aspect=18).outline.set_visible(False)
    return drawing
