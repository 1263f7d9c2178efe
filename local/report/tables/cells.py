"""What tables are built of: cells, the marks that qualify them, and the words that captions share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.report.material import Inputs, PairedTest, Result, Score, System

MARKS = {
    "†": "the encoder's pre-training saw audio of the test corpus, without labels",
    "‡": "the encoder's pre-training saw audio of a training corpus, not of the test corpus",
    "§": "layers and epochs were chosen on labelled data of the test corpus (cross_dev = target)",
    "¶": "a corpus of one speaker: its parts share the speaker; where it is tested, the interval is over utterances",
    "‖": "random folds: training and test share speakers",
    "◊": "some people who are tested have trained the very model that tests them, in another corpus or set",
}
TESTED = ["n", "speakers", "p", "p Holm"]  # the last columns of a table of paired tests
_NUMBER = re.compile(r"[-<+]?\s*\d")


@dataclass(frozen=True)
class Cell:
    """Text with the marks that qualify it; ``best`` sets it off, ``value`` sorts it."""

    text: str
    marks: str = ""
    best: bool = False
    value: float | None = None


DASH = Cell("–")  # what was not run, or is not known


@dataclass(frozen=True)
class Table:
    """A table and all that its reader must know.

    Attributes
    ----------
    key : str
        Anchor on the page.
    title, caption : str
        Caption in Markdown: what is in it, over what, in which unit.
    header : list of str
    rows : list of list of Cell
    made_by : str
        ``probe``, ``finetune``, ``sed`` or ``data``: the stage from which on its command runs.
    marks : str
        Marks used in it.
    long : bool
        RESULTS.md prints its first rows and says where the others are.
    """

    key: str
    title: str
    caption: str
    header: list[str]
    rows: list[list[Cell]]
    made_by: str = "probe"
    long: bool = False
    marks: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", _in_order(mark for row in self.rows for cell in row for mark in cell.marks))

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, with dashes where there is none."""
        columns = zip(*([cell.text for cell in row] for row in self.rows), strict=True)
        return [
            all(_NUMBER.match(text) or text == "–" for text in column) and any(text != "–" for text in column)
            for column in map(list, columns)
        ]


def marks(result: Result) -> str:
    """Qualify a result: what a reader must know before comparing it with others.

    Parameters
    ----------
    result : Result
        A condition.

    Returns
    -------
    str
        Keys of :data:`MARKS`.
    """
    found = ""
    if result.contaminated:
        found += "†" if result.test in result.contaminated else "‡"
    if result.cross_dev == "target" and result.group == "across":
        found += "§"
    if result.one_speaker or result.resampled == "utterance":
        found += "¶"
    if result.scheme == "random":
        found += "‖"
    # The marks before say so already.
    return found + ("◊" if result.voices_seen and not {"¶", "‖"} & set(found) else "")


def joint_marks(results: Iterable[Result]) -> str:
    """Qualify a mean over conditions by all that qualifies any of them."""
    return _in_order(mark for result in results for mark in marks(result))


def _in_order(used: Iterable[str]) -> str:
    found = set(used)
    return "".join(mark for mark in MARKS if mark in found)


def score_cell(score: Score | None, qualified: str = "", best: bool = False) -> Cell:
    """Print a score; None, for what was not run, as a dash."""
    return Cell(str(score), qualified, best, score.ua) if score else DASH


def result_cell(result: Result | None, best: bool = False) -> Cell:
    """Print a condition's headline with its marks; None, for what was not run, as a dash."""
    return score_cell(result.headline, marks(result), best) if result else DASH


def number(value: float | None, digits: int = 1, scale: float = 100) -> Cell:
    """Print a number, a fraction of 1 as percent; None as a dash."""
    return DASH if value is None else Cell(f"{scale * value:.{digits}f}", value=value)


def p_value(p: float) -> str:
    """Print a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tested_cells(inputs: Inputs, test: PairedTest) -> list[Cell]:
    """Print a paired test: both scores, their difference, and the columns of :data:`TESTED`."""
    return [
        number(test.ua_a),
        number(test.ua_b),
        score_cell(test.difference),
        Cell(str(test.n)),
        Cell(str(test.speakers)),
        Cell(p_value(test.p), value=test.p),
        Cell(p_value(test.adjusted), best=test.adjusted < inputs.level, value=test.adjusted),
    ]


def parameters(results: Iterable[Result]) -> Cell:
    """Count what was trained, one number or, where layers or strategies differ, a range."""
    counts = sorted({int(result.params) for result in results})
    return Cell(" to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))), value=counts[-1])


def trained(inputs: Inputs, results: Iterable[Result]) -> str:
    """Say in a caption how many parameters tuned encoders train; nothing where there are none."""
    by_system: dict[System, list[Result]] = {}
    for result in results:
        if result.tuned:
            by_system.setdefault(result.system, []).append(result)
    counts = [f"{inputs.name(s)} {parameters(by_system[s]).text}" for s in inputs.systems if s in by_system]
    return f" Trained parameters: {'; '.join(counts)}." if counts else ""


def code(names: Iterable[str]) -> str:
    """List names in Markdown, as code."""
    return ", ".join(f"`{name}`" for name in names)


def system_cells(inputs: Inputs, system: System, results: Sequence[Result] = ()) -> list[Cell]:
    """Name a system in a row, under :func:`system_header`."""
    cells = [Cell(system.encoder)] + ([Cell(system.method)] if len(inputs.methods) > 1 else [])
    return cells + ([parameters(results or inputs.of(system))] if inputs.strategies else [])


def system_header(inputs: Inputs) -> list[str]:
    """Name the columns of systems: methods are heads of frozen encoders, strategies of tuned ones, or both."""
    column = "head" if not inputs.strategies else "method" if inputs.heads else "strategy"
    return ["encoder"] + ([column] if len(inputs.methods) > 1 else []) + (["parameters"] if inputs.strategies else [])


def dev_note(inputs: Inputs) -> str:
    """Warn in a caption where labelled data of the test corpus chose layers and epochs."""
    across = {result.cross_dev for result in inputs.results if result.group == "across"}
    if "target" not in across:
        return ""
    where = "Across corpora" if len(across) == 1 else "Across corpora, where §"
    return f" **{where}, layers and epochs were chosen on labelled data of the test corpus.**"


def called_head(method: str) -> str:
    """Call a head, and behind that say what else was done: ``linear head``, ``linear head without 2 components``."""
    head, space, rest = method.partition(" ")
    return f"{head} head{space}{rest}"


def with_method(inputs: Inputs, method: str) -> str:
    """Say in a sentence how scores came about: ``with the linear head``, ``tuned by `lora```."""
    if method in inputs.heads:
        return f"with the {called_head(method)}"
    if method.split()[0] == "head":
        return f"with nothing but the head trained (strategy `{method}`)"
    return f"tuned by `{method}`"
