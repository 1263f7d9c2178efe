"""What the gap between corpora is made of: the table, and sentences of the means."""

from __future__ import annotations

from collections.abc import Sequence

from local.report import headline
from local.report.gaps import Gap
from local.report.material import NO_EARS, Inputs, System, baseline
from local.report.tables.cells import DASH, Cell, Table, interval_note, joint_marks, notes, number, trained

# The parts as tables call them, in the order in which they are taken off.
PARTS = {"priors": "thresholds", "shift": "shift", "concept": "concept"}
VIA = {"coral": "CORAL", "per-corpus": "standardised per corpus", "": "–"}
LANGUAGES = {"other": "two languages", "same": "one language"}
ORDER = (
    "In this order, and dependent on it: *thresholds*: zero-shot with a bias for each emotion, an **oracle's**, whose "
    "labels are of the test's other speakers; *shift*: that on adapted features; *concept*: the head that was "
    "trained on the test corpus, of which no threshold was moved. To a linear head a move of the mean is one of its "
    "thresholds, and so is in *thresholds*. The layer is each condition's own, by dev. Below 0: the step made it worse."
)


def shown(inputs: Inputs) -> list[Gap]:
    """Choose the gaps under one head: the one that dev prefers."""
    method, _ = headline.preferred(inputs, dict.fromkeys(gap.system.method for gap in inputs.gaps))
    return [gap for gap in inputs.gaps if gap.system.method == method]


def overall(gaps: Sequence[Gap]) -> list[Gap]:
    """Keep the means over pairs or, of a system that has none, its single pair; those of two languages first."""
    averaged = {(gap.system, gap.via, gap.languages) for gap in gaps if not gap.train}
    kept = [g for g in gaps if not g.train or (g.system, g.via, g.languages) not in averaged and len(g.train) == 1]
    systems = list(dict.fromkeys(gap.system for gap in kept))
    return sorted(kept, key=lambda gap: (systems.index(gap.system), list(LANGUAGES).index(gap.languages)))


def by_dev(inputs: Inputs, gaps: Sequence[Gap]) -> list[System]:
    """List the systems of gaps, the one that dev prefers across corpora first."""
    systems = dict.fromkeys(gap.system for gap in gaps)
    return sorted(systems, key=lambda system: -inputs.dev_ua([system], "across"))


def hears(inputs: Inputs, gap: Gap) -> bool:
    """Whether the gap is of an encoder with ears."""
    return baseline(inputs.specs[gap.system.encoder]) != NO_EARS


def table(inputs: Inputs) -> Table:
    """Every pair, the means first, under the head that dev prefers."""
    gaps = sorted(shown(inputs), key=lambda gap: bool(gap.train))
    several = len({gap.system.method for gap in inputs.gaps}) > 1
    which = f" Head: `{gaps[0].system.method}`, which dev prefers; the others are in `gap.csv`." if several else ""
    named = dict.fromkeys(System(gap.system.encoder, gap.tuned) for gap in gaps if gap.tuned)
    tuned = ", ".join(f"`{name}`" for name in dict.fromkeys(system.method for system in named))
    caption = (
        "UA in percent; parts of the drop, which they add up to, in points [95% interval over the same speakers, not "
        f"corrected for their number]. {ORDER} *mended by*: what took the shift away (– was not run: the shift is in "
        f"*concept*). *representation*: the encoder tuned on the test corpus{f' ({tuned})' if tuned else ''}, less the "
        "head on the frozen one (– was not run). *control*: what an oracle's thresholds would give the head of the "
        f"test corpus.{which}{interval_note(inputs, (gap.parts['drop'] for gap in gaps))}"
    )
    header = ["encoder", "train", "test", "languages", "mended by", "zero-shot", *PARTS.values(), "drop"]
    header += ["test corpus's head", "representation", "control", "n", "speakers"]
    rows = [_row(inputs, gap) for gap in gaps]
    caption += trained(inputs, [result for result in inputs.results if result.system in named])
    return Table("gap", "What the gap is made of", caption + notes(inputs, _results(inputs, gaps)), header, rows)


def _row(inputs: Inputs, gap: Gap) -> list[Cell]:
    where = [inputs.label(gap.train), inputs.label(gap.test)] if gap.train else [f"mean of {gap.pairs} pairs", "all"]
    before, after = gap.levels["drop"]
    pairs = [gap] if gap.train else [one for one in inputs.gaps if one.train and one.system == gap.system]
    return [
        Cell(gap.system.encoder), *map(Cell, where), Cell(LANGUAGES[gap.languages]), Cell(VIA[gap.via]),
        Cell(f"{100 * before:.1f}", joint_marks(_results(inputs, pairs)), value=before),
        *(_part(gap, part) for part in (*PARTS, "drop")), number(after),
        *(_part(gap, part) for part in ("representation", "control")), Cell(str(gap.n)), Cell(str(gap.speakers)),
    ]  # fmt: skip


def _part(gap: Gap, part: str) -> Cell:
    score = gap.parts.get(part)
    return Cell(score.signed(), value=score.ua) if score else DASH


def _results(inputs: Inputs, gaps: Sequence[Gap]) -> list:
    found = (inputs.result(gap.system, gap.train, gap.test) for gap in gaps if gap.train)
    return [result for result in found if result]


def sentences(inputs: Inputs) -> list[str]:
    """Say what the means show, a sentence an encoder with ears, the one that dev prefers first."""
    gaps = [gap for gap in overall(shown(inputs)) if hears(inputs, gap)] if inputs.gaps else []
    # CORAL stands before the other way.
    return [_sentence(inputs, next(g for g in gaps if g.system == system)) for system in by_dev(inputs, gaps)]


def _sentence(inputs: Inputs, gap: Gap) -> str:
    over = f"mean over {gap.pairs} pairs of {LANGUAGES[gap.languages]}" if not gap.train else "one pair"
    steps = {"priors": "an oracle's thresholds", "shift": VIA[gap.via], "concept": "a head of the test corpus"}
    mended = ", ".join(f"{steps[part]} {gap.parts[part].signed()}" for part in PARTS if part in gap.parts)
    more = f"; tuning there adds {gap.parts['representation'].signed()}" if "representation" in gap.parts else ""
    return (
        f"**What the gap is made of** ({over}): `{inputs.name(gap.system)}` loses {gap.parts['drop']} points. Mended "
        f"one after the other: {mended}{more}."
    )
