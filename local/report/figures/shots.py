"""Learning curves: UA by the number of utterances of the test corpus that are known, with a source and without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from local.report.conditions import Result
from local.report.figures.drawing import BLUE, VERMILLION, Figure, grid, legend
from local.report.material import Inputs
from local.report.scores import Score
from local.report.tables.cells import notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

BESIDE, ALONE = "source and shots", "shots alone"
STYLES = {BESIDE: (BLUE, "-", "o"), ALONE: (VERMILLION, (0, (5, 1.5)), "D")}
CEILING = "trained on all of the test corpus's train lists"
COLUMNS = 2  # so that it can be read on a phone
Curve = dict[int, Score]


def curves(inputs: Inputs) -> Iterator[Figure]:
    """Give a figure an encoder and head that has few shots anywhere; the first is shown, others are folded away."""
    for number, (key, results) in enumerate(_systems(inputs.few).items()):
        encoder, method = key[1], results[0].factors["method"]
        draws = inputs.experiment.probe.draws
        caption = (
            f"`{encoder}`, `{method}`: UA by the number of labelled utterances of the test corpus that are known, mean "
            f"over {draws} draws, of the layer that was chosen without further labels; a panel a pair. *{BESIDE}* "
            f"starts at what the source reaches alone; bands are intervals for other speakers and draws; dotted: "
            f"{CEILING}; dashed: chance.{notes(inputs, results)}"
        )
        title = f"How many utterances of the test corpus are worth a source? {encoder}, {method}"
        name = f"shots_{number}" if number else "shots"
        yield Figure(name, title, caption, lambda own=results: _draw(inputs, own), detail=number > 0)


def _systems(results: Sequence[Result]) -> dict[tuple, list[Result]]:
    """Gather results of systems that differ in the number of shots alone."""
    found: dict[tuple, list[Result]] = {}
    for result in results:
        found.setdefault(_system(result), []).append(result)
    return found


def _system(result: Result) -> tuple:
    # Who chooses follows from whether there is a source.
    rest = {k: str(v) for k, v in result.factors.items() if k not in ("train", "test", "shots", "select")}
    return result.stage, result.factors["encoder"], tuple(rest.items())


def _curves(inputs: Inputs, results: Sequence[Result], train: tuple[str, ...], test: str) -> tuple[Curve, Curve, float]:
    """Scores with a source and alone, by shots, and what all of the train lists reach (NaN if that was not run)."""
    plain = [own for own in inputs.results if _system(own) == _system(results[0]) and own.test == test]
    own = [[one for one in (*plain, *results) if (one.train, one.test) == (names, test)] for names in (train, (test,))]
    beside, alone = ({one.factors["shots"]: one.headline for one in members} for members in own)
    alone.pop(0, None)
    return beside, alone, next((own.headline.ua for own in plain if own.train == (test,)), float("nan"))


def _draw(inputs: Inputs, results: Sequence[Result]) -> Drawing:
    """Small multiples, a pair of corpora each."""
    pairs = list(dict.fromkeys((own.train, own.test) for own in results if own.group == "across"))
    pairs = pairs or list(dict.fromkeys((own.train, own.test) for own in results))
    drawing, panels = grid(len(pairs), COLUMNS, x="utterances of the test corpus")
    sizes = sorted({0, *(own.factors["shots"] for own in results)})
    for axes, (train, test) in zip(panels, pairs, strict=True):
        beside, alone, ceiling = _curves(inputs, results, train, test)
        for scores, style in ((alone, STYLES[ALONE]), (beside if train != (test,) else {}, STYLES[BESIDE])):
            _curve(axes, scores, sizes, style)
        axes.axhline(100 * ceiling, color="#444444", lw=1, ls=":", zorder=1)
        axes.axhline(100 * inputs.chance, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.set_xticks(range(len(sizes)), map(str, sizes))
        axes.set_xlim(-0.3, len(sizes) - 0.7)
        axes.grid(axis="y", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
        axes.set_title(test if train == (test,) else f"{'+'.join(train)} to {test}")
    legend(drawing, STYLES)
    return drawing


def _curve(axes: Axes, scores: Curve, sizes: Sequence[int], style: tuple) -> None:
    colour, line, marker = style
    known = [size for size in sizes if size in scores]
    places = [sizes.index(size) for size in known]
    ua, low, high = ([100 * getattr(scores[size], key) for size in known] for key in ("ua", "lo", "hi"))
    axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(places, ua, color=colour, ls=line, lw=1.9, marker=marker, ms=4, mec="white", mew=0.5, zorder=3)
