"""What heads that go on from fold to fold are worth: beside the same training with a fresh head in every fold."""

from __future__ import annotations

from collections.abc import Iterator

from local.report.conditions import Result
from local.report.material import Comparison, Inputs
from local.report.tables.cells import (
    TESTED,
    Cell,
    Table,
    interval_note,
    joint_marks,
    notes,
    null_note,
    number,
    p_equals,
    score_cell,
    tested_cells,
    tests_note,
)  # fmt: skip


def _found(inputs: Inputs) -> Iterator[tuple[Result, Result, Comparison]]:
    """Yield conditions with a head that was kept, the same ones with fresh heads, and the test of the two."""
    for kept in inputs.results:
        fresh = inputs.like(kept, carry_head=False) if kept.factors.get("carry_head") else None
        test = inputs.compared(kept, fresh.system) if fresh else None
        if fresh and test:
            yield kept, fresh, test


def table(inputs: Inputs) -> Table:
    """Give a row a condition that was trained both ways; no rows where none was."""
    rows, tested = [], []
    for kept, fresh, test in _found(inputs):
        tested.append((inputs.label(kept.test), test))
        names = [Cell(kept.system.encoder), Cell(fresh.system.method), Cell(inputs.label(kept.test))]
        first = [Cell(" ".join(f"{100 * ua:.0f}" for ua in _first(inputs, own)) or "–") for own in (fresh, kept)]
        scores = [number(result.headline.ua) for result in (fresh, kept)]
        difference = score_cell(test.ahead(kept.system), joint_marks([kept]))
        rows.append([*names, *first, *scores, *tested_cells(test, inputs.level, difference)])
    caption = (
        "*kept*: in every fold, the head begins as the fold before left it, as in study A's published code; *fresh*: "
        "as it was drawn. *first epoch*: UA in percent on what is trained on, in the course of the first epoch, fold "
        "by fold. *worth*: kept − fresh, in points of UA on the test lists of all folds [95% interval]; in the first "
        f"fold both are the same. {tests_note(inputs.level, tested)}"
        f"{interval_note(inputs, (test.difference for _, test in tested))}"
    )
    header = ["encoder", "method", "tested on", "first epoch, fresh", "first epoch, kept", "fresh", "kept", "worth"]
    title = "What heads that are kept from fold to fold are worth"
    return Table("carried", title, caption + notes(inputs), [*header, *TESTED], rows, made_by="finetune")


def sentences(inputs: Inputs) -> list[str]:
    """Say what they are worth, a condition at a time."""
    return [
        f"A head kept from fold to fold is worth **{test.ahead(kept.system)} points** to `{kept.system.encoder}` "
        f"({fresh.system.method}; on {kept.test}; Holm-corrected p {p_equals(test.adjusted)}"
        f"{null_note(test, inputs.level)})."
        for kept, fresh, test in _found(inputs)
    ]


def _first(inputs: Inputs, result: Result) -> list[float]:
    """Average the first epochs of each fold over seeds; runs come fold by fold."""
    ua = [run[0].train_ua for run in result.curves]
    seeds = max(1, len(ua) // inputs.folds)
    return [sum(ua[place : place + seeds]) / seeds for place in range(0, len(ua), seeds)]
