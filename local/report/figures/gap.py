"""What the gap between corpora is made of: one stacked bar a pair, and one of each encoder's mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

from local.report.figures.drawing import BLACK, BLUE, ORANGE, SKY, Figure
from local.report.gaps import Gap
from local.report.material import Inputs
from local.report.tables.gap import LANGUAGES, ORDER, PARTS, VIA, by_dev, hears, overall, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Colours differ in lightness too, and two of them are hatched.
STYLES = {"priors": (ORANGE, "////"), "shift": (SKY, ""), "concept": (BLUE, ""), "representation": ("white", "....")}
WIDTH = 3.6  # inches: fits a phone
ROW = 0.34


def figures(inputs: Inputs) -> Iterator[Figure]:
    """Give the figure of encoders' means, and one of every encoder's pairs, folded away but dev's choice."""
    chosen = _chosen(inputs)
    if not chosen:
        return
    means, singles = overall(chosen), [gap for gap in chosen if len(gap.train) == 1]
    if any(not gap.train for gap in means):
        yield _figure("gap", "What the gap is made of, on average", means, [_mean(gap, means) for gap in means])
    for place, system in enumerate(by_dev(inputs, singles)):
        own = sorted((gap for gap in singles if gap.system == system), key=lambda gap: gap.languages == "same")
        labels = [f"{'+'.join(gap.train)} → {gap.test}{' *' * (gap.languages == 'same')}" for gap in own]
        title = f"What the gap is made of: {inputs.name(system)}"
        yield _figure(f"gap_{system.encoder}", title, own, labels, detail=place > 0)


def _chosen(inputs: Inputs) -> list[Gap]:
    """Keep encoders with ears, and one way to mend the shift of each pair: the first, CORAL where it was run."""
    first: dict[tuple, Gap] = {}
    for gap in shown(inputs) if inputs.gaps else []:
        if hears(inputs, gap):
            first.setdefault((gap.system, gap.train, gap.test, gap.languages), gap)
    return list(first.values())


def _mean(gap: Gap, means: Sequence[Gap]) -> str:
    several = len({one.languages for one in means}) > 1
    return gap.system.encoder + (f"\n({LANGUAGES[gap.languages]})" if several else "")


def _figure(name: str, title: str, gaps: Sequence[Gap], labels: Sequence[str], detail: bool = False) -> Figure:
    used = [part for part in STYLES if any(part in gap.parts for gap in gaps)]
    via = " or ".join(VIA[one] for one in dict.fromkeys(gap.via for gap in gaps))
    mended = "The shift was not taken off: it is in *concept*. " if via == VIA[""] else f"Shift mended by: {via}. "
    tuned = "*representation*: what tuning the encoder on the test corpus adds, beyond the drop. "
    if detail:
        return Figure(name, title, f"As above, of every pair. {mended}", lambda: _draw(gaps, labels, used), detail)
    caption = (
        "Points of UA that the head of the test corpus is ahead of zero-shot (diamond, with its 95% interval), and "
        f"what they are made of: parts above 0 to the right, those below 0 to the left. {ORDER} {mended}"
        f"{tuned if 'representation' in used else ''}Lines with a dot: each part's interval, around its end of the bar."
        f"{' *: one language.' if any(label.endswith('*') for label in labels) else ''}"
    )
    return Figure(name, title, caption, lambda: _draw(gaps, labels, used), detail)


def _draw(gaps: Sequence[Gap], labels: Sequence[str], used: Sequence[str]) -> Drawing:
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    drawing, axes = plt.subplots(figsize=(WIDTH, 1.25 + ROW * len(gaps)))
    for y, gap in enumerate(gaps):
        _bar(axes, y, gap, used)
    axes.axvline(0, color="#444444", lw=0.9)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("points of UA")
    axes.grid(axis="x", color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
    names = PARTS | {"representation": "representation"}
    handles = [Patch(fc=STYLES[p][0], hatch=STYLES[p][1], ec="#555555", lw=0.5, label=names[p]) for p in used]
    handles.append(plt.Line2D([], [], color=BLACK, marker="D", ms=4.5, lw=1.2, label="drop"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.8, columnspacing=1.2)
    return drawing


def _bar(axes: Axes, y: float, gap: Gap, used: Sequence[str]) -> None:
    """Stack a gap's parts to both sides of 0, each with its interval around its end, and mark the drop below."""
    ends = {True: 0.0, False: 0.0}
    for place, part in enumerate(used):
        if part not in gap.parts:
            continue
        score, (colour, hatch) = gap.parts[part], STYLES[part]
        value, side = 100 * score.ua, score.ua >= 0
        axes.barh(y - 0.1, value, 0.56, left=ends[side], color=colour, hatch=hatch, ec="#555555", lw=0.5, zorder=2)
        ends[side] += value
        if not isnan(score.lo):
            level = y - 0.1 + 0.56 * ((place + 0.5) / len(used) - 0.5)
            reach = [ends[side] + 100 * (end - score.ua) for end in (score.lo, score.hi)]
            # Lines are seen on every colour, and its end of the bar tells which part a line is of.
            axes.plot(reach, [level, level], color="white", lw=1.7, zorder=3, solid_capstyle="butt")
            axes.plot(reach, [level, level], color=BLACK, lw=0.8, zorder=4, solid_capstyle="butt")
            axes.plot(ends[side], level, "o", ms=3.2, mfc=colour, mec=BLACK, mew=0.6, zorder=5)
    drop = gap.parts["drop"]
    if not isnan(drop.lo):
        axes.plot([100 * drop.lo, 100 * drop.hi], [y + 0.32, y + 0.32], color=BLACK, lw=1.2, zorder=4)
    axes.plot(100 * drop.ua, y + 0.32, "D", color=BLACK, ms=4, zorder=5)
