"""Who and what is read from a head's input and from its hidden values, and what losses change of it."""

from __future__ import annotations

from math import isnan

from local.report.aligned import INPUT, Measure
from local.report.material import Inputs, System
from local.report.scores import Score
from local.report.tables.ablation import PLAIN, called
from local.report.tables.cells import DASH, Cell, Table

# As tables call the measures; those in points first.
READ = {
    "emotion_target": "emotion, target", "emotion_source": "emotion, sources", "language": "language",
    "speaker": "speaker", "heard": "heard speaker",
}  # fmt: skip
LAID = {"same": "same emotion", "other": "other emotion", "alignment": "alignment", "cka": "CKA"}
WHAT = (
    "*emotion*: UA on test lists, read by classifiers (least squares) that learn on the sources; *language*: on train "
    "lists of all; *speaker*: accuracy on half of the test lists, learnt on the other half, within a corpus; *heard "
    "speaker*: of those that trained the head. *same emotion*, *other emotion*: cosines between emotions' centroids in "
    "two languages; *alignment*: their difference; *CKA*: whether emotions lie to each other alike in two languages, "
    "high by chance of four. All of test lists, speakers of which trained nothing; one corpus a language, so that "
    "*language* is also recording. Intervals: t over folds, of means over seeds; not corrected for their number."
)


def levels(inputs: Inputs) -> Table:
    """Give the values of each side, means over tested corpora."""
    rows, shown = [], set()
    plain = {_input(inputs, system) for system, _ in _chosen(inputs) if called(inputs, system) == PLAIN}
    for (system, side), measures in _chosen(inputs).items():
        first = _input(inputs, system)
        if side == INPUT:
            if first in shown:
                continue
            shown.add(first)
        name = called(inputs, system)
        if side == INPUT:
            name = "input" if first in plain else f"input, {name}"
        cells = [_reading(measures[key], 100) for key in READ] + [_reading(measures[key], 1) for key in LAID]
        rows.append([Cell(system.encoder), Cell(name), *cells])
    caption = (
        f"Mean over tested corpora [95% interval], in percent (chance) and, of centroids, between -1 and 1. *input*: "
        f"the standardised features of the layer that dev chose, before the head; others: its hidden values. {WHAT} "
        "Ends beyond 0 and 100% are cut."
    )
    return Table("representation", "What is read before and after", caption, _header("side"), rows)


def changes(inputs: Inputs) -> Table:
    """Give what cross entropy changes of the input, and what each other way changes of that."""
    rows = []
    for (system, side), measures in _chosen(inputs).items():
        if side == INPUT:
            continue
        for less, key in (("input", "from_input"), (PLAIN, "from_ce")):
            if (less == "input") == (called(inputs, system) == PLAIN):
                scores = [getattr(measures[name], key) for name in (*READ, *LAID)]
                if all(isnan(score.ua) for score in scores):
                    continue
                cells = [_change(s, 100 if n in READ else 1) for n, s in zip((*READ, *LAID), scores, strict=True)]
                rows.append([Cell(system.encoder), Cell(called(inputs, system)), Cell(less), *cells])
    caption = (
        "As in the table before: what the hidden values of one have more than *less*, fold by fold; in points, of "
        "centroids as they are [95% interval]; bold: the interval leaves out 0."
    )
    return Table("representation-changes", "What losses change", caption, _header("hidden of", "less"), rows)


def _header(*names: str) -> list[str]:
    return ["encoder", *names, *READ.values(), *LAID.values()]


def _chosen(inputs: Inputs) -> dict[tuple[System, str], dict[str, Measure]]:
    """Keep means over tested corpora or, where one corpus is tested, its own."""
    measures = inputs.aligned.measures
    several = any(test == "*" for _, test, _ in measures)
    found = {(system, side): own for (system, test, side), own in measures.items() if (test == "*") == several}
    # Input first, and cross entropy before the others.
    order = list(dict.fromkeys(system.encoder for system, _ in found))
    return dict(
        sorted(
            found.items(),
            key=lambda item: (
                order.index(item[0][0].encoder), item[0][1] != INPUT, called(inputs, item[0][0]) != PLAIN,
            ),
        )
    )  # fmt: skip


def _input(inputs: Inputs, system: System) -> tuple:
    """What tells a system's input from others': the encoder, and how features are treated; the layer may differ."""
    factors = inputs.of(system)[0].factors
    return system.encoder, *(str(factors.get(name)) for name in ("normalise", "adapt", "project", "erase"))


def _reading(measure: Measure, scale: float) -> Cell:
    score = measure.value
    if isnan(score.ua):
        return DASH
    digits = 1 if scale == 100 else 2
    low, high = (max(score.lo, 0.0), min(score.hi, 1.0)) if scale == 100 else (score.lo, score.hi)
    ends = "" if isnan(score.lo) else f" [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"
    chance = "" if isnan(measure.chance) else f" ({scale * measure.chance:.0f})"
    return Cell(f"{scale * score.ua:.{digits}f}{ends}{chance}", value=score.ua)


def _change(score: Score, scale: float) -> Cell:
    if isnan(score.ua):
        return DASH
    digits = 1 if scale == 100 else 2
    ends = "" if isnan(score.lo) else f" [{scale * score.lo:+.{digits}f}, {scale * score.hi:+.{digits}f}]"
    clear = score.lo > 0 or score.hi < 0
    return Cell(f"{scale * score.ua:+.{digits}f}{ends}", best=clear, value=score.ua)
