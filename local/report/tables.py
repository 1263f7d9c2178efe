"""The report's tables, as data: RESULTS.md and the page print the same cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.report.inputs import GROUPS, SETTINGS, Inputs, Result, Score, System

MARKS = {
    "†": "the encoder's pre-training saw audio of the test corpus, without labels",
    "‡": "the encoder's pre-training saw audio of a training corpus, not of the test corpus",
    "§": "layers and epochs were chosen on labelled data of the test corpus (cross_dev = target)",
    "¶": "a corpus of one speaker: its parts share the speaker; where it is tested, the interval is over utterances",
    "‖": "random folds: training and test share speakers",
}
_NUMBER = re.compile(r"[-<+]?\s*\d")
SHOWN = 40  # rows of a long table that RESULTS.md prints


@dataclass(frozen=True)
class Cell:
    """Text with the marks that qualify it; ``best`` sets it off, ``value`` sorts it."""

    text: str
    marks: str = ""
    best: bool = False
    value: float | None = None


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
        ``probe``, ``sed`` or ``data``: the stage from which on its command runs.
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
        used = {mark for row in self.rows for cell in row for mark in cell.marks}
        object.__setattr__(self, "marks", "".join(mark for mark in MARKS if mark in used))

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
    meta = result.meta
    found = ""
    if meta["contaminated"]:
        found += "†" if result.test in meta["contaminated"] else "‡"
    if meta["cross_dev"] == "target" and result.group == "across":
        found += "§"
    if meta["one_speaker"] or result.row["resampled"] == "utterance":
        found += "¶"
    return found + ("‖" if meta["scheme"] == "random" else "")


def joint_marks(results: Iterable[Result]) -> str:
    """Qualify a mean over conditions by all that qualifies any of them."""
    used = {mark for result in results for mark in marks(result)}
    return "".join(mark for mark in MARKS if mark in used)


def score_cell(score: Score | None, qualified: str = "", best: bool = False) -> Cell:
    """Print a score; None, for what was not run, as a dash."""
    return Cell(str(score), qualified, best, score.ua) if score else Cell("–")


def number(value: float, digits: int = 1, scale: float = 100) -> Cell:
    """Print a number, a fraction of 1 as percent."""
    return Cell(f"{scale * value:.{digits}f}", value=value)


def _system_cells(inputs: Inputs, system: System) -> list[Cell]:
    return [Cell(system.encoder)] + ([Cell(system.method)] if len(inputs.methods) > 1 else [])


def _system_header(inputs: Inputs) -> list[str]:
    return ["encoder"] + (["head"] if len(inputs.methods) > 1 else [])


def means(inputs: Inputs) -> Table:
    """UA of every system, mean over conditions within and across corpora and by setting."""
    present = {group for _, group in inputs.means}
    groups = [group for group in GROUPS if group in present]
    if "drop" in present:
        groups.append("drop")
    if inputs.settings_matter:
        groups += [group for group in SETTINGS if group in present]
    best = {group: max(score.ua for score in inputs.headlines(group).values()) for group in groups}
    rows = []
    for system in inputs.systems:
        row = _system_cells(inputs, system)
        for group in groups:
            score = inputs.means.get((system, group), {}).get("dev")
            members = inputs.of(system, None if group == "drop" else group)
            top = score is not None and group != "drop" and score.ua == best[group] and len(inputs.systems) > 1
            row.append(score_cell(score, joint_marks(members), top))
        rows.append(row)
    caption = "UA in percent [95% interval], mean over conditions"
    counts = [f"{group} {len(inputs.of(inputs.systems[0], group))}" for group in groups if group in GROUPS]
    caption += f" ({', '.join(counts)}); layers chosen on dev. Chance is {100 * inputs.chance:.0f}."
    if "drop" in groups:
        caption += " *drop*: points that UA falls from training on the test corpus to training on another one."
    return Table("means", "Encoders at a glance", caption + _dev_note(inputs), _system_header(inputs) + groups, rows)


def by_condition(inputs: Inputs, method: str) -> Table:
    """Headline UA of one method: conditions down, encoders across."""
    chosen = [result for result in inputs.results if result.system.method == method]
    encoders = [encoder for encoder in inputs.encoders if System(encoder, method) in inputs.systems]
    conditions: dict[tuple[str, tuple[str, ...]], dict[str, Result]] = {}
    for result in chosen:
        conditions.setdefault((result.test, result.train), {})[result.system.encoder] = result
    rows = []
    for (test, train), found in conditions.items():
        top = max(result.headline.ua for result in found.values())
        any_result = next(iter(found.values()))
        row = [Cell(inputs.label(train)), Cell(inputs.label(test))]
        row += [Cell(any_result.row["n_test"]), Cell(any_result.row["speakers"])]
        for encoder in encoders:
            result = found.get(encoder)
            best = result is not None and len(encoders) > 1 and result.headline.ua == top
            row.append(score_cell(result and result.headline, marks(result) if result else "", best))
        rows.append(row)
    several = len(inputs.methods) > 1
    return Table(
        f"conditions-{method}",
        "UA by condition" + (f": {method} head" if several else ""),
        f"UA in percent [95% interval] with the {method} head; n test utterances of so many speakers, pooled over "
        f"folds; layers chosen on dev; best of each row in bold." + _dev_note(inputs),
        ["train", "test", "n", "speakers", *encoders],
        rows,
    )


def everything(inputs: Inputs) -> Table:
    """Every condition in full."""
    rows = []
    for result in inputs.results:
        row = result.row
        selected = ", ".join(f"{layer} ({times})" if len(result.selected) > 1 else str(layer)
                             for layer, times in result.selected.items())  # fmt: skip
        recalls = [number(float(row[f"recall_{e}"])) if row[f"recall_{e}"] else Cell("–") for e in inputs.emotions]
        rows.append(
            [
                *_system_cells(inputs, result.system),
                Cell(inputs.label(result.train)),
                Cell(inputs.label(result.test)),
                Cell(result.meta["setting"]),
                score_cell(result.headline, marks(result)),
                Cell(row["n_test"]),
                Cell(row["speakers"]),
                number(float(row["wa"])),
                number(float(row["macro_f1"])),
                *recalls,
                Cell(selected),
            ]
        )
    header = ["train", "test", "setting", "UA", "n", "speakers", "WA", "macro-F1", *inputs.emotions, "layers"]
    caption = (
        "UA [95% interval], WA, macro-F1 and recall of each emotion, in percent; recalls are pooled over the test "
        "utterances of all folds and averaged over seeds. *layers*: those that dev chose (in how many folds and seeds)."
    )
    return Table("all", "Every condition in full", caption + _dev_note(inputs), _system_header(inputs) + header, rows)


def by_layer(inputs: Inputs) -> Table:
    """UA at every layer of the encoders that have several, mean over conditions."""
    groups = [group for group in GROUPS if any(key[1] == group for key in inputs.means)]
    rows = []
    for system in inputs.systems:
        columns = [inputs.means.get((system, group), {}) for group in groups]
        layers = [layer for layer in next(column for column in columns if column) if layer != "dev"]
        if len(layers) > 1:
            qualified = [joint_marks(inputs.of(system, group)) for group in groups]
            for layer in layers:
                cells = [score_cell(column.get(layer), mark) for column, mark in zip(columns, qualified, strict=True)]
                rows.append([*_system_cells(inputs, system), Cell(str(layer)), *cells])
    caption = (
        "UA in percent [95% interval] at each layer, mean over conditions. Layer 0 is what enters the first "
        "transformer block. For looking only: a layer that is picked here was picked on test data."
    )
    return Table(
        "layers", "UA by layer", caption + _dev_note(inputs), [*_system_header(inputs), "layer", *groups], rows
    )  # fmt: skip


def _comparison_rows(inputs: Inputs, comparisons: Sequence[dict[str, str]], named: bool) -> list[list[Cell]]:
    found = {(r.system, r.test, r.train): marks(r) for r in inputs.results}
    rows = []
    for c in comparisons:
        a, b = (System(*c[side].rsplit(".", 1)) for side in "ab")
        if named:
            train = tuple(c["train"].split("+"))
            where = [Cell(inputs.label(train)), Cell(inputs.label(c["test"])), Cell(c["setting"])]
            qualified = [found.get((system, c["test"], train), "") for system in (a, b)]
        else:
            where = [Cell(c["setting"])]
            qualified = [joint_marks(inputs.of(system, c["setting"])) for system in (a, b)]
        score = Score(*(float(c[key]) for key in ("diff", "lo", "hi")))
        p, adjusted = float(c["p"]), float(c["p_holm"])
        rows.append(
            [
                *where,
                Cell(inputs.name(a), qualified[0]),
                Cell(inputs.name(b), qualified[1]),
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


_COMPARED = ["a", "b", "UA a", "UA b", "a − b", "n", "speakers", "p", "p Holm"]
_TEST = (
    "Paired test of UA (percent; difference in points [95% interval]) on the same utterances: randomisation "
    "with speakers as blocks (with one speaker: utterances), two-sided. Holm's correction within each question: all "
    "encoders under one head, or all heads on one encoder, in one condition. Bold: significant."
)


def compared_means(inputs: Inputs) -> Table:
    """Systems compared by their means over conditions."""
    chosen = sorted(
        (row for row in inputs.comparisons if row["train"] == "*"), key=lambda row: GROUPS.index(row["setting"])
    )
    caption = "Means over all conditions within, or across, corpora. " + _TEST
    return Table(
        "compared-means", "Which encoder is better, on average?", caption + _dev_note(inputs),
        ["conditions", *_COMPARED], _comparison_rows(inputs, chosen, named=False), long=True,
    )  # fmt: skip


def compared(inputs: Inputs) -> Table:
    """Systems compared in each condition, the clearest differences first."""
    chosen = [row for row in inputs.comparisons if row["train"] != "*"]
    chosen.sort(key=lambda row: (float(row["p_holm"]), float(row["p"]), -abs(float(row["diff"]))))
    caption = "Every pair in every condition, the clearest first. " + _TEST
    header = ["train", "test", "setting", *_COMPARED]
    rows = _comparison_rows(inputs, chosen, named=True)
    return Table("compared", "Pairwise comparisons", caption + _dev_note(inputs), header, rows, long=True)


def data(inputs: Inputs) -> Table:
    """The corpora."""
    rows = []
    for corpus in inputs.corpora.values():
        tested = {r.row["n_test"] for r in inputs.results if r.test == corpus.name}
        rows.append(
            [
                Cell(corpus.label),
                Cell(corpus.title or "–"),
                Cell(corpus.licence or "–"),
                Cell(str(corpus.speakers)),
                *(Cell(str(corpus.emotions[emotion])) for emotion in inputs.emotions),
                Cell(str(corpus.excluded)),
                Cell(" / ".join(sorted(tested, key=int)) or "–"),
            ]
        )
    header = ["corpus", "title", "licence", "speakers", *inputs.emotions, "excluded", "n tested"]
    caption = "Utterances of each emotion in the prepared data; `data/<corpus>/excluded.tsv` names the *excluded* ones."
    return Table("data", "Corpora", caption, header, rows, made_by="data")


def encoders(inputs: Inputs) -> Table:
    """The encoders."""
    rows = []
    for name in inputs.encoders:
        spec = inputs.specs[name]
        depth = len(next(r.layers for r in inputs.results if r.system.encoder == name))
        heard = [corpus for corpus in spec.pretrained_on if corpus in inputs.corpora]
        more = [corpus for corpus in spec.pretrained_on if corpus not in inputs.corpora]
        words = ", ".join(heard) + (f" (and {', '.join(more)})" if more else "")
        languages = ", ".join(spec.languages) or "–"
        rows.append([Cell(name), Cell(spec.note or "–"), Cell(languages), Cell(str(depth)), Cell(words or "–")])
    header = ["encoder", "what it is", "languages", "layers", "pre-training heard"]
    caption = (
        "*languages*: of the pre-training; – for encoders that are not bound to a language. *pre-training heard*: "
        "corpora whose audio, without labels, was in it."
    )
    return Table("encoders", "Encoders", caption, header, rows)


def _dev_note(inputs: Inputs) -> str:
    if any(r.meta["cross_dev"] == "target" and r.group == "across" for r in inputs.results):
        return " **Across corpora, layers and epochs were chosen on labelled data of the test corpus.**"
    return ""


def for_report(inputs: Inputs) -> list[Table]:
    """All tables, in the order in which they are read; those without rows are left out."""
    from local.report import audit

    tables = [means(inputs)]
    if len({(r.test, r.train) for r in inputs.results}) > 1:
        tables += [by_condition(inputs, method) for method in inputs.methods]
    tables += [everything(inputs), by_layer(inputs), compared_means(inputs), compared(inputs)]
    tables += [encoders(inputs), data(inputs)]
    return [table for table in tables if table.rows] + audit.for_report(inputs)
