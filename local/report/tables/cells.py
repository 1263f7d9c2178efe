"""What tables are built of: cells, the marks that qualify them, and the words that captions share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isinf, isnan

from local.report.conditions import Result
from local.report.material import Inputs, System
from local.report.scores import PairedTest, Score
from local.results import heard

MARKS = {
    "†": "the encoder's pre-training saw audio of the test corpus, without labels",
    "★": "the encoder was taught the emotions of the test corpus, whichever folds test it here",
    "‡": "the encoder's training saw audio of a training corpus, with or without labels, not of the test corpus",
    "?": "not all that the encoder was trained on is listed: it may have heard the test corpus",
    "§": "layers and epochs were chosen on labelled data of the test corpus (cross_dev = target)",
    "¶": "a corpus of one speaker: its parts share the speaker; where it is tested, the interval is over utterances",
    "‖": "the folds let speakers of the test into training or dev (audit)",
    "◊": "some people who are tested have trained the very model that tests them, in another corpus or set",
}
# What the encoder heard of the test corpus (local/results/heard.py), and any mark that says that it heard something.
HEARD = {heard.PLAIN: "†", heard.LABELS: "★", heard.UNKNOWN: "?"}
# The last columns of a table of paired tests.
TESTED = ["n", "speakers", "df", "p", "smallest p", "p Holm", "q", "tests", "detectable"]
NAMED = 8  # systems that a caption names
_NUMBER = re.compile(r"[-<+]?\s*[\d∞]")


@dataclass(frozen=True)
class Cell:
    """Text with the marks that qualify it; ``best`` sets it off, ``value`` sorts it, ``audio`` (MP3) can be played."""

    text: str
    marks: str = ""
    best: bool = False
    value: float | None = None
    audio: bytes = b""


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
        ``probe``, ``finetune``, ``score``, ``sed`` or ``data``: the stage from which on its command runs.
    marks : str
        Marks used in it.
    """

    key: str
    title: str
    caption: str
    header: list[str]
    rows: list[list[Cell]]
    made_by: str = "probe"
    marks: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", _in_order(mark for row in self.rows for cell in row for mark in cell.marks))

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, with dashes where there is none."""
        columns = zip(*([cell.text for cell in row] for row in self.rows), strict=True)
        return [
            all(_NUMBER.match(text) or text[:1] == "–" for text in column) and any(map(_NUMBER.match, column))
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
    how = result.heard.get(result.test)
    found += HEARD.get(how, "")
    if how in (None, heard.UNKNOWN) and {heard.PLAIN, heard.LABELS}.intersection(result.heard.values()):
        found += "‡"
    if result.cross_dev == "target" and result.group == "across":
        found += "§"
    if result.one_speaker or result.resampled == "utterance":
        found += "¶"
    if result.shared:
        found += "‖"
    # The marks before say so already.
    return _in_order(found + ("◊" if result.voices_seen and not {"¶", "‖"} & set(found) else ""))


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


def p_equals(p: float) -> str:
    """Write a p value as the right side of an equation, or of an inequality."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def freedom(df: float) -> Cell:
    """Print degrees of freedom; endless where chance alone explains how speakers differ, a dash without interval."""
    return DASH if isnan(df) else Cell("∞" if isinf(df) else f"{df:.1f}", value=min(df, 1e9))


def tested_cells(test: PairedTest, level: float, difference: Cell) -> list[Cell]:
    """Print a paired test: the difference, and the columns of :data:`TESTED`."""
    limits = (test.detectable, test.smallest), (test.detectable_family, test.reachable)
    alone, first = (f"{100 * size:.1f}" if least < level else "–" for size, least in limits)
    nothing = isnan(test.detectable) or alone == "–"
    return [
        difference,
        Cell(str(test.n)),
        Cell(str(test.speakers)),
        freedom(test.difference.df),
        Cell(p_value(test.p), value=test.p),
        Cell(p_value(test.smallest), value=test.smallest),
        Cell(p_value(test.adjusted), best=test.adjusted < level, value=test.adjusted),
        Cell(p_value(test.q), value=test.q),
        Cell(str(test.tests)),
        Cell(("–" if nothing else f"{alone} / {first}") + equivalent(test), value=None if nothing else test.detectable),
    ]


def equivalent(test: PairedTest) -> str:
    """Call a difference equivalent to none, where it was shown to be smaller than the margin; else say nothing."""
    return f", equivalent within ±{100 * test.margin:g}" if test.equivalent else ""


