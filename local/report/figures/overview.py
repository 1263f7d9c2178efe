"""Figures of headlines: encoders side by side, and source x target matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from local.report.conditions import GROUPS, Result
from local.report.figures.drawing import CYCLE, MARKERS, Figure, axes_of, maps, panel_title, short, training_label
from local.report.material import Inputs
from local.report.tables.cells import MARKS, interval_note, joint_marks, marks, notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.image import AxesImage


def encoders(inputs: Inputs) -> Figure:
    """Give the figure of all encoders side by side."""
    caption = (
        "UA with its interval, mean over conditions (grey dots: single conditions); dashed: chance."
        f"{interval_note(inputs, (inputs.means[key]['dev'] for key in inputs.means))}"
        f"{_key(joint_marks(inputs.results))}{notes(inputs)}"
    )
    return Figure("encoders", "Encoders side by side", caption, lambda: _draw_encoders(inputs))


def matrices(inputs: Inputs) -> Iterator[Figure]:
    """Give a source x target matrix an encoder, where there is more than one condition."""
    for encoder in inputs.encoders if inputs.conditions > 1 else []:
        own = [result for result in inputs.results if result.system.encoder == encoder]
        caption = (
            f"`{encoder}`: headline UA in percent, training corpus down, test corpus across; framed: trained on the "
            f"test corpus.{_key(joint_marks(own))}{notes(inputs, own)}"
        )
        title = f"Source × target: {encoder}"
        yield Figure(f"matrix_{encoder}", title, caption, lambda e=encoder: _draw_matrix(inputs, e))


def _key(used: str) -> str:
    return "".join(f" {mark} {MARKS[mark]}." for mark in used)


def _draw_encoders(inputs: Inputs) -> Drawing:
    """Points with intervals: a row a system, encoders apart, a panel a group."""
    import matplotlib.pyplot as plt

    groups = [group for group in GROUPS if inputs.headlines(group)]
    gap = 0.7 if len(inputs.methods) > 1 else 0.0
    place = {}
    for number, encoder in enumerate(inputs.encoders):
        for system in inputs.systems:
            if system.encoder == encoder:
                place[system] = len(place) + number * gap
    last = max(place.values())
    drawing, panels = plt.subplots(
        1, len(groups), figsize=(2.6 + 3.3 * len(groups), 1.1 + 0.26 * last), sharex=True, sharey=True, squeeze=False
    )
    for axes, group in zip(panels[0], groups, strict=True):
        for system, score in inputs.headlines(group).items():
            m, y = inputs.methods.index(system.method), place[system]
            results = inputs.of(system, group)
            if len(results) > 1:
                values = [100 * result.headline.ua for result in results]
                axes.plot(values, np.full(len(values), y + 0.3), ".", color="#8c8c8c", alpha=0.7, ms=4, mew=0)
            colour = CYCLE[m % 8]
            axes.plot([100 * score.lo, 100 * score.hi], [y, y], color=colour, lw=1.8, solid_capstyle="round")
            axes.plot(100 * score.ua, y, MARKERS[m % 8], color=colour, ms=5.5, mec="white", mew=0.8)
            end = (100 * np.nanmax([score.ua, score.hi]), y)
            axes.annotate(joint_marks(results), end, (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.axvline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set_title({"within": "within corpus", "across": "across corpora", "joint": "joint training"}[group])
        axes.set_xlabel("UA (%)")
        axes.grid(axis="x", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
    panels[0][0].set_yticks(list(place.values()), [inputs.name(system) for system in place], fontsize=8)
    panels[0][0].set_ylim(last + 0.7, -0.7)
    return drawing


def _draw_matrix(inputs: Inputs, encoder: str) -> Drawing:
    """Heat maps of headline UA, training sets down, test corpora across, a method a map."""
    systems = [system for system in inputs.systems if system.encoder == encoder]
    trains, tests = axes_of(inputs, [result for system in systems for result in inputs.of(system)])
    wide = max(len(line) for name in tests for line in short(inputs, name).split("\n"))
    cell = max(0.72, 0.075 * wide)
    labels = [training_label(inputs, train) for train in trains]
    line = max(0.5, 0.15 * (1 + max(label.count("\n") + 1 for label in labels)))
    drawing, panels = maps(len(systems), cell * len(tests) + 0.2, line * len(trains))
    # One scale for all encoders, so that maps can be compared by eye.
    low = min(100 * inputs.chance, 10 * np.floor(min(10 * result.headline.ua for result in inputs.results)))
    top = max(100 * inputs.chance + 10, 10 * np.ceil(max(10 * result.headline.ua for result in inputs.results)))
    for axes, system in zip(panels.flat, systems, strict=False):
        image = _heat(axes, inputs.of(system), trains, tests, (low, top))
        axes.set_xticks(range(len(tests)), [short(inputs, name) for name in tests], fontsize=8)
        axes.set(xlabel="test", title=panel_title(inputs, system))
    panels[0][0].set_yticks(range(len(trains)), labels, fontsize=8)
    drawing.colorbar(image, ax=panels, label="UA (%)", shrink=0.9, aspect=18).outline.set_visible(False)
    return drawing


def _heat(
    axes: Axes, results: Sequence[Result], trains: Sequence[tuple[str, ...]], tests: Sequence[str],
    limits: tuple[float, float],
) -> AxesImage:  # fmt: skip
    from matplotlib.patches import Rectangle

    values = np.full((len(trains), len(tests)), np.nan)
    for result in results:
        values[trains.index(result.train), tests.index(result.test)] = 100 * result.headline.ua
    image = axes.imshow(values, cmap="YlGnBu", vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="none")
    for result in results:
        row, column = trains.index(result.train), tests.index(result.test)
        colour = "white" if image.norm(values[row, column]) > 0.6 else "#111111"
        text = f"{values[row, column]:.1f}{marks(result)}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
        if result.group != "across":
            axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, fill=False, ec="#111111", lw=1.4))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image
