"""The report's figures: accuracy by layer, source x target matrices, confusions, encoders side by side.

Each is a matplotlib figure with a file name and a caption. Colours are Okabe and Ito's, which people with
colour-vision deficiencies can tell apart; groups differ in line style and marker as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from local.report.inputs import GROUPS, SETTINGS, Inputs, Result, Score, System
from local.report.tables import MARKS, joint_marks, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.image import AxesImage

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A800", "#222222",
)  # fmt: skip
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK)
MARKERS = "osD^vPX*"
STYLES = {
    "mono": (BLUE, "-", "o"), "trans": (GREEN, (0, (5, 1.5)), "s"),
    "cross": (VERMILLION, (0, (3, 1, 1, 1)), "D"), "cross-trans": (PURPLE, (0, (1, 1)), "^"),
}  # fmt: skip
RC = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#666666", "axes.linewidth": 0.8,
    "xtick.color": "#444444", "ytick.color": "#444444", "legend.frameon": False,
    "figure.facecolor": "white", "savefig.facecolor": "white", "savefig.dpi": 150,
    "figure.constrained_layout.use": True, "pdf.fonttype": 42,
}  # fmt: skip
COLUMNS = 4  # panels beside each other


@dataclass(frozen=True)
class Figure:
    """A figure to be drawn.

    Attributes
    ----------
    name : str
        File name without suffix.
    title, caption : str
        Caption in Markdown.
    draw : callable
        Makes the matplotlib figure.
    detail : bool
        One of many of its kind; the page folds it away.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Drawing]
    detail: bool = False


