"""A picture of a diarized recording: waveform, posteriors, and the segments of reference and hypothesis.

Colours are Okabe and Ito's, which people with colour-vision deficiencies can tell apart; an emotion has the same in
every picture. Curves differ in line style as well, and bars say what they show where there is room.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from local.sed.data.sets import CENTRE, HOP, NEUTRAL
from utils.atomic import atomic_file
from utils.audio import SAMPLE_RATE
from utils.rttm import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Emotion to colour, colour of the writing on it, and line style.
STYLES = {
    "angry": ("#D55E00", "white", "-"), "happy": ("#E69F00", "black", (0, (5, 1.5))),
    "neutral": ("#A0A0A0", "black", (0, (1, 1))), "sad": ("#0072B2", "white", (0, (3, 1, 1, 1))),
    "fearful": ("#CC79A7", "black", "-"), "disgusted": ("#009E73", "white", (0, (5, 1.5))),
    "surprised": ("#56B4E9", "black", (0, (1, 1))),
}  # fmt: skip
_OTHERS = (("#F0E442", "black", "-"), ("#555555", "white", (0, (5, 1.5))), ("#8C6D31", "white", (0, (3, 1, 1, 1))))
_RC = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#666666", "axes.linewidth": 0.8,
    "xtick.color": "#444444", "ytick.color": "#444444", "legend.frameon": False,
    "figure.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 200,
    "figure.constrained_layout.use": True,
}  # fmt: skip
_WIDTH = 7.0  # inches, of which a second has at least `_SECOND` until the picture is `_WIDEST` wide
_SECOND, _WIDEST = 0.25, 24.0
_ROUNDING = 0.001  # seconds: shorter gaps come from the rounding of times
_MARGIN = 0.8  # inches left of the bars
_POINTS = 50  # of a curve, an inch
_LETTER = 0.075  # inches that a letter in a bar needs


def save(
    path: str | Path, samples: np.ndarray, posteriors: np.ndarray, emotions: Sequence[str],
    hypothesis: Sequence[Segment], reference: Sequence[Segment] | None = None, title: str = "",
) -> None:  # fmt: skip
    """Draw a recording and write it as PNG, the same bytes for the same numbers.

    Parameters
    ----------
    path : str or Path
        The file.
    samples : ndarray of float32, shape (samples,)
        At 16 kHz.
    posteriors, emotions : ndarray, shape (frames, emotions), sequence of str
        Rows sum to 1; the columns' names.
    hypothesis, reference : sequence of Segment
        In order of time; what they do not cover is neutral. Without a reference there is one bar.
    title : str
        Above the picture.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with mpl.rc_context(_RC):
        figure = draw(samples, posteriors, emotions, hypothesis, reference, title)
        with atomic_file(path, "wb") as file:
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})


def draw(
    samples: np.ndarray, posteriors: np.ndarray, emotions: Sequence[str], hypothesis: Sequence[Segment],
    reference: Sequence[Segment] | None = None, title: str = "",
) -> Figure:  # fmt: skip
    """Draw a recording; parameters as for :func:`save`."""
    from matplotlib.figure import Figure

    duration = len(samples) / SAMPLE_RATE
    bars = {"hypothesis": tiled(hypothesis, duration)}
    if reference is not None:
        bars = {"reference": tiled(reference, duration), **bars}
    styles = styles_of([*emotions, *(segment.label for bar in bars.values() for segment in bar)])
    width = min(max(_WIDTH, _SECOND * duration), _WIDEST)
    heights = [0.85, 1.25, 0.28 * len(bars)]
    figure = Figure(figsize=(width, sum(heights) + 0.95))
    wave, curves, stripes = figure.subplots(3, 1, sharex=True, height_ratios=heights)
    _wave(wave, samples, round(width * _RC["figure.dpi"]))
    _curves(curves, posteriors, emotions, styles, width)
    for row, segments in enumerate(bars.values()):
        _bar(stripes, row, segments, styles, (width - _MARGIN) / duration)
    for change in (segment.start for segment in bars.get("reference", [])[1:]):
        for axes in (wave, curves):
            axes.axvline(change, color="#888888", linewidth=0.7, zorder=0)
    stripes.set_yticks(range(len(bars)), list(bars))
    stripes.set_ylim(len(bars) - 0.5, -0.5)
    stripes.tick_params(axis="y", length=0)
    stripes.spines[["left", "bottom"]].set_visible(False)
    stripes.set_xlabel("time (s)")
    stripes.set_xlim(0, duration)
    wave.set_title(title, loc="left")
    _legend(figure, styles)
    return figure


