"""What hearing the tested speakers in training is worth: folds that keep speakers apart, beside some that mix them."""

from __future__ import annotations

from collections.abc import Iterator

from local.report.conditions import Result
from local.report.material import Comparison, Inputs, System
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

APART, MIXED = "speaker", "speaker+mixed"  # split schemes


def _found(inputs: Inputs) -> Iterator[tuple[Comparison, System, list[Result]]]:
    """Yield the contrasts of the two schemes, the system that has heard, and its conditions; means come first."""
    for test in sorted(inputs.comparisons, key=lambda test: test.train is not None):
        conditions = {}
        for system in (test.a, test.b):
            alone = test.train and inputs.result(system, test.train, test.test)
            conditions[system] = [alone] if alone else inputs.of(system, test.setting)
        schemes = {system: {result.scheme for result in own} for system, own in conditions.items()}
        if test.a.encoder == test.b.encoder and sorted(map(list, schemes.values())) == [[APART], [MIXED]]:
            heard = next(system for system, own in schemes.items() if own == {MIXED})
            yield test, heard, conditions[heard]


def table(inputs: Inputs) -> Table:
    """Every system under both schemes; no rows where they were not run beside each other."""
    rows, tested = [], []
    for test, heard, own in _found(inputs):
        where = f"{len(own)} conditions {test.setting}" if test.train is None else inputs.label(test.test)
        tested.append((where, test))
        apart, mixed = (test.ua_b, test.ua_a) if heard == test.a else (test.ua_a, test.ua_b)
        difference = score_cell(test.ahead(heard), joint_marks(own))
        names = [Cell(where), Cell(heard.encoder), Cell(_method(inputs, test, heard))]
        rows.append([*names, number(apart), number(mixed), *tested_cells(test, inputs.level, difference)])
    caption = (
        f"UA in percent where the tested speakers are apart from training (scheme `{APART}`) and where they are in it "
        f"(`{MIXED}`): the same encoder, head and test utterances, and in each fold as many utterances of each emotion "
        f"to train and develop on. *worth*: mixed − apart, in points [95% interval]: what folds that share their "
        f"speakers add to a figure. {tests_note(inputs.level, tested)}"
        f"{interval_note(inputs, (test.difference for _, test in tested))}"
    )
    header = ["tested on", "encoder", "method", "apart", "mixed", "worth", *TESTED]
    return Table("heard", "What hearing the tested speakers is worth", caption + notes(inputs), header, rows)


def _method(inputs: Inputs, test: Comparison, heard: System) -> str:
    """Name the method as where speakers are apart, which is the default."""
    return (test.b if heard == test.a else test.a).method


def sentences(inputs: Inputs) -> list[str]:
    """Say what it is worth, a system at a time: by the mean over corpora or, of one corpus, in that."""
    found = list(_found(inputs))
    means = [one for one in found if one[0].train is None] or found
    return [
        f"To have heard the tested speakers in training is worth **{test.ahead(heard)} points** to `{heard.encoder}` "
        f"({_method(inputs, test, heard)}; {_where(test, own)}; Holm-corrected p {p_equals(test.adjusted)}"
        f"{null_note(test, inputs.level)})."
        for test, heard, own in means
    ]  # fmt: skip


def _where(test: Comparison, own: list[Result]) -> str:
    return f"mean over {len(own)} conditions {test.setting}" if test.train is None else f"on {test.test}"
