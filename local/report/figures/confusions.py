"""Figures of confusions: which emotion is taken for which, within and across corpora."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.figures.drawing import Figure, axes_of, panel_title, short, training_label
from local.report.material import GROUPS, Inputs, Result, System

COLUMNS = 6  # panels beside each other

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
    """Small multiples: encoders across, groups and methods down, or the other way round."""
    import matplotlib.pyplot as plt

    groups = [group for group in GROUPS if inputs.headlines(group)]
    used = {(result.system.method, result.group) for result in inputs.results}
    lines = [(method, group) for method in inputs.methods for group in groups if (method, group) in used]
    across = inputs.encoders
    if len(lines) > len(across):
        lines, across = across, lines
    classes = len(inputs.emotions)
    size = 0.36 * classes + 0.25
    columns = min(len(across), COLUMNS)
    rows = -(-len(across) // columns) * len(lines)
    drawing, panels = plt.subplots(
        rows, columns, figsize=(1.2 + size * columns, 0.8 + size * rows), squeeze=False, sharex=True, sharey=True
    )
    for axes in panels.flat:
        axes.set_visible(False)
    titled = set()
    for (row, down), (column, beside) in itertools.product(enumerate(lines), enumerate(across)):
        encoder, (method, group) = (beside, down) if isinstance(beside, str) else (down, beside)
        results = inputs.of(System(encoder, method), group)
        if not results:
            continue
        axes = panels[column // columns * len(lines) + row, column % columns]
        axes.set_visible(True)
        _annotated(axes, 100 * shares(results))
        name = f"{method}, {group}" if len(inputs.methods) > 1 else group
        if inputs.strategies:
            name = name.replace(", ", "\n").replace(" after ", "\nafter ")
        if column not in titled:
            titled.add(column)
            axes.set_title(encoder if beside == encoder else name, fontsize=9)
        if column % columns == 0:
            axes.set_ylabel(name if beside == encoder else encoder, fontsize=9)
        axes.set_xticks(range(classes), inputs.emotions, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(classes), inputs.emotions, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return drawing


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
