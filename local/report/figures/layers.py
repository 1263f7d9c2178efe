"""Figures of accuracy by layer: means over conditions, and every condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.conditions import GROUPS
from local.report.figures.drawing import (
    BLUE,
    CYCLE,
    GREEN,
    MARKERS,
    VERMILLION,
    Figure,
    folded,
    grid,
    legend,
)
from local.report.material import Inputs, System
from local.report.scores import Score
from local.report.tables.cells import code, notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

STYLES = {
    "within": (BLUE, "-", "o"), "across": (VERMILLION, (0, (3, 1, 1, 1)), "D"), "joint": (GREEN, (0, (5, 1.5)), "s"),
}  # fmt: skip
COLUMNS = 4  # panels beside each other
LETTERS = 28  # of a line above one


def means(inputs: Inputs) -> Iterator[Figure]:
    """Give the figure of means, where there are encoders of several layers."""
    names = _layered(inputs)
    if names:
        flat = [name for name in inputs.encoders if name not in _deep(inputs)]
        note = f" {code(flat)}: one layer, see the figure before." if flat else ""
        caption = (
            "UA at each layer, mean over conditions within and across corpora; bands are intervals, points at *dev* "
            f"are what the layers chosen on dev reach; dashed: chance.{note}{_notes(inputs)}"
        )
        yield Figure("layers", "Accuracy by layer", caption, lambda: _draw_means(inputs, names))


def details(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure of every condition an encoder of several layers, where there is more than one condition."""
    for encoder in _layered(inputs) if inputs.conditions > 1 else []:
        caption = f"`{encoder}`: UA at each layer in every condition; bands are intervals; bold: within the corpus."
        caption += _notes(inputs)
        title = f"Accuracy by layer in every condition: {encoder}"
        yield Figure(f"layers_{encoder}", title, caption, lambda e=encoder: _draw_details(inputs, e), detail=True)


def _notes(inputs: Inputs) -> str:
    return notes(inputs, (result for result in inputs.results if not result.tuned))


def _layered(inputs: Inputs) -> list[str]:
    """Encoders whose layers have an order: of several side by side, not those of which two have more than one."""
    ordered = {name for name in inputs.encoders if sum(part.layers > 1 for part in inputs.specs[name].parts) < 2}
    return [name for name in inputs.encoders if name in _deep(inputs) & ordered]


def _deep(inputs: Inputs) -> set[str]:
    return {result.system.encoder for result in inputs.results if len(result.layers) > 1}


def _draw_means(inputs: Inputs, names: Sequence[str]) -> Drawing:
    """Small multiples, encoders across and heads down or the other way round: UA of each group at each layer."""
    systems = [System(name, method) for method in inputs.heads for name in names]
    systems = [system for system in systems if system in inputs.systems]
    columns = [len(names), len(inputs.heads)]
    if columns[1] > columns[0]:
        systems.sort(key=lambda system: names.index(system.encoder))
    fitting = [number for number in columns if 1 < number <= COLUMNS]
    wide = max(fitting) if min(columns) > 1 and fitting else min(len(systems), COLUMNS)
    drawing, panels = grid(len(systems), wide)
    used = [group for group in GROUPS if any((system, group) in inputs.means for system in systems)]
    for axes, system in zip(panels, systems, strict=False):
        for index, group in enumerate(used):
            if (system, group) in inputs.means:
                _curve(axes, inputs.means[system, group], STYLES[group], (index, len(used)))
        _finish(axes, inputs, max(inputs.of(system)[0].layers), inputs.name(system), len(used))
    legend(drawing, {group: STYLES[group] for group in used})
    return drawing


def _draw_details(inputs: Inputs, encoder: str) -> Drawing:
    """Small multiples, a test corpus across, a head down: UA of each training set at each layer."""
    results = [result for result in inputs.results if result.system.encoder == encoder and not result.tuned]
    tests = [name for name in inputs.corpora if any(result.test == name for result in results)]
    trains = list(dict.fromkeys(result.train for result in results))
    lines = ("-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))
    styles = {train: (CYCLE[i % 8], lines[i // 8 % 4], MARKERS[i % 8]) for i, train in enumerate(trains)}
    systems = [system for system in inputs.systems if system.encoder == encoder and system.method in inputs.heads]
    cells = [(system, test) for system in systems for test in tests]
    drawing, panels = grid(len(cells), min(len(tests), COLUMNS + 1))
    for axes, (system, test) in zip(panels, cells, strict=True):
        for result in inputs.of(system):
            if result.test == test:
                scores = {**result.layers, "dev": result.headline}
                place = trains.index(result.train), len(trains)
                _curve(axes, scores, styles[result.train], place, bold=result.group == "within")
        title = folded(inputs.corpora[test].label + (f", {system.method}" if len(inputs.heads) > 1 else ""), LETTERS)
        _finish(axes, inputs, max(results[0].layers), title, len(trains))
    legend(drawing, {f"train: {inputs.label(train)}": style for train, style in styles.items()})
    return drawing


def _curve(
    axes: Axes, scores: Mapping[int | str, Score], style: tuple, place: tuple[int, int], bold: bool = True
) -> None:
    """Draw UA over layers and, beside it, the headline; ``place``: which of how many curves this is."""
    colour, line, marker = style
    numbers = sorted(layer for layer in scores if layer != "dev")
    ua, low, high = (np.array([100 * getattr(scores[n], key) for n in numbers]) for key in ("ua", "lo", "hi"))
    axes.fill_between(numbers, low, high, color=colour, alpha=0.15 if bold else 0.08, lw=0)
    axes.plot(numbers, ua, color=colour, ls=line, lw=1.9 if bold else 1.2, marker=marker, ms=3 if bold else 2, zorder=3)
    dev, x = scores["dev"], _dev_place(numbers[-1], *place)
    axes.plot([x, x], [100 * dev.lo, 100 * dev.hi], color=colour, lw=1.3)
    axes.plot(x, 100 * dev.ua, marker, color=colour, ms=5, mec="white", mew=0.7, zorder=4)


def _dev_place(last: int, index: int, number: int) -> float:
    """Where the headline stands, to the right of the last layer."""
    unit = (last + 1) / 13
    return last + unit * (1.5 + 0.6 * index) if number > 1 else last + 1.5 * unit


def _finish(axes: Axes, inputs: Inputs, last: int, title: str, number: int) -> None:
    axes.axhline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
    axes.axvline(last + 0.7 * (last + 1) / 13, color="#cccccc", lw=0.8, zorder=0)
    axes.set_title(title)
    step = next((step for step in (1, 2, 3, 4, 6, 8, 12) if last / step <= 7), 24)
    middle = (_dev_place(last, 0, number) + _dev_place(last, number - 1, number)) / 2
    ticks = list(range(0, last + 1, step))
    axes.set_xticks([*ticks, middle], [*map(str, ticks), "dev"])
    axes.grid(axis="y", color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
