"""Tables of paired tests: every pair of systems, and what each strategy gains over the simpler one that it contains."""

from __future__ import annotations

from collections.abc import Sequence

from local.report.material import GROUPS, Comparison, Inputs, Result, Score
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    dev_note,
    joint_marks,
    p_value,
    parameters,
    result_cell,
    tested_cells,
    trained,
)  # fmt: skip

BASELINE = "head"  # the strategy that the others of one stage are compared with


def _rows(inputs: Inputs, comparisons: Sequence[Comparison]) -> list[list[Cell]]:
    rows = []
    for c in comparisons:
        if c.train is None:
            where = [Cell(c.setting)]
            members = [inputs.of(system, c.setting) for system in (c.a, c.b)]
        else:
            where = [Cell(inputs.label(c.train)), Cell(inputs.label(c.test)), Cell(c.setting)]
            members = [[inputs.result(system, c.train, c.test)] for system in (c.a, c.b)]
        names = [Cell(inputs.name(s), joint_marks(own)) for s, own in zip((c.a, c.b), members, strict=True)]
        sizes = [parameters(results) for results in members] if inputs.strategies else []
        rows.append([*where, *names, *sizes, *tested_cells(inputs, c)])
    return rows


def _header(inputs: Inputs) -> list[str]:
    sizes = ["parameters a", "parameters b"] if inputs.strategies else []
    return ["a", "b", *sizes, "UA a", "UA b", "a − b", *TESTED]


def _test(inputs: Inputs) -> str:
    one, several = ("head", "heads") if not inputs.strategies else ("method", "methods of a stage")
    more = "" if set(inputs.methods) == {r.factors["method"] for r in inputs.results} else ", or all values of a factor"
    return (
        "Paired test of UA (percent; difference in points [95% interval]) on the same utterances: randomisation "
        "with speakers as blocks (with one speaker: utterances), two-sided. Holm's correction within each question: "
        f"all encoders under one {one}, or all {several} on one encoder{more}, in one condition. Bold: significant."
    )


def compared_means(inputs: Inputs) -> Table:
    """Systems compared by their means over conditions."""
    chosen = sorted((c for c in inputs.comparisons if c.train is None), key=lambda c: GROUPS.index(c.setting))
    caption = "Means over all conditions within, or across, corpora. " + _test(inputs)
    return Table(
        "compared-means", "Which encoder is better, on average?", caption + dev_note(inputs),
        ["conditions", *_header(inputs)], _rows(inputs, chosen), long=True,
    )  # fmt: skip


def compared(inputs: Inputs) -> Table:
    """Systems compared in each condition, the clearest differences first."""
    chosen = [c for c in inputs.comparisons if c.train is not None]
    chosen.sort(key=lambda c: (c.adjusted, c.p, -abs(c.difference.ua)))
    caption = "Every pair in every condition, the clearest first. " + _test(inputs)
    header = ["train", "test", "setting", *_header(inputs)]
    return Table(
        "compared", "Pairwise comparisons", caption + dev_note(inputs), header, _rows(inputs, chosen), long=True
    )  # fmt: skip


def strategies(inputs: Inputs) -> Table:
    """Every strategy beside the others, and what it gains over its baseline, on the same utterances."""
    methods, others = list(inputs.strategies), baselines(inputs)
    conditions: dict[tuple[str, tuple[str, ...], str], dict[str, Result]] = {}
    for result in inputs.results:
        if result.tuned:
            key = result.system.encoder, result.train, result.test
            conditions.setdefault(key, {})[result.system.method] = result
    rows = []
    for (encoder, train, test), found in conditions.items():
        top = max(result.headline.ua for result in found.values())
        first = next(iter(found.values()))
        row = [Cell(encoder), Cell(inputs.label(train)), Cell(inputs.label(test)), Cell(first.setting)]
        row += [Cell(str(first.n_test)), Cell(str(first.speakers))]
        for method in methods:
            result = found.get(method)
            row.append(result_cell(result, result is not None and result.headline.ua == top and len(found) > 1))
        rows.append(row + [_gain_cell(inputs, found.get(method)) for method in others])
    header = ["encoder", "train", "test", "setting", "n", "speakers", *methods]
    header += [f"{method} − {baseline}" for method, baseline in others.items()]
    caption = (
        f"UA in percent [95% interval]; n test utterances of so many speakers. *−*: difference in points [95% "
        f"interval] to what differs in one thing, training nothing but the head or, of two-stage training (*after*: "
        f"first on that corpus), the second stage alone, on the same utterances; and p of the paired test with Holm's "
        f"correction over all values of that one thing in the row; bold: significant. {_cuts(inputs)}"
        f"{trained(inputs, inputs.results)}"
    )
    return Table("strategies", "What tuning gains", caption + dev_note(inputs), header, rows, made_by="finetune")


def _cuts(inputs: Inputs) -> str:
    """Say whether strategies and their baselines classify the same layers."""
    pairs = [(result, other) for result in inputs.results if (other := _baseline(inputs, result))]
    differing = sum(result.selected != other.selected for result, other in pairs)
    if differing:
        return f"**In {differing} of {len(pairs)} differences the two are cut behind different layers.**"
    return (
        "Whatever is tuned, the encoder is cut behind one layer in each fold and seed (where the probes chose it: the "
        "best above 0 on dev), for the head alone too."
    )


def baselines(inputs: Inputs) -> dict[str, str]:
    """Give each strategy the one that it is compared with, where there is one."""
    found = {r.system.method: other.system.method for r in inputs.results if (other := _baseline(inputs, r))}
    return {method: found[method] for method in inputs.strategies if method in found}


def _baseline(inputs: Inputs, result: Result) -> Result | None:
    """Find the condition with one thing less: no first stage of training or, without one, nothing but the head."""
    if not result.tuned or (not result.source and result.factors["method"] == BASELINE):
        return None
    return inputs.like(result, **({"source": []} if result.source else {"method": BASELINE}))


def gains(inputs: Inputs, method: str) -> list[tuple[Result, Score, float]]:
    """List how far a strategy is ahead of its baseline: condition, difference and Holm-corrected p."""
    found = ((r, _gain(inputs, r)) for system in inputs.systems if system.method == method for r in inputs.of(system))
    return [(result, *gain) for result, gain in found if gain]


def _gain(inputs: Inputs, result: Result) -> tuple[Score, float] | None:
    baseline = _baseline(inputs, result)
    compared = inputs.compared(result, baseline.system) if baseline else None
    return (compared.ahead(result.system), compared.adjusted) if compared else None


def _gain_cell(inputs: Inputs, result: Result | None) -> Cell:
    gain = _gain(inputs, result) if result else None
    if gain is None:
        return DASH
    difference, p = gain
    text = f"{difference.signed()}, p {p_value(p)}"
    return Cell(text, best=p < inputs.level, value=difference.ua)
