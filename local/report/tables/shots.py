"""Does a source help where few utterances of the test corpus are known, and up to how many?"""

from __future__ import annotations

from collections.abc import Sequence

from local.report.conditions import Result
from local.report.material import Inputs
from local.report.scores import ShotsTest
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    interval_note,
    joint_marks,
    notes,
    number,
    score_cell,
    tested_cells,
    tests_note,
    unseen,
)  # fmt: skip

Row = tuple[str, str, str, str]  # encoder, method, trained on, tested on
NEVER = "never"


def _by_row(inputs: Inputs) -> dict[Row, list[ShotsTest]]:
    """Gather tests that differ in the number of shots alone, by that number."""
    found: dict[Row, list[ShotsTest]] = {}
    for test in sorted(inputs.shots, key=lambda one: one.shots):
        found.setdefault((test.system.encoder, _head(test), test.train, test.test), []).append(test)
    return found


def _head(test: ShotsTest) -> str:
    return test.system.method.replace(f" {test.shots} shots", "")


def helps_to(tests: Sequence[ShotsTest], level: float) -> int:
    """Tell the largest number of shots at which a source is significantly ahead, after Holm; 0 where it never is."""
    return max((one.shots for one in tests if one.difference.ua > 0 and one.adjusted < level), default=0)


def until(inputs: Inputs) -> Table:
    """A row a pair: what the source adds to each number of shots, and up to which it helps."""
    sizes = sorted({one.shots for one in inputs.shots})
    rows = []
    for (encoder, method, train, test), tests in _by_row(inputs).items():
        by_size = {one.shots: one for one in tests}
        gains = [
            Cell(f"{100 * one.difference.ua:+.1f}", best=one.adjusted < inputs.level, value=one.difference.ua)
            if (one := by_size.get(size)) else DASH for size in sizes
        ]  # fmt: skip
        most = helps_to(tests, inputs.level)
        rows.append([*_where(encoder, method, train, test), *gains, Cell(str(most) if most else NEVER, value=most)])
    caption = (
        "Points of UA by which heads that start from a source are ahead of heads that start from nothing, with so many "
        f"labelled utterances of the test corpus; bold: p after Holm < {inputs.level:.2g} in the family of the next "
        "table. *helps up to*: the largest number at which the source is significantly ahead. A dash: the train lists "
        "do not hold as many." + notes(inputs, inputs.few)
    )
    header = ["encoder", "head", "trained on", "tested on", *map(str, sizes), "helps up to"]
    return Table("shots-until", "Up to how many shots does a source help?", caption, header, rows)


def table(inputs: Inputs) -> Table:
    """Every pair and number of shots, with a source and without."""
    rows, tested = [], []
    for (encoder, method, train, test), tests in _by_row(inputs).items():
        for one in tests:
            tested.append(("all pairs" if test == "*" else test, one))
            difference = score_cell(one.difference, joint_marks(_members(inputs, one)))
            cells = [Cell(str(one.shots), value=one.shots), number(one.ua_a), number(one.ua_b)]
            rows.append([*_where(encoder, method, train, test), *cells, *tested_cells(one, inputs.level, difference)])
    draws = inputs.experiment.probe.draws
    caption = (
        "Matched contrasts: the same labelled utterances of the test corpus, draw by draw, and the same test. UA in "
        f"percent, mean over {draws} draws; difference in points [95% interval for other speakers and other draws from "
        "the same train lists]. All pairs and numbers of shots of a system are one family, means over pairs another. "
        f"{tests_note(inputs.level, tested)}{interval_note(inputs, (one.difference for _, one in tested))}"
    )
    header = ["encoder", "head", "trained on", "tested on", "shots", "with the source", "alone", "difference", *TESTED]
    return Table("shots", "Few shots, with a source and alone", caption + notes(inputs, inputs.few), header, rows)


def _where(encoder: str, method: str, train: str, test: str) -> list[Cell]:
    every = (train, test) == ("*", "*")
    return [Cell(encoder), Cell(method), Cell("mean" if every else train), Cell("all pairs" if every else test)]


def _members(inputs: Inputs, test: ShotsTest) -> list[Result]:
    return [
        own for own in inputs.few
        if own.system == test.system and (test.train, test.test) in (("*", "*"), ("+".join(own.train), own.test))
    ]  # fmt: skip


def sentences(inputs: Inputs) -> list[str]:
    """Say, of every system, in how many pairs a source helps, and up to how many shots; first of dev's choice."""
    said = []
    dev = {(one.encoder, one.method): inputs.dev_ua([one], "across") for one in inputs.headlines("across")}
    means = [(row, mean) for row, mean in _by_row(inputs).items() if row[2] == "*"]
    for (encoder, method, _, _), mean in sorted(means, key=lambda own: -dev.get(own[0][:2], 0)):
        rows = _by_row(inputs).items()
        pairs = [own for row, own in rows if row[:2] == (encoder, method) and row[2] in _trains(inputs)]
        most = [helps_to(own, inputs.level) for own in pairs]
        upto = helps_to(mean, inputs.level)
        words = f"up to {upto} utterances" if upto else f"at no number of utterances ({unseen(mean, inputs.level)})"
        said.append(
            f"**Few shots**, `{encoder}` with `{method}`: over all pairs, a source helps {words} of the test corpus; "
            f"in single pairs, in {sum(map(bool, most))} of {len(pairs)}"
            + (f", up to {max(most)}." if any(most) else ".")
        )
    return said


def _trains(inputs: Inputs) -> set[str]:
    return {"+".join(own.train) for own in inputs.few}
