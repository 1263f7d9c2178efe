"""What figures share: how one is kept and saved, colours and markers, panels, legends and short labels.

Each is a matplotlib figure with a file name and a caption. Colours are Okabe and Ito's, which people with
colour-vision deficiencies can tell apart; groups differ in line style and marker as well.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import multiprocessing
import os
import re
import signal
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.report.conditions import Result
from local.report.material import Inputs, System
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A800", "#222222",
)  # fmt: skip
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK)
MARKERS = "osD^vPX*"
WIDEST = 18  # letters in a line of a small panel's title
BROADEST = 16  # inches of small maps beside each other
RC = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#666666", "axes.linewidth": 0.8,
    "xtick.color": "#444444", "ytick.color": "#444444", "legend.frameon": False,
    "figure.facecolor": "white", "figure.dpi": 150,
    "figure.constrained_layout.use": True, "pdf.fonttype": 42,
    # Text stays text, which is smaller; ids are made of what they name.
    "svg.fonttype": "none", "svg.hashsalt": "xser",
}  # fmt: skip


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


def save_all(figures: Sequence[Figure], folder: Path) -> None:
    """Draw figures and write each as SVG and PDF, the same bytes for the same numbers; on all cores.

    Parameters
    ----------
    figures : sequence of Figure
        What to draw.
    folder : Path
        Where to write ``<name>.svg`` and ``<name>.pdf``.

    Raises
    ------
    UserError
        A process that draws was killed.
    """
    import matplotlib as mpl
    from tqdm import tqdm

    mpl.use("Agg")
    for name in ("matplotlib.pyplot", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_pdf"):
        importlib.import_module(name)  # once, before there are many processes
    bar = {"desc": str(folder), "unit": "figure", "leave": False, "disable": None, "total": len(figures)}
    _waiting[:] = figures
    workers = min(len(figures), os.cpu_count() or 1)
    with _processes(workers) if workers > 1 else contextlib.nullcontext() as pool:
        mapped = pool.map if pool else map
        try:
            for _ in tqdm(mapped(functools.partial(_save, folder), range(len(figures))), **bar):
                pass
        except BrokenProcessPool:
            raise UserError(f"{folder}: a process that draws was killed (is the memory full?); run again") from None
    _waiting.clear()


def _processes(workers: int) -> ProcessPoolExecutor:
    """Start processes: forked, since what draws is a function of the numbers that are in memory."""
    # A handler of the command's own (utils/errors.py) would have them outlive an end that is forced.
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context("fork"), initializer=signal.signal,
        initargs=(signal.SIGTERM, signal.SIG_DFL),
    )  # fmt: skip


_waiting: list[Figure] = []


def _save(folder: Path, number: int) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure = _waiting[number]
    with mpl.rc_context(RC), _without_collection():
        drawing = figure.draw()
        # savefig would draw everything once more before each file.
        FigureCanvasSVG(drawing).print_svg(folder / f"{figure.name}.svg", metadata=dict.fromkeys(("Creator", "Date")))
        drawing.set_layout_engine("none")  # the places of things are known by now
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        FigureCanvasPdf(drawing).print_pdf(folder / f"{figure.name}.pdf", metadata=nothing)
        plt.close(drawing)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Let garbage be until a figure is done: looking for it among a figure's many objects takes a sixth of its time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def grid(
    number: int, columns: int, x: str = "layer", y: str = "UA (%)", panel: tuple[float, float] = (2.7, 2.3),
    **shared: bool,
) -> tuple[Drawing, list[Axes]]:  # fmt: skip
    """Make so many panels, each of so many inches, that share the vertical axis, and name the axes at the edges."""
    import matplotlib.pyplot as plt

    columns = min(number, columns)
    rows = -(-number // columns)
    size = (0.7 + panel[0] * columns, 0.5 + panel[1] * rows)
    drawing, panels = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False, **shared)
    for axes in panels.flat[number:]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(y)
    for axes in panels.flat[max(0, number - columns) : number]:
        axes.set_xlabel(x)
        axes.tick_params(labelbottom=True)
    return drawing, list(panels.flat[:number])


def maps(number: int, width: float, height: float) -> tuple[Drawing, np.ndarray]:
    """Make so many maps of training sets by test corpora, each of so many inches, as many beside each other as fit.

    Returns
    -------
    Figure
    ndarray of Axes, shape (rows, columns)
        What is over in the last row is not shown.
    """
    import matplotlib.pyplot as plt

    columns = max(1, min(number, int(BROADEST / width)))
    rows = -(-number // columns)
    size = (1.9 + width * columns, (1.1 + height) * rows)
    drawing, panels = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    for axes in panels.flat[number:]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("train")
    return drawing, panels


def legend(drawing: Drawing, styles: Mapping[str, tuple]) -> None:
    """Explain colours, lines and markers below all panels."""
    import matplotlib.pyplot as plt

    handles = [
        plt.Line2D([], [], color=colour, ls=line, marker=marker, ms=5, lw=1.8, label=label)
        for label, (colour, line, marker) in styles.items()
    ]
    widest = 0.075 * max(len(label) for label in styles) + 0.65  # inches
    columns = max(1, min(len(handles), int(drawing.get_figwidth() / widest)))
    drawing.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.8)


def axes_of(inputs: Inputs, results: Sequence[Result]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Order what stands along a source x target figure: training sets, single ones first, and test corpora."""
    order = {name: index for index, name in enumerate(inputs.corpora)}
    trains = sorted({r.train for r in results}, key=lambda train: (len(train), [order[name] for name in train]))
    return trains, [name for name in order if any(result.test == name for result in results)]


def panel_title(inputs: Inputs, system: System) -> str:
    """Name a system above a small panel."""
    return folded(inputs.name(system))


def broken(name: str, letters: int) -> str:
    """Break a system's name into lines of so many letters, before its factors."""
    lines = [""]
    for part in re.split(r"(?=[. ])", name):
        if lines[-1] and len(lines[-1]) + len(part) > letters:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def folded(name: str, widest: int = WIDEST) -> str:
    """Break a long name into lines, at commas and behind a method that factors follow."""
    if len(name) <= widest:
        return name
    lines = []
    for part in name.split(", "):
        pieces = [part] if len(part) <= widest else part.split(" ", 1)
        lines += [line for piece in pieces for line in textwrap.wrap(piece, widest, break_on_hyphens=False)]
    return "\n".join(lines)


def short(inputs: Inputs, name: str) -> str:
    """Label a corpus in several short lines."""
    return inputs.corpora[name].label.replace(" (", "\n(").replace(", ", ",\n")


def training_label(inputs: Inputs, train: Sequence[str]) -> str:
    """Label training corpora in several short lines."""
    return short(inputs, train[0]) if len(train) == 1 else "\n+ ".join(inputs.corpora[name].label for name in train)
