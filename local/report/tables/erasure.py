"""What is left of speakers and of emotions once linear classifiers are kept from speakers, beside the controls."""

from __future__ import annotations

from math import isnan

from local.report.conditions import Result
from local.report.erased import Curve
from local.report.material import Comparison, Inputs
from local.report.tables.cells import (
    DASH,
    Cell,
    Table,
    interval_note,
    number,
    p_value,
    score_cell,
    system_cells,
    system_header,
    tests_note,
)

_ERASED = {
    "inlp": "by INLP", "random": "as many directions at random", "leace": "by LEACE", "emotion": "INLP of emotions",
}  # fmt: skip
_OTHERS = ("none", "random")  # whom heads on erased features are compared with


def table(inputs: Inputs) -> Table:
    """Give a row a condition with ``erase=inlp``."""
    rows, tested = [], []
    for curves in by_condition(inputs):
        result = inputs.result(curves["inlp"].system, curves["inlp"].train, curves["inlp"].test)
        others = [inputs.like(result, erase=value) for value in _OTHERS]
        tests = [inputs.compared(result, other.system) if other else None for other in others]
        tested += [(inputs.label(result.test), test) for test in tests if test]
        plain = others[0].system if others[0] else result.system
        where = [Cell(inputs.label(result.train)), Cell(inputs.label(result.test))]
        rows.append([*system_cells(inputs, plain), *where, *_heard(curves), *_differences(result, tests)])
    header = [
        *system_header(inputs), "trained on", "tested on", "iterations", "rank",
        "known speakers", "known, erased", "known, random", "known, LEACE", "known, chance",
        "tested speakers", "tested, erased", "tested, chance",
        "emotion", "emotion, erased", "emotion, random", "emotion, LEACE", "emotion, without emotions",
        "erased − not", "p Holm", "erased − random", "p Holm, random",
    ]  # fmt: skip
    caption = (
        "Speakers of the train lists are taken out by iterative null-space projection (INLP), fitted on these lists "
        "alone; beside it as many directions at random (mean of 20 draws, 95% of them), LEACE, and INLP of emotions. "
        "In percent, by linear classifiers (least squares), means over folds and the layers that dev chose; "
        "*known speakers*: accuracy on held-out utterances of the speakers trained on; *tested speakers*: learnt on "
        "half of each one's test utterances; *chance*: of naming the most frequent (and how high by chance); "
        "*emotion*: UA on the test list. Last columns: UA in points, of the experiment's own heads "
        f"[95% interval]. {tests_note(inputs.level, tested)}"
        f"{interval_note(inputs, (test.difference for _, test in tested))}"
    )
    return Table("erasure", "What is left once speakers are erased", caption, header, rows)


def sentences(inputs: Inputs) -> list[str]:
    """Say what erasing speakers costs emotions within corpora, beside its controls, of the encoder that dev prefers."""
    means = inputs.headlines("within")
    values = {
        system: value for system in means
        if (value := next(iter(inputs.of(system, "within"))).factors.get("erase", "none")) != "none"
    }  # fmt: skip
    like = {(system.encoder, value): system for system, value in values.items()}
    plain = {
        one.encoder: other.system for one, value in values.items() if value == "inlp"
        if (other := inputs.like(inputs.of(one, "within")[0], erase="none"))
    }  # fmt: skip
    if not plain:
        return []
    system = inputs.preferred(plain.values(), "within")
    left = [f"{words} {means[like[system.encoder, value]]}" for value, words in _ERASED.items()
            if (system.encoder, value) in like]  # fmt: skip
    return [f"**Speakers erased** (`{inputs.name(system)}`, within corpora): UA {means[system]}; {', '.join(left)}."]


def by_condition(inputs: Inputs) -> list[dict[str, Curve]]:
    """Gather the curves of each condition, by kind; INLP is always there."""
    found: dict[tuple, dict[str, Curve]] = {}
    for curve in inputs.erased:
        found.setdefault((curve.system, curve.train, curve.test), {})[curve.kind] = curve
    return list(found.values())


def _heard(curves: dict[str, Curve]) -> list[Cell]:
    inlp = curves["inlp"]
    first, last = inlp.points[0], inlp.points[-1]
    cells = [Cell(str(len(inlp.points) - 1)), number(last.rank, scale=1)]
    cells += [number(first.seen[0]), _below(last.seen[0], inlp.chance["seen"][1]), _last(curves, "random", "seen")]
    cells += [_last(curves, "leace", "seen"), _chance(inlp, "seen")]
    cells += [_known(first.unseen[0]), _known(last.unseen[0]), _chance(inlp, "unseen")]
    cells += [number(first.emotion[0]), number(last.emotion[0])]
    return cells + [_last(curves, kind, "emotion") for kind in ("random", "leace", "emotion")]


def _below(value: float, high: float) -> Cell:
    """Set off what is at chance."""
    return Cell(f"{100 * value:.1f}", best=value <= high, value=value)


def _known(value: float) -> Cell:
    return DASH if isnan(value) else number(value)


def _chance(curve: Curve, name: str) -> Cell:
    share, high = curve.chance[name]
    return DASH if isnan(share) else Cell(f"{100 * share:.1f} (≤ {100 * high:.1f})", value=share)


def _last(curves: dict[str, Curve], kind: str, name: str) -> Cell:
    if kind not in curves:
        return DASH
    value, low, high = getattr(curves[kind].points[-1], name)
    ends = "" if isnan(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return Cell(f"{100 * value:.1f}{ends}", value=value)


def _differences(result: Result, tests: list[Comparison | None]) -> list[Cell]:
    found = []
    for test in tests:
        p = test and Cell(p_value(test.adjusted), value=test.adjusted)
        found += [score_cell(test.ahead(result.system)), p] if test else [DASH, DASH]
    return found
