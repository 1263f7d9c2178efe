"""Tables of paired tests: every pair of systems, and what each strategy gains over the simpler one that it contains."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from local.report.conditions import GROUPS, Result
from local.report.material import Comparison, Inputs
from local.report.scores import Score
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    equivalent,
    impossible,
    interval_note,
    joint_marks,
    notes,
    number,
    p_value,
    parameters,
    result_cell,
    score_cell,
    tested_cells,
    tests_note,
    trained,
    unseen,
)  # fmt: skip
from local.results.read import HEAD_ALONE


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
        scores = [number(c.ua_a), number(c.ua_b), *tested_cells(c, inputs.level, score_cell(c.difference))]
        rows.append([*where, *names, *sizes, *scores])
    return rows


def _header(inputs: Inputs) -> list[str]:
    sizes = ["parameters a", "parameters b"] if inputs.strategies else []
    return ["a", "b", *sizes, "UA a", "UA b", "a − b", *TESTED]


def _test(inputs: Inputs, tested: Sequence[Comparison], families: str) -> str:
    """Describe the tests; a comparison of means is named by its group."""
    named = ((c.setting if c.train is None else inputs.label(c.test), c) for c in tested)
    tests = tests_note(inputs.level, named) + interval_note(inputs, (c.difference for c in tested))
    return f"UA in percent, difference in points [95% interval]. {families} {tests}"


def compared_means(inputs: Inputs) -> Table:
    """Systems compared by their means over conditions."""
    chosen = sorted((c for c in inputs.comparisons if c.train is None), key=lambda c: GROUPS.index(c.setting))
    families = "The means within corpora are one family, those across another."
    caption = "Means over all conditions within, or across, corpora. " + _test(inputs, chosen, families)
    return Table(
        "compared-means", "Which encoder is better, on average?", caption + notes(inputs),
        ["conditions", *_header(inputs)], _rows(inputs, chosen),
    )  # fmt: skip


def compared(inputs: Inputs) -> Table:
    """Systems compared in each condition, the clearest differences first."""
    chosen = [c for c in inputs.comparisons if c.train is not None]
    chosen.sort(key=lambda c: (c.adjusted, c.p, -abs(c.difference.ua)))
    families = (
        "Families: encoders in all conditions of one method (the table of that method); what strategies gain (their "
        "table); other values of one factor, of a stage."
    )
    caption = "Every pair in every condition, the clearest first. " + _test(inputs, chosen, families)
    header = ["train", "test", "setting", *_header(inputs)]
    return Table(
        "compared", "Pairwise comparisons", caption + notes(inputs), header, _rows(inputs, chosen)
    )  # fmt: skip


def tuning(inputs: Inputs) -> Table:
    """What each strategy gains over its baseline, over all conditions."""
    rows = []
    for method, baseline in baselines(inputs).items():
        found = gains(inputs, method)
        if not found:
            continue
        ordered = sorted(found, key=lambda gain: gain[1].ua)
        clear = [gain.ua for _, gain, test in found if test.adjusted < inputs.level]
        row = [Cell(method), Cell(baseline), Cell(str(len(found)))]
        for result, gain, _ in (ordered[0], ordered[-1]):
            row += [Cell(gain.signed(), value=gain.ua), Cell(f"{result.system.encoder}, {result.pair}")]
        row += [Cell(str(sum(sign * ua > 0 for ua in clear))) for sign in (1, -1)]
        rows.append([*row, Cell(unseen((test for _, _, test in found), inputs.level) or "–")])
    caption = (
        "Gain in UA, in points [95% interval], over a baseline that differs in one thing, over so many conditions: the "
        "least, the most, and in how many it was significantly better or worse (Holm, in the family of the next "
        "table). *elsewhere*: true gains that the other tests would have seen in 80% of such experiments."
    )
    header = ["strategy", "over", "conditions", "least", "where", "most", "where", "better", "worse", "elsewhere"]
    return Table("tuning", "What tuning gains, by strategy", caption, header, rows, made_by="finetune")


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
    tuned = [result for result in inputs.results if result.tuned]
    tested = [c for c in inputs.comparisons if c.family == "gains"]
    caption = (
        f"UA in percent [95% interval]; n test utterances of so many speakers. *−*: difference in points [95% "
        f"interval] to what differs in one thing, training nothing but the head or, of two-stage training (*after*: "
        f"first on that corpus), the second stage alone, on the same utterances; Holm's p, and what was detectable, "
        f"in the family of all {len(tested)} differences of this table; bold: significant. {_cuts(inputs)}"
        f"{interval_note(inputs, (result.headline for result in tuned))}{trained(inputs, inputs.results)}"
        f"{impossible(inputs.level, ((inputs.label(c.test), c) for c in tested))}"
    )
    return Table("strategies", "What tuning gains", caption + notes(inputs, tuned), header, rows, made_by="finetune")


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
    if not result.tuned or (not result.source and result.factors["method"] == HEAD_ALONE):
        return None
    return inputs.like(result, **({"source": []} if result.source else {"method": HEAD_ALONE}))


def gains(inputs: Inputs, method: str) -> list[tuple[Result, Score, Comparison]]:
    """List how far a strategy is ahead of its baseline: condition, difference and the test of it."""
    found = ((r, _gain(inputs, r)) for system in inputs.systems if system.method == method for r in inputs.of(system))
    return [(result, *gain) for result, gain in found if gain]


def _gain(inputs: Inputs, result: Result) -> tuple[Score, Comparison] | None:
    baseline = _baseline(inputs, result)
    compared = inputs.compared(result, baseline.system) if baseline else None
    return (compared.ahead(result.system), compared) if compared else None


def _gain_cell(inputs: Inputs, result: Result | None) -> Cell:
    gain = _gain(inputs, result) if result else None
    if gain is None:
        return DASH
    difference, test = gain
    clear = test.adjusted < inputs.level
    known = not isnan(test.detectable_family) and test.reachable < inputs.level
    size = f"{100 * test.detectable_family:.1f}" if known else "none" if test.reachable >= inputs.level else "unknown"
    seen = "" if clear else f", detectable {size}{equivalent(test)}"
    return Cell(f"{difference.signed()}, p {p_value(test.adjusted)}{seen}", best=clear, value=difference.ua)