def tests_note(level: float, tested: Iterable[tuple[str, PairedTest]]) -> str:
    """Say in a caption what a table's tests are and, beforehand, where they can show nothing.

    Parameters
    ----------
    level : float
        Of the tests.
    tested : iterable of (str, PairedTest)
        Each with the name of what it was tested on.
    """
    return (
        "Paired randomisation test on the same utterances, two-sided, which flips signs of speakers (of one speaker: "
        "of utterances); *smallest p*: that so many speakers allow. A family is what one table shows "
        f"(docs/statistics.md), of so many *tests*; p after Holm (bold: < {level:.2g}), q after Benjamini and "
        "Hochberg. p after Holm rules: an interval is of one difference alone, and may leave out 0 all the same. "
        "*detectable*: points of a true difference that a t-test would have seen in 80% of such experiments, alone / "
        "as the first of its family (– where no p could be small enough, or not known); *equivalent*: shown to be "
        f"smaller than the margin, by two one-sided t-tests (Holm in the same family).{impossible(level, tested)}"
    )


def impossible(level: float, tested: Iterable[tuple[str, PairedTest]]) -> str:
    """Say in a caption, as :func:`tests_note` does, where nothing could have been significant."""
    where: dict[str, list[PairedTest]] = {}
    for name, test in tested:
        where.setdefault(name, []).append(test)
    from utils.significance import EXACT_BLOCKS

    hopeless = [name for name, tests in where.items() if all(test.reachable >= level for test in tests)]
    if not hopeless:
        return ""
    return (
        f" **Beforehand: on {', '.join(hopeless)} no difference could be significant, however large: the speakers "
        f"(of more than {EXACT_BLOCKS}: `score.permutations`) are too few for a family of so many tests.**"
    )


def null_note(test: PairedTest, level: float) -> str:
    """Say of a difference that is not significant what could have been seen; nothing of one that is."""
    if test.adjusted < level:
        return ""
    if test.reachable >= level:
        return f": not shown to differ, as no difference could have been{equivalent(test)}"
    if isnan(test.detectable_family):
        return ": not shown to differ, and what could have been seen is not known"
    return f": not shown to differ; {100 * test.detectable_family:.1f} points were detectable{equivalent(test)}"


def unseen(tests: Iterable[PairedTest], level: float) -> str:
    """Say which differences the tests of several that are not significant could have seen, each in its family.

    Returns
    -------
    str
        ``7.1 to 12.0 points were detectable``; of those whose smallest p was too large, and of equivalent ones, how
        many; nothing where all are significant.
    """
    nulls = [test for test in tests if test.adjusted >= level]
    seen = sorted(100 * t.detectable_family for t in nulls if t.reachable < level and t.detectable_family > 0)
    ends = " to ".join(dict.fromkeys(f"{size:.1f}" for size in seen[:1] + seen[-1:]))
    said = [f"{ends} points were detectable"] if seen else []
    hopeless = sum(test.reachable >= level for test in nulls)
    if hopeless:
        said.append(f"in {hopeless} no difference could be significant")
    alike = [test for test in nulls if test.equivalent]
    if alike:
        said.append(f"{len(alike)} equivalent within ±{100 * alike[0].margin:g}")
    return ", ".join(said or ["what could have been seen is not known"]) if nulls else ""


def interval_note(inputs: Inputs, scores: Iterable[Score]) -> str:
    """Say in a caption what the intervals of scores are, with their degrees of freedom."""
    drawn = inputs.experiment.score.interval == "bootstrap"
    kind = "percentile bootstrap over speakers, too narrow with few" if drawn else "t over speakers"
    seeds = " and, where there are several, seeds, whose variance is in" if inputs.seeds > 1 else ""
    known = sorted({score.df for score in scores if not isnan(score.df)})
    if not known:
        return ""
    ends = " to ".join(dict.fromkeys((freedom(known[0]).text, freedom(known[-1]).text)))
    return f" Intervals: {kind}{seeds}; {ends} degrees of freedom."


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
    if len(counts) > NAMED:
        every = parameters(result for own in by_system.values() for result in own).text
        return f" Trained parameters: {every}; of each system, in *Encoders at a glance*."
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


def notes(inputs: Inputs, results: Iterable[Result] | None = None) -> str:
    """Warn in a caption where data of the test corpus, beside what is tested, was used across corpora.

    Parameters
    ----------
    inputs : Inputs
        All results.
    results : iterable of Result, optional
        Those that the caption is of; all where not given.
    """
    across = [result for result in (inputs.results if results is None else results) if result.group == "across"]
    note, choices = "", {result.cross_dev for result in across}
    if "target" in choices:
        where = "Across corpora" if len(choices) == 1 else "Across corpora, where §"
        note += f" **{where}, layers and epochs were chosen on labelled data of the test corpus.**"
    scaled = {(r.factors.get("normalise") == "per-corpus", r.system.method) for r in across}
    own = sorted(method for per_corpus, method in scaled if per_corpus)
    if own:
        which = "" if len(own) == len(scaled) else f" of {code(own)}"
        note += (
            f" **Across corpora, features{which} are standardised by the test corpus's own training lists, without "
            "labels: that corpus is not wholly unheard.**"
        )
    return note


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