def save(figure: Figure, folder: Path) -> None:
    """Draw a figure and write it as PNG and PDF, the same bytes for the same numbers.

    Parameters
    ----------
    figure : Figure
        What to draw.
    folder : Path
        Where to write ``<name>.png`` and ``<name>.pdf``.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(RC):
        drawing = figure.draw()
        drawing.savefig(folder / f"{figure.name}.png", metadata={"Software": None})
        drawing.set_layout_engine("none")  # the places of things are known by now
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        drawing.savefig(folder / f"{figure.name}.pdf", metadata=nothing)
        plt.close(drawing)


def for_report(inputs: Inputs) -> Iterator[Figure]:
    """List the figures that the results have material for, in the order in which they are looked at.

    Parameters
    ----------
    inputs : Inputs
        All results.

    Yields
    ------
    Figure
    """
    from local.report import confusions, curves

    yield Figure(
        "encoders",
        "Encoders side by side",
        f"UA with its interval, mean over conditions (grey dots: single conditions); dashed: chance."
        f"{_key(joint_marks(inputs.results))}",
        lambda: encoders(inputs),
    )
    deep = {result.system.encoder for result in inputs.results if len(result.layers) > 1}
    layered = [name for name in inputs.encoders if name in deep]
    flat = [f"`{name}`" for name in inputs.encoders if name not in layered]
    note = f" {', '.join(flat)}: one layer, see the figure before." if flat else ""
    if layered:
        caption = (
            "UA at each layer, mean over conditions, by setting; bands are intervals, the points at *dev* are what the "
            f"layers chosen on dev reach; dashed: chance.{note}"
        )
        yield Figure("layers", "Accuracy by layer", caption, lambda: layers(inputs, layered))
    several = len({(result.train, result.test) for result in inputs.results}) > 1
    for encoder in inputs.encoders if several else []:
        caption = (
            f"`{encoder}`: headline UA in percent, training corpus down, test corpus across; framed: trained on the "
            f"test corpus.{_key(joint_marks(r for r in inputs.results if r.system.encoder == encoder))}"
        )
        yield Figure(f"matrix_{encoder}", f"Source × target: {encoder}", caption, lambda e=encoder: matrix(inputs, e))
    yield from curves.for_report(inputs)
    yield from confusions.for_report(inputs)
    for encoder in layered if several else []:
        caption = f"`{encoder}`: UA at each layer in every condition; bands are intervals; bold: within the corpus."
        title = f"Accuracy by layer in every condition: {encoder}"
        yield Figure(f"layers_{encoder}", title, caption, lambda e=encoder: layer_details(inputs, e), detail=True)


def encoders(inputs: Inputs) -> Drawing:
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
            end = (100 * score.hi, y)
            axes.annotate(joint_marks(results), end, (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.axvline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set_title({"within": "within corpus", "across": "across corpora", "joint": "joint training"}[group])
        axes.set_xlabel("UA (%)")
        axes.grid(axis="x", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
    panels[0][0].set_yticks(list(place.values()), [inputs.name(system) for system in place], fontsize=8)
    panels[0][0].set_ylim(last + 0.7, -0.7)
    return drawing


def layers(inputs: Inputs, names: Sequence[str]) -> Drawing:
    """Small multiples, encoders across and heads down or the other way round: UA of each setting at each layer."""
    systems = [System(name, method) for method in inputs.heads for name in names]
    systems = [system for system in systems if system in inputs.systems]
    columns = [len(names), len(inputs.heads)]
    if columns[1] > columns[0]:
        systems.sort(key=lambda system: names.index(system.encoder))
    fitting = [number for number in columns if 1 < number <= COLUMNS]
    wide = max(fitting) if min(columns) > 1 and fitting else min(len(systems), COLUMNS)
    drawing, panels = _grid(len(systems), wide)
    used = [setting for setting in SETTINGS if any((system, setting) in inputs.means for system in systems)]
    for axes, system in zip(panels, systems, strict=False):
        for index, setting in enumerate(used):
            if (system, setting) in inputs.means:
                _curve(axes, inputs.means[system, setting], STYLES[setting], (index, len(used)))
        _finish(axes, inputs, max(inputs.of(system)[0].layers), inputs.name(system), len(used))
    _legend(drawing, {setting: STYLES[setting] for setting in used})
    return drawing


def layer_details(inputs: Inputs, encoder: str) -> Drawing:
    """Small multiples, a test corpus across, a head down: UA of each training set at each layer."""
    results = [result for result in inputs.results if result.system.encoder == encoder and not result.tuned]
    tests = [name for name in inputs.corpora if any(result.test == name for result in results)]
    trains = list(dict.fromkeys(result.train for result in results))
    lines = ("-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)))
    styles = {train: (CYCLE[i % 8], lines[i // 8 % 4], MARKERS[i % 8]) for i, train in enumerate(trains)}
    systems = [system for system in inputs.systems if system.encoder == encoder and system.method in inputs.heads]
    cells = [(system, test) for system in systems for test in tests]
    drawing, panels = _grid(len(cells), min(len(tests), COLUMNS + 1))
    for axes, (system, test) in zip(panels, cells, strict=True):
        for result in inputs.of(system):
            if result.test == test:
                scores = {**result.layers, "dev": result.headline}
                place = trains.index(result.train), len(trains)
                _curve(axes, scores, styles[result.train], place, bold=result.group == "within")
        title = f"{inputs.corpora[test].label}" + (f", {system.method}" if len(inputs.heads) > 1 else "")
        _finish(axes, inputs, max(results[0].layers), title, len(trains))
    _legend(drawing, {f"train: {inputs.label(train)}": style for train, style in styles.items()})
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


def _grid(number: int, columns: int) -> tuple[Drawing, list[Axes]]:
    import matplotlib.pyplot as plt

    rows = -(-number // columns)
    size = (0.7 + 2.7 * columns, 0.5 + 2.3 * rows)
    drawing, panels = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    for axes in panels.flat[number:]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("UA (%)")
    for axes in panels.flat[max(0, number - columns) : number]:
        axes.set_xlabel("layer")
    return drawing, list(panels.flat[:number])


def _legend(drawing: Drawing, styles: Mapping[str, tuple]) -> None:
    import matplotlib.pyplot as plt

    handles = [
        plt.Line2D([], [], color=colour, ls=line, marker=marker, ms=5, lw=1.8, label=label)
        for label, (colour, line, marker) in styles.items()
    ]
    widest = 0.075 * max(len(label) for label in styles) + 0.65  # inches
    columns = max(1, min(len(handles), int(drawing.get_figwidth() / widest)))
    drawing.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.8)


def matrix(inputs: Inputs, encoder: str) -> Drawing:
    """Heat maps of headline UA, training sets down, test corpora across, a method a map."""
    import matplotlib.pyplot as plt

    systems = [system for system in inputs.systems if system.encoder == encoder]
    trains, tests = axes_of(inputs, [result for system in systems for result in inputs.of(system)])
    wide = max(len(line) for name in tests for line in short(inputs, name).split("\n"))
    cell = max(0.72, 0.075 * wide)
    labels = [training_label(inputs, train) for train in trains]
    line = max(0.5, 0.15 * (1 + max(label.count("\n") + 1 for label in labels)))
    drawing, panels = plt.subplots(
        1, len(systems), figsize=(1.9 + (cell * len(tests) + 0.2) * len(systems), 1.1 + line * len(trains)),
        sharey=True, squeeze=False,
    )  # fmt: skip
    # One scale for all encoders, so that maps can be compared by eye.
    low = 100 * inputs.chance
    top = max(low + 10, 10 * np.ceil(max(10 * result.headline.ua for result in inputs.results)))
    for axes, system in zip(panels[0], systems, strict=True):
        image = _heat(axes, inputs.of(system), trains, tests, (low, top))
        axes.set_xticks(range(len(tests)), [short(inputs, name) for name in tests], fontsize=8)
        axes.set(xlabel="test", title=panel_title(inputs, system))
    panels[0][0].set_yticks(range(len(trains)), labels, fontsize=8)
    panels[0][0].set_ylabel("train")
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
    image = axes.imshow(values, cmap="YlGnBu", vmin=limits[0], vmax=limits[1], aspect="auto")
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


def axes_of(inputs: Inputs, results: Sequence[Result]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Order what stands along a source x target figure: training sets, single ones first, and test corpora."""
    order = {name: index for index, name in enumerate(inputs.corpora)}
    trains = sorted({r.train for r in results}, key=lambda train: (len(train), [order[name] for name in train]))
    return trains, [name for name in order if any(result.test == name for result in results)]


def panel_title(inputs: Inputs, system: System) -> str:
    """Name a system above a small panel; strategies have long names."""
    name = inputs.name(system)
    return name.replace(", ", "\n").replace(" after ", "\nafter ") if inputs.strategies else name


def short(inputs: Inputs, name: str) -> str:
    """Label a corpus in several short lines."""
    return inputs.corpora[name].label.replace(" (", "\n(").replace(", ", ",\n")


def training_label(inputs: Inputs, train: Sequence[str]) -> str:
    """Label training corpora in several short lines."""
    return short(inputs, train[0]) if len(train) == 1 else "\n+ ".join(inputs.corpora[name].label for name in train)


def _key(used: str) -> str:
    return "".join(f" {mark} {MARKS[mark]}." for mark in used)