def tiled(segments: Sequence[Segment], duration: float) -> list[Segment]:
    """Fill what segments do not cover with neutral ones, and cut off what lies beyond the end.

    Examples
    --------
    >>> [(s.start, s.end, s.label) for s in tiled([Segment("u", 1.0, 2.0, "sad")], 3.0)]
    [(0.0, 1.0, 'neutral'), (1.0, 2.0, 'sad'), (2.0, 3.0, 'neutral')]
    """
    found: list[Segment] = []
    covered = 0.0
    for segment in [*segments, Segment("", duration, duration, NEUTRAL)]:
        if segment.start - covered > _ROUNDING:
            found.append(Segment(segment.utterance, covered, min(segment.start, duration), NEUTRAL))
        if segment.start < segment.end and segment.start < duration:
            found.append(dataclasses.replace(segment, end=min(segment.end, duration)))
        covered = max(covered, segment.end)
    return found


def styles_of(emotions: Sequence[str]) -> dict[str, tuple]:
    """Give each emotion a colour, the colour of writing on it, and a line style; those not known take the others."""
    strange = [emotion for emotion in dict.fromkeys(emotions) if emotion not in STYLES]
    return {
        emotion: STYLES.get(emotion) or _OTHERS[strange.index(emotion) % len(_OTHERS)]
        for emotion in dict.fromkeys(emotions)
    }


def _wave(axes: Axes, samples: np.ndarray, columns: int) -> None:
    """The lowest and the highest sample of each column of pixels, or all samples where there are fewer."""
    step = max(1, len(samples) // columns)
    begins = np.arange(0, len(samples), step)
    low, high = np.minimum.reduceat(samples, begins), np.maximum.reduceat(samples, begins)
    limit = max(float(np.abs(samples).max()), 1e-4)
    axes.fill_between(begins / SAMPLE_RATE, low, high, color="#444444", linewidth=0.3)
    axes.set_ylim(-1.05 * limit, 1.05 * limit)
    axes.set_yticks([])
    axes.set_ylabel("waveform")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _curves(
    axes: Axes, posteriors: np.ndarray, emotions: Sequence[str], styles: dict[str, tuple], inches: float
) -> None:
    """Draw posteriors; where there are too many for the width, means of as many frames as is needed to see them."""
    step = math.ceil(len(posteriors) / (inches * _POINTS))
    begins = np.arange(0, len(posteriors), step)
    size = np.diff(begins, append=len(posteriors))
    means = np.add.reduceat(posteriors, begins) / size[:, None]
    times = CENTRE + HOP * (begins + (size - 1) / 2)
    for column, emotion in enumerate(emotions):
        colour, _, line = styles[emotion]
        axes.plot(times, means[:, column], color=colour, linestyle=line, linewidth=1.2)
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("posterior" if step == 1 else f"posterior\n(means of {HOP * step:.2g} s)")
    axes.tick_params(axis="x", length=0)


def _bar(axes: Axes, row: int, segments: Sequence[Segment], styles: dict[str, tuple], per_second: float) -> None:
    """Draw a row of segments, ``per_second`` inches a second."""
    for segment in segments:
        colour, ink, _ = styles[segment.label]
        inches = segment.duration * per_second
        # The white edge would hide a segment that is hardly wider.
        axes.broken_barh(
            [(segment.start, segment.duration)], (row - 0.4, 0.8), facecolor=colour, edgecolor="white",
            linewidth=0.6 if inches > 0.03 else 0,
        )  # fmt: skip
        if inches > _LETTER * (len(segment.label) + 1):
            middle = (segment.start + segment.end) / 2
            axes.text(middle, row, segment.label, color=ink, ha="center", va="center_baseline", fontsize=7)


def _legend(figure: Figure, styles: dict[str, tuple]) -> None:
    """Show each emotion's curve beside the colour of its bars."""
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        (Patch(color=colour), Line2D([], [], color=colour, linestyle=line)) for colour, _, line in styles.values()
    ]
    figure.legend(
        handles, list(styles), loc="outside upper right", ncols=len(handles), columnspacing=1.5, handlelength=3.5,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.5)},
    )  # fmt: skip
