"""What losses beside the cross entropy gain, and what else might have: one table, and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local.grid.factors import known
from local.losses import parse
from local.report.aligned import Ablation
from local.report.material import Inputs, System
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    interval_note,
    joint_marks,
    notes,
    null_note,
    p_equals,
    p_value,
    score_cell,
    tested_cells,
    tests_note,
    trained,
)  # fmt: skip

OWN = "the target's own labels"
PLAIN = "cross entropy"
DEFAULTS = {"sampler": "batches as they come"}  # what is not mentioned elsewhere
TITLE = "Zero-shot: what losses gain over cross entropy"


def what(test: Ablation) -> str:
    """Say in few words what a system has that cross entropy alone has not."""
    if test.factor == "train":
        return OWN
    factor = next(factor for factor in known(test.stage) if factor.name == test.factor)
    return factor.says(test.value) or DEFAULTS.get(test.factor, f"{test.factor} {test.value}")


def called(inputs: Inputs, system: System) -> str:
    """Call a system by what tells it from others here."""
    for test in inputs.aligned.tests:
        if system in (test.a, test.b):
            return what(test) if system == test.a else PLAIN
    return system.method


def means(inputs: Inputs) -> list[Ablation]:
    """Keep means over tested corpora; of what was tested on one, its tests."""
    averaged = {test.b for test in inputs.aligned.tests if test.test == "*"}
    return [test for test in inputs.aligned.tests if (test.test == "*") == (test.b in averaged)]


def short(inputs: Inputs) -> Table | None:
    """Give the means, ways down and encoders across; None where nothing of the kind was asked."""
    tests = means(inputs)
    columns = _by_base(tests)
    if not columns:
        return None
    rows = [[Cell(PLAIN), *(_reached(inputs, base) for base in columns)]]
    for way in dict.fromkeys(map(what, tests)):
        own = [next((test for test in members if what(test) == way), None) for members in columns.values()]
        rows.append([Cell(way), *(_gained(inputs, test) for test in own)])
    caption = (
        f"UA in percent by cross entropy alone, mean over tested corpora, of which nothing is labelled [95% interval]; "
        f"below it, points that others have more, on batches drawn alike. *{OWN}*: trained on that corpus alone, on "
        f"other speakers. Paired tests over speakers, all one family; bold: Holm's p < {inputs.level:.2g}; q: after "
        "Benjamini and Hochberg; behind it the true difference that 80% of such experiments would have shown, as the "
        "first of the family (– where none could)."
    )
    if any(test.factor in ("normalise", "adapt") for test in tests):
        caption += " What is standardised per corpus, or adapted, uses audio of the target, without labels."
    return Table("ablation-short", TITLE, caption, ["trained", *(_column(inputs, base) for base in columns)], rows)


def _column(inputs: Inputs, base: System) -> str:
    """Name an encoder, how it is trained, and what else all of a column have."""
    encoder, how = (cell.text for cell in _names(inputs, base))
    more = [what(test) for test in means(inputs) if test.a == base]  # compared itself, and compared with
    return ", ".join([encoder, how, *more])


def _gained(inputs: Inputs, test: Ablation | None) -> Cell:
    if test is None:
        return DASH
    seen = test.detectable_family > 0 and test.reachable < inputs.level
    size = f"{100 * test.detectable_family:.1f}" if seen else "–"
    text = f"{test.difference.signed()}, q {p_value(test.q)}, {size}"
    return Cell(text, best=test.adjusted < inputs.level, value=test.difference.ua)


def table(inputs: Inputs) -> Table:
    """Give every test, the means first."""
    rows, tested = [], []
    for test in sorted(inputs.aligned.tests, key=lambda one: one.test != "*"):
        where = "all, mean" if test.test == "*" else inputs.label(test.test)
        tested.append((where, test))
        reached = [_reached(inputs, system, test.test) for system in (test.a, test.b)]
        difference = score_cell(test.difference, joint_marks([*inputs.of(test.a), *inputs.of(test.b)]))
        cells = tested_cells(test, inputs.level, difference)
        rows.append([*_names(inputs, test.a), Cell(what(test)), Cell(where), *reached, *cells])
    caption = (
        f"Beside cross entropy alone, on batches drawn in the same way; *{OWN}*: trained on the tested corpus and on "
        "no other, which is what there is to gain. UA in percent, differences in points [95% interval]. The means are "
        "one family, single corpora another. Strengths of losses, layer and epochs are chosen by leaving out one "
        "training language after the other (frozen), or taken from there (tuned); scores.csv names them. "
        f"{tests_note(inputs.level, tested)}{interval_note(inputs, (test.difference for _, test in tested))}"
        f"{trained(inputs, inputs.results)}{notes(inputs)}"
    )
    header = ["encoder", "trained", "with", "tested on", "UA", "UA, cross entropy", "difference", *TESTED]
    return Table("ablation", TITLE, caption, header, rows)


def sentences(inputs: Inputs) -> list[str]:
    """Say of every encoder what all losses together gain, how many ways were better, and what there was to gain."""
    said = []
    for base, tests in _by_base(means(inputs)).items():
        losses = [test for test in tests if test.factor == "loss"]
        most = max(losses, key=lambda test: len(parse(test.value)))
        ways = [test for test in tests if test.factor != "train"]
        better = [what(test) for test in ways if test.adjusted < inputs.level and test.difference.ua > 0]
        own = [f"; {OWN} give {test.difference.signed()}" for test in tests if test.factor == "train"]
        encoder, how = (cell.text for cell in _names(inputs, base))
        said.append(
            f"**Zero-shot**, `{encoder}`, {how}: {what(most)}, {most.difference.signed()} points over cross entropy "
            f"(Holm's p {p_equals(most.adjusted)}, q {p_equals(most.q)}{null_note(most, inputs.level)}). "
            f"Of {len(ways)} ways, {f'{len(better)} ({_listed(better)})' if better else 'none'} shown to be "
            f"better{''.join(own)}."
        )
    return said


def _listed(names: Iterable[str]) -> str:
    return "; ".join(names)


def _by_base(tests: Sequence[Ablation]) -> dict[System, list[Ablation]]:
    found: dict[System, list[Ablation]] = {}
    for test in tests:
        found.setdefault(test.b, []).append(test)
    return found


def _names(inputs: Inputs, system: System) -> list[Cell]:
    one = inputs.of(system)[0]
    return [Cell(system.encoder), Cell(f"tuned, {one.factors['method']}" if one.tuned else "frozen")]


def _reached(inputs: Inputs, system: System, test: str = "*") -> Cell:
    """Say what a system reaches on a corpus, or on all of them."""
    results = [result for result in inputs.of(system) if test in ("*", result.test)]
    if len(results) == 1:
        return score_cell(results[0].headline, joint_marks(results))
    group = results[0].group
    return score_cell(inputs.means[system, group]["dev"], joint_marks(inputs.of(system, group)))
