"""Who and what is read before training and after, with frozen encoders and with tuned ones, and what it changes."""

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
TUNED, BEFORE = "tuned", "before tuning"
CUT = ("layer", "pooling")  # factors that decide what is read of a tuned encoder
WHAT = (
    "*emotion*: UA on test lists, read by classifiers (least squares) that learn on the sources; *language*: on train "
    "lists of all; *speaker*: accuracy on half of the test lists, learnt on the other half, within a corpus; *heard "
    "speaker*: of those that were trained on. *same emotion*, *other emotion*: cosines between emotions' centroids in "
    "two languages; *alignment*: their difference; *CKA*: whether emotions lie to each other alike in two languages, "
    "high by chance of four. All of test lists, speakers of which trained nothing; one corpus a language, so that "
    "*language* is also recording. Intervals: t over folds, of means over seeds; not corrected for their number."
)


def levels(inputs: Inputs) -> Table:
    """Give the values of each side, means over tested corpora."""
    rows, shown = [], set()
    chosen = _chosen(inputs)
    plain = {_input(inputs, system) for system, _, _ in chosen if called(inputs, system) == PLAIN}
    for (system, test, side), measures in chosen.items():
        name, trained = called(inputs, system), _trained(inputs, system)
        if side == INPUT:
            first = _input(inputs, system)
            if (test, first) in shown:
                continue
            shown.add((test, first))
            name, trained = (BEFORE, TUNED) if _tuned(inputs, system) else ("input", trained)
            name += "" if first in plain else f", {called(inputs, system)}"
        cells = [_reading(measures[key], 100) for key in READ] + [_reading(measures[key], 1) for key in LAID]
        rows.append([Cell(system.encoder), Cell(trained), _where(inputs, test), Cell(name), *cells])
    caption = (
        "In percent (chance) and, of centroids, between -1 and 1 [95% interval]; where several corpora were tested, "
        "means over them. Of frozen encoders, *input*: the standardised features of the layer that dev chose, before "
        f"the head; others: its hidden values. {_of_tuned(inputs)}{WHAT} Ends beyond 0 and 100% are cut."
    )
    return Table("representation", "What is read before and after", caption, _header("side"), rows)


def changes(inputs: Inputs) -> Table:
    """Give what cross entropy changes of the input, and what each other way changes of that."""
    rows = []
    for (system, test, side), measures in _chosen(inputs).items():
        if side == INPUT:
            continue
        for less, key in (("input", "from_input"), (PLAIN, "from_ce")):
            if (less == "input") == (called(inputs, system) == PLAIN):
                scores = [getattr(measures[name], key) for name in (*READ, *LAID)]
                if all(isnan(score.ua) for score in scores):
                    continue
                less = BEFORE if less == "input" and _tuned(inputs, system) else less
                names = [_trained(inputs, system), called(inputs, system), less]
                cells = [_change(s, 100 if n in READ else 1) for n, s in zip((*READ, *LAID), scores, strict=True)]
                first, *others = map(Cell, names)
                rows.append([Cell(system.encoder), first, _where(inputs, test), *others, *cells])
    caption = (
        "As in the table before: what the hidden values of one have more than *less*, fold by fold; in points, of "
        "centroids as they are [95% interval]; bold: the interval leaves out 0."
    )
    return Table("representation-changes", "What training changes", caption, _header("hidden of", "less"), rows)


def _header(*names: str) -> list[str]:
    return ["encoder", "trained", "tested on", *names, *READ.values(), *LAID.values()]


def _tuned(inputs: Inputs, system: System) -> bool:
    return inputs.of(system)[0].tuned


def _trained(inputs: Inputs, system: System) -> str:
    one = inputs.of(system)[0]
    return f"{TUNED}, {one.factors['method']}" if one.tuned else "frozen"


def _where(inputs: Inputs, test: str) -> Cell:
    return Cell("all, mean" if test == "*" else inputs.label(test))


def _of_tuned(inputs: Inputs) -> str:
    """Explain rows of tuned encoders, where there are any."""
    if not any(_tuned(inputs, system) for system, _, _ in inputs.aligned.measures):
        return ""
    return (
        f"Of tuned encoders, *{BEFORE}*: what the encoder gives as it came, at the layer behind which it is cut; "
        "others: what the tuned one gives its head; both standardised by the sources' train lists. "
    )


def _chosen(inputs: Inputs) -> dict[tuple[System, str, str], dict[str, Measure]]:
    """Keep means over tested corpora or, where one corpus is tested, its own.

    Where encoders are tuned for fewer corpora than frozen ones have, frozen ones on these stand beside them.
    """
    measures = inputs.aligned.measures
    averaged = {system for system, test, _ in measures if test == "*"}
    found = {key: own for key, own in measures.items() if (key[1] == "*") == (key[0] in averaged)}
    alone = {
        (system.encoder, called(inputs, system), test) for system, test, _ in found
        if test != "*" and _tuned(inputs, system)
    }  # fmt: skip
    beside = {
        key: own for key, own in measures.items() if (key[0].encoder, called(inputs, key[0]), key[1]) in alone
    }  # fmt: skip
    # Means first, frozen ones first, input first, and cross entropy before the others.
    order = list(dict.fromkeys(system.encoder for system, _, _ in found))

    def place(item: tuple[tuple[System, str, str], object]) -> tuple:
        (system, test, side), _ = item
        tuned = _tuned(inputs, system)
        return order.index(system.encoder), test != "*", test, tuned, side != INPUT, called(inputs, system) != PLAIN

    return dict(sorted((found | beside).items(), key=place))


def _input(inputs: Inputs, system: System) -> tuple:
    """What tells a system's input from others': the encoder, and how features are treated; the layer may differ."""
    factors = inputs.of(system)[0].factors
    return system.encoder, *(str(factors.get(name)) for name in ("normalise", "adapt", "project", "erase", *CUT))


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
