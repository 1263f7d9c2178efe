"""Systems from outside: what they reach, and each beside ours on the same utterances."""

from __future__ import annotations

from local.report.conditions import GROUPS
from local.report.material import Comparison, Inputs, System, baseline
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    interval_note,
    number,
    result_cell,
    score_cell,
    tested_cells,
    tests_note,
)  # fmt: skip


def preferred(inputs: Inputs, system: System) -> Comparison | None:
    """Give a system's test with the one of ours that dev prefers, if possible of those trained on the test corpora.

    Baselines stand aside where there is anything else.
    """
    for group in GROUPS:
        tests = {c.b: c for c in inputs.outside.beside(system, inputs.systems, group)}
        heard = [own for own in tests if not baseline(inputs.specs[own.encoder])] or list(tests)
        if heard:
            return tests[inputs.preferred(heard, group)]
    return None


def scores(inputs: Inputs) -> Table:
    """What each reaches on each corpus."""
    ece = {(own.system, own.test_corpus): own.ece for own in inputs.failures.calibration}
    rows = [
        [
            Cell(result.system.encoder), Cell(inputs.label(result.test)), Cell(str(result.n_test)),
            Cell(str(result.speakers)), result_cell(result), number(result.wa), number(result.macro_f1),
            *(number(result.recalls[emotion]) for emotion in inputs.emotions),
            score_cell(ece.get((result.system, result.test))),
        ]
        for result in inputs.outside.results
    ]  # fmt: skip
    caption = (
        "What files of predictions say of the test utterances of our folds (docs/outside.md): UA [95% interval], WA, "
        "macro-F1 and recall of each emotion, in percent. Nothing is known of what these systems were trained on, so "
        "that any may have heard the corpus, its labels too. *ECE*: expected calibration error; – without posteriors."
        f"{interval_note(inputs, (result.headline for result in inputs.outside.results))}"
    )
    header = ["outside system", "test", "n", "speakers", "UA", "WA", "macro-F1", *inputs.emotions, "ECE"]
    return Table("outside", "Outside systems", caption, header, rows, made_by="score")


def tests(inputs: Inputs, system: System) -> Table:
    """One beside every system of ours, and beside others from outside."""
    rows, tested = [], []
    for c in (c for c in inputs.outside.tests if c.a == system):
        corpus = "all" if c.train is None else inputs.label(c.test)
        trained = DASH if c.group == "outside" else Cell(c.group if c.train is None else inputs.label(c.train))
        named = inputs.name(c.b) if c.b in inputs.systems else c.b.encoder
        tested.append((corpus, c))
        cells = [number(c.ua_a), number(c.ua_b), *tested_cells(c, inputs.level, score_cell(c.difference))]
        rows.append([Cell(named), trained, Cell(corpus), *cells])
    caption = (
        f"`{system.encoder}` (a) beside ours (b) on the same test utterances, UA in percent, difference in points [95% "
        "interval]; *all*: means over the corpora that both are tested on. Families: b trained on the test corpus, or "
        f"on others; b without ears; means apart from single corpora. {tests_note(inputs.level, tested)}"
    )
    header = ["b", "b is trained on", "test", "UA a", "UA b", "a − b", *TESTED]
    key = f"outside-{system.encoder}-{system.method}".replace(" ", "-")
    return Table(key, f"{system.encoder}, from outside, beside ours", caption, header, rows, made_by="score")
