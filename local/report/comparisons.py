"""Tables of paired tests: every pair of systems, and what each strategy gains over training the head alone."""

from __future__ import annotations

from collections.abc import Sequence

from local.report.inputs import GROUPS, Inputs, Result, Score, System, in_words
from local.report.tables import Cell, Table, dev_note, joint_marks, marks, number, parameters, score_cell, trained

BASELINE = "head"  # the strategy that the others are compared with


def _comparison_rows(inputs: Inputs, comparisons: Sequence[dict[str, str]], named: bool) -> list[list[Cell]]:
    rows = []
    for c in comparisons:
        a, b = (System.parse(c[side]) for side in "ab")
        if named:
            train = tuple(c["train"].split("+"))
            where = [Cell(inputs.label(train)), Cell(inputs.label(c["test"])), Cell(c["setting"])]
            members = [[r for r in inputs.of(s) if (r.test, r.train) == (c["test"], train)] for s in (a, b)]
        else:
            where = [Cell(c["setting"])]
            members = [inputs.of(system, c["setting"]) for system in (a, b)]
        qualified = [joint_marks(results) for results in members]
        sizes = [parameters(results) for results in members] if inputs.strategies else []
        score = Score(*(float(c[key]) for key in ("diff", "lo", "hi")))
        p, adjusted = float(c["p"]), float(c["p_holm"])
        rows.append(
            [
                *where,
                Cell(inputs.name(a), qualified[0]),
                Cell(inputs.name(b), qualified[1]),
                *sizes,
                number(float(c["ua_a"])),
                number(float(c["ua_b"])),
                score_cell(score),
                Cell(c["n"]),
                Cell(c["speakers"]),
                Cell(p_value(p), value=p),
                Cell(p_value(adjusted), best=adjusted < 1 - inputs.experiment.score.confidence, value=adjusted),
            ]
        )
    return rows


def p_value(p: float) -> str:
    """Print a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _compared_header(inputs: Inputs) -> list[str]:
    sizes = ["parameters a", "parameters b"] if inputs.strategies else []
    return ["a", "b", *sizes, "UA a", "UA b", "a − b", "n", "speakers", "p", "p Holm"]


def _test(inputs: Inputs) -> str:
    one, several = ("head", "heads") if not inputs.strategies else ("method", "methods of a stage")
    return (
        "Paired test of UA (percent; difference in points [95% interval]) on the same utterances: randomisation "
        "with speakers as blocks (with one speaker: utterances), two-sided. Holm's correction within each question: "
        f"all encoders under one {one}, or all {several} on one encoder, in one condition. Bold: significant."
    )


def compared_means(inputs: Inputs) -> Table:
    """Systems compared by their means over conditions."""
    chosen = sorted(
        (row for row in inputs.comparisons if row["train"] == "*"), key=lambda row: GROUPS.index(row["setting"])
    )
    caption = "Means over all conditions within, or across, corpora. " + _test(inputs)
    return Table(
        "compared-means", "Which encoder is better, on average?", caption + dev_note(inputs),
        ["conditions", *_compared_header(inputs)], _comparison_rows(inputs, chosen, named=False), long=True,
    )  # fmt: skip


def compared(inputs: Inputs) -> Table:
    """Systems compared in each condition, the clearest differences first."""
    chosen = [row for row in inputs.comparisons if row["train"] != "*"]
    chosen.sort(key=lambda row: (float(row["p_holm"]), float(row["p"]), -abs(float(row["diff"]))))
    caption = "Every pair in every condition, the clearest first. " + _test(inputs)
    header = ["train", "test", "setting", *_compared_header(inputs)]
    rows = _comparison_rows(inputs, chosen, named=True)
    return Table("compared", "Pairwise comparisons", caption + dev_note(inputs), header, rows, long=True)


def strategies(inputs: Inputs) -> Table:
    """Every strategy beside the others, and what it gains over training the head alone, on the same utterances."""
    methods = inputs.strategies
    others = [method for method in methods if method != BASELINE] if BASELINE in methods else []
    conditions: dict[tuple[str, tuple[str, ...], str], dict[str, Result]] = {}
    for result in inputs.results:
        if result.tuned:
            key = result.system.encoder, result.train, result.test
            conditions.setdefault(key, {})[result.system.method] = result
    rows = []
    for (encoder, train, test), found in conditions.items():
        top = max(result.headline.ua for result in found.values())
        first = next(iter(found.values()))
        row = [Cell(encoder), Cell(inputs.label(train)), Cell(inputs.label(test)), Cell(first.meta["setting"])]
        row += [Cell(first.row["n_test"]), Cell(first.row["speakers"])]
        for method in methods:
            result = found.get(method)
            row.append(
                score_cell(result.headline, marks(result), result.headline.ua == top and len(found) > 1)
                if result else Cell("–")
            )  # fmt: skip
        rows.append(row + [_gain(inputs, (encoder, train, test), method) for method in others])
    header = ["encoder", "train", "test", "setting", "n", "speakers", *map(in_words, methods)]
    header += [f"{in_words(method)} − {BASELINE}" for method in others]
    caption = (
        f"UA in percent [95% interval]; n test utterances of so many speakers. *− {BASELINE}*: difference in points "
        f"[95% interval] to training nothing but the head, on the same utterances, and p of the paired test with "
        f"Holm's correction over all pairs of strategies in the row; bold: significant. *after*: two-stage training, "
        f"first on that corpus.{trained(inputs, inputs.results)}"
    )
    return Table("strategies", "What tuning gains", caption + dev_note(inputs), header, rows, made_by="finetune")


def gains(inputs: Inputs, method: str) -> list[tuple[Result, Score, float]]:
    """List how far a strategy is ahead of training the head alone: condition, difference and Holm-corrected p."""
    found = []
    for result in inputs.results:
        if result.tuned and result.system.method == method:
            compared = paired(inputs, result, System(result.system.encoder, BASELINE))
            if compared:
                found.append((result, *compared))
    return found


def paired(inputs: Inputs, result: Result, other: System) -> tuple[Score, float] | None:
    """Find the paired comparison of a condition with another system: the difference to that, and Holm-corrected p."""
    for c in inputs.comparisons:
        a, b = (System.parse(c[side]) for side in "ab")
        if (c["train"], c["test"]) == ("+".join(result.train), result.test) and {a, b} == {result.system, other}:
            difference, low, high = (float(c[key]) for key in ("diff", "lo", "hi"))
            ahead = Score(difference, low, high) if a == result.system else Score(-difference, -high, -low)
            return ahead, float(c["p_holm"])
    return None


def _gain(inputs: Inputs, condition: tuple[str, tuple[str, ...], str], method: str) -> Cell:
    found = [g for g in gains(inputs, method) if (g[0].system.encoder, g[0].train, g[0].test) == condition]
    if not found:
        return Cell("–")
    _, difference, p = found[0]
    ua, low, high = (100 * value for value in (difference.ua, difference.lo, difference.hi))
    text = f"{ua:+.1f} [{low:+.1f}, {high:+.1f}], p {p_value(p)}"
    return Cell(text, best=p < 1 - inputs.experiment.score.confidence, value=difference.ua)
