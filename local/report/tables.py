"""The report's tables, as data: RESULTS.md and the page print the same cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.report.inputs import GROUPS, SETTINGS, Inputs, Result, Score, System, in_words

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


def parameters(results: Iterable[Result]) -> Cell:
    """Count what was trained, one number or, where layers or strategies differ, a range."""
    counts = sorted({int(result.meta["params"]) for result in results})
    return Cell(" to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))), value=counts[-1])


def trained(inputs: Inputs, results: Sequence[Result]) -> str:
    """Say in a caption how many parameters tuned encoders train; nothing where there are none."""
    tuned = [result for result in results if result.tuned]
    systems = [system for system in inputs.systems if any(result.system == system for result in tuned)]
    counts = [
        f"{inputs.name(system)} {parameters(result for result in tuned if result.system == system).text}"
        for system in systems
    ]
    return f" Trained parameters: {'; '.join(counts)}." if counts else ""


def method_column(inputs: Inputs) -> str:
    """Name the column of methods: heads of frozen encoders, strategies of tuned ones, or both."""
    return "head" if not inputs.strategies else "method" if inputs.heads else "strategy"


def _system_cells(inputs: Inputs, system: System, results: Iterable[Result] | None = None) -> list[Cell]:
    cells = [Cell(system.encoder)] + ([Cell(in_words(system.method))] if len(inputs.methods) > 1 else [])
    return cells + ([parameters(results or inputs.of(system))] if inputs.strategies else [])


def _system_header(inputs: Inputs) -> list[str]:
    header = ["encoder"] + ([method_column(inputs)] if len(inputs.methods) > 1 else [])
    return header + (["parameters"] if inputs.strategies else [])


def _layers_note(inputs: Inputs, method: str | None = None) -> str:
    note = "layers chosen on dev"
    if (method or "") not in inputs.heads and inputs.strategies and inputs.experiment.finetune.layer != "probe":
        note += f" (of tuned encoders: {inputs.experiment.finetune.layer})"
    return note


def means(inputs: Inputs) -> Table:
    """UA of every system, mean over conditions within and across corpora and by setting."""
    present = {group for _, group in inputs.means}
    groups = [group for group in GROUPS if group in present]
    if "drop" in present:
        groups.append("drop")
    if inputs.settings_matter:
        groups += [group for group in SETTINGS if group in present]
    best = {group: max(score.ua for score in inputs.comparable(group).values()) for group in groups}
    rows = []
    for system in inputs.systems:
        row = _system_cells(inputs, system)
        for group in groups:
            score = inputs.means.get((system, group), {}).get("dev")
            members = inputs.of(system, None if group == "drop" else group)
            top = score is not None and group != "drop" and score.ua == best[group] and len(inputs.systems) > 1
            top = top and system in inputs.comparable(group)
            row.append(score_cell(score, joint_marks(members), top))
        rows.append(row)
    caption = "UA in percent [95% interval], mean over conditions"
    counts = [f"{group} {_number_of(inputs, group)}" for group in groups if group in GROUPS]
    caption += f" ({', '.join(counts)}); {_layers_note(inputs)}. Chance is {100 * inputs.chance:.0f}."
    if "drop" in groups:
        caption += " *drop*: points that UA falls from training on the test corpus to training on another one."
    if any(len(inputs.comparable(group)) < len(inputs.headlines(group)) for group in groups if group != "drop"):
        caption += " Means over fewer conditions than others do not compare with these and are never in bold."
    if inputs.strategies:
        caption += " *parameters*: trained ones, the head's included."
    return Table("means", "Encoders at a glance", caption + dev_note(inputs), _system_header(inputs) + groups, rows)


def _number_of(inputs: Inputs, group: str) -> str:
    """How many conditions the systems' means are over; those of tuned encoders need not be as many as of probes."""
    numbers = sorted({len(inputs.of(system, group)) for system in inputs.systems} - {0})
    return " to ".join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))


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
            best = result is not None and len(found) > 1 and result.headline.ua == top
            row.append(score_cell(result and result.headline, marks(result) if result else "", best))
        rows.append(row)
    title = f"UA by condition: {titled(inputs, method)}" if len(inputs.methods) > 1 else "UA by condition"
    who = "" if method in inputs.heads else "of encoders "
    caption = (
        f"UA in percent [95% interval] {who}{with_method(inputs, method)}; n test utterances of so many speakers, "
        f"pooled over folds; {_layers_note(inputs, method)}; best of each row in bold.{trained(inputs, chosen)}"
    )
    header = ["train", "test", "n", "speakers", *encoders]
    made_by = "probe" if method in inputs.heads else "finetune"
    return Table(f"conditions-{method}", title, caption + dev_note(inputs), header, rows, made_by)


def titled(inputs: Inputs, method: str) -> str:
    """Name a method in a heading."""
    return f"{method} head" if method in inputs.heads else f"strategy {in_words(method)}"


def with_method(inputs: Inputs, method: str) -> str:
    """Say in a sentence how scores came about: ``with the linear head``, ``tuned by `lora```."""
    if method in inputs.heads:
        return f"with the {method} head"
    if method == "head":
        return "with nothing but the head trained (strategy `head`)"
    return f"tuned by `{in_words(method)}`"


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
                *_system_cells(inputs, result.system, [result]),
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
    if inputs.strategies:
        caption += (
            " Of tuned encoders: the layer that is classified, above which the encoder is cut. *parameters*: trained "
            "ones, the head's included; the most of any fold."
        )
    return Table("all", "Every condition in full", caption + dev_note(inputs), _system_header(inputs) + header, rows)


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
        "layers", "UA by layer", caption + dev_note(inputs), [*_system_header(inputs), "layer", *groups], rows
    )  # fmt: skip


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
        heard = [corpus for corpus in spec.pretrained_on if corpus in inputs.corpora]
        more = [corpus for corpus in spec.pretrained_on if corpus not in inputs.corpora]
        words = ", ".join(heard) + (f" (and {', '.join(more)})" if more else "")
        languages = ", ".join(spec.languages) or "–"
        rows.append([Cell(name), Cell(spec.note or "–"), Cell(languages), Cell(str(spec.layers)), Cell(words or "–")])
    header = ["encoder", "what it is", "languages", "layers", "pre-training heard"]
    caption = (
        "*languages*: of the pre-training; – for encoders that are not bound to a language. *pre-training heard*: "
        "corpora whose audio, without labels, was in it."
    )
    return Table("encoders", "Encoders", caption, header, rows)


def dev_note(inputs: Inputs) -> str:
    if any(r.meta["cross_dev"] == "target" and r.group == "across" for r in inputs.results):
        return " **Across corpora, layers and epochs were chosen on labelled data of the test corpus.**"
    return ""


def for_report(inputs: Inputs) -> list[Table]:
    """All tables, in the order in which they are read; those without rows are left out."""
    from local.report import audit, comparisons, language

    tables = [means(inputs), language.table(inputs), comparisons.strategies(inputs)]
    if len({(r.test, r.train) for r in inputs.results}) > 1:
        tables += [by_condition(inputs, method) for method in inputs.methods]
    tables += [everything(inputs), by_layer(inputs)]
    tables += [comparisons.compared_means(inputs), comparisons.compared(inputs)]
    tables += [encoders(inputs), data(inputs)]
    return [table for table in tables if table.rows] + audit.for_report(inputs)
