"""Tables of scores, and of what they are of: conditions, means, layers, corpora and encoders."""

from __future__ import annotations

from local.report.conditions import GROUPS, SPREAD, Result
from local.report.material import Inputs, System
from local.report.tables.cells import (
    Cell,
    Table,
    called_head,
    freedom,
    interval_note,
    joint_marks,
    notes,
    number,
    result_cell,
    score_cell,
    system_cells,
    system_header,
    trained,
    with_method,
)  # fmt: skip
from local.results.heard import in_words, say, unheard

# In words, what local/results/languages.py derives.
SETTINGS = {
    "mono": "encoder, training and test are of one language",
    "cross": "trained on the encoder's language, tested on another",
    "trans": "trained and tested on a language that is not the encoder's",
    "cross-trans": "trained on a language that is not the encoder's, tested on yet another",
}


def _layers_note(inputs: Inputs, method: str | None = None) -> str:
    note = "layers chosen on dev"
    if (method or "") not in inputs.heads and inputs.values("layer") not in ([], ["probe"]):
        note += f" (of tuned encoders: {' or '.join(inputs.values('layer'))})"
    return note


def means(inputs: Inputs) -> Table:
    """UA of every system, mean over conditions within and across corpora."""
    present = {group for _, group in inputs.means}
    groups = [group for group in GROUPS if group in present]
    if "drop" in present:
        groups.append("drop")
    clean = [unheard(group) for group in GROUPS if unheard(group) in present]
    groups += clean
    comparable = {group: inputs.comparable(group) for group in groups}
    best = {group: max(score.ua for score in scores.values()) for group, scores in comparable.items()}
    rows = []
    for system in inputs.systems:
        row = system_cells(inputs, system)
        for group in groups:
            score = inputs.means.get((system, group), {}).get("dev")
            members = inputs.of(system, None if group == "drop" else group)
            top = group != "drop" and system in comparable[group] and score.ua == best[group]
            row.append(score_cell(score, joint_marks(members), top and len(inputs.systems) > 1))
        rows.append(row)
    caption = "UA in percent [95% interval], mean over conditions"
    counts = [f"{group} {_number_of(inputs, group)}" for group in groups if group in GROUPS]
    caption += f" ({', '.join(counts)}); {_layers_note(inputs)}. Chance is {100 * inputs.chance:.0f}."
    if "drop" in groups:
        caption += " *drop*: points that UA falls from training on the test corpus to training on another one."
    if any(len(comparable[group]) < len(inputs.headlines(group)) for group in groups if group != "drop"):
        caption += " Means over fewer conditions than others do not compare with these and are never in bold."
    if clean:
        caption += (
            " *unheard*: without conditions of which any of the encoders heard, or may have heard, a corpus (†★‡?); – "
            "for an encoder of which none is left."
        )
    if inputs.strategies:
        caption += " *parameters*: trained ones, the head's included."
    caption += interval_note(inputs, (inputs.means[key]["dev"] for key in inputs.means)) + notes(inputs)
    return Table("means", "Encoders at a glance", caption, system_header(inputs) + groups, rows)


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
        row += [Cell(str(any_result.n_test)), Cell(str(any_result.speakers))]
        for encoder in encoders:
            result = found.get(encoder)
            row.append(result_cell(result, result is not None and len(found) > 1 and result.headline.ua == top))
        rows.append(row)
    named = called_head(method) if method in inputs.heads else f"strategy {method}"
    title = f"UA by condition: {named}" if len(inputs.methods) > 1 else "UA by condition"
    who = "" if method in inputs.heads else "of encoders "
    caption = (
        f"UA in percent [95% interval] {who}{with_method(inputs, method)}; n test utterances of so many speakers, "
        f"pooled over folds; {_layers_note(inputs, method)}; best of each row, by test, in bold."
        f"{trained(inputs, chosen)}"
        f"{interval_note(inputs, (result.headline for result in chosen))}{notes(inputs, chosen)}"
    )
    header = ["train", "test", "n", "speakers", *encoders]
    made_by = "probe" if method in inputs.heads else "finetune"
    return Table(f"conditions-{method.replace(' ', '-')}", title, caption, header, rows, made_by)


def everything(inputs: Inputs) -> Table:
    """Every condition in full."""
    rows, spread = [], {key: name for key, name in SPREAD.items() if any(key in r.spread for r in inputs.results)}
    for result in inputs.results:
        spec = inputs.specs[result.system.encoder]
        named = {spec.layer_name(layer): times for layer, times in result.selected.items()}
        selected = ", ".join(f"{layer} ({times})" if len(named) > 1 else layer for layer, times in named.items())
        rows.append(
            [
                *system_cells(inputs, result.system, [result]),
                Cell(inputs.label(result.train)),
                Cell(inputs.label(result.test)),
                Cell(result.setting),
                result_cell(result),
                Cell(str(result.n_test)),
                Cell(str(result.speakers)),
                freedom(result.headline.df),
                *(number(result.spread.get(key)) for key in spread),
                number(result.wa),
                number(result.macro_f1),
                *(number(result.recalls[emotion]) for emotion in inputs.emotions),
                Cell(selected),
            ]
        )
    header = ["train", "test", "setting", "UA", "n", "speakers", "df", *spread.values()]
    header += ["WA", "macro-F1", *inputs.emotions, "layers"]
    found = {result.setting for result in inputs.results}
    kinds = "; ".join(f"*{name}*, {words}" for name, words in SETTINGS.items() if name in found)
    caption = (
        f"*setting*: {kinds}. An encoder bound to no language agrees with all. "
        "UA [95% interval], WA, macro-F1 and recall of each emotion, in percent; recalls are pooled over the test "
        "utterances of all folds and averaged over seeds. *layers*: those that dev chose (in how many folds and "
        "seeds); "
        "of layers with the same dev UA, the one with the lowest dev loss. *df*: degrees of freedom of the interval; – "
        f"without one. *SE speakers*: standard error over speakers alone; *SD seeds*, *SD partitions*: between runs. "
        f"The interval has all three in it, those between runs divided by their number; – where there was one run, and "
        f"nothing is known of others.{interval_note(inputs, (result.headline for result in inputs.results))}"
    )
    if inputs.strategies:
        caption += (
            " Of tuned encoders: the layer that is classified, above which the encoder is cut. *parameters*: trained "
            "ones, the head's included; the most of any fold."
        )
    return Table("all", "Every condition in full", caption + notes(inputs), system_header(inputs) + header, rows)


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
                name = inputs.specs[system.encoder].layer_name(layer)
                rows.append([*system_cells(inputs, system), Cell(name, value=layer), *cells])
    caption = (
        "UA in percent [95% interval] at each layer, mean over conditions. Layer 0 is what enters the first "
        "transformer block. For looking only: a layer that is picked here was picked on test data."
    )
    probed = [result for result in inputs.results if not result.tuned]
    caption += interval_note(inputs, (score for column in inputs.means.values() for score in column.values()))
    return Table(
        "layers", "UA by layer", caption + notes(inputs, probed), [*system_header(inputs), "layer", *groups], rows
    )  # fmt: skip


def data(inputs: Inputs) -> Table:
    """The corpora."""
    rows = []
    for corpus in inputs.corpora.values():
        tested = {r.n_test for r in inputs.results if r.test == corpus.name}
        rows.append(
            [
                Cell(corpus.label),
                Cell(corpus.title or "–"),
                Cell(corpus.licence or "–"),
                Cell(str(corpus.speakers)),
                *(Cell(str(corpus.emotions[emotion])) for emotion in inputs.emotions),
                Cell(str(corpus.excluded)),
                Cell(" / ".join(map(str, sorted(tested))) or "–"),
            ]
        )
    header = ["corpus", "title", "licence", "speakers", *inputs.emotions, "excluded", "n tested"]
    caption = "Utterances of each emotion in the prepared data; `data/<corpus>/excluded.tsv` names the *excluded* ones."
    return Table("data", "Corpora", caption, header, rows, made_by="data")


def methods(inputs: Inputs) -> Table:
    """The methods, with what their conditions say of them in words."""
    sources = {result.system.method: "+".join(result.source) for result in inputs.results if result.source}
    rows = []
    for kind, named in (("head of a frozen encoder's layer", inputs.heads), ("tuning", inputs.strategies)):
        for method, words in named.items():
            parts = [words, f"in two stages, first on {sources[method]}" if method in sources else ""]
            rows.append([Cell(method), Cell(kind), Cell("; ".join(filter(None, parts)) or "–")])
    caption = "How emotions were classified: heads see the mean over time of one layer; tuning changes the encoder too."
    return Table("methods", "Methods", caption, ["method", "kind", "what it is"], rows)


def encoders(inputs: Inputs) -> Table:
    """The encoders."""
    rows = []
    for name in inputs.encoders:
        spec = inputs.specs[name]
        listed = dict.fromkeys([*spec.pretrained_on, *spec.finetuned_on])
        here = [corpus for corpus in inputs.corpora if corpus in listed or spec.unlisted]
        ours, more = (in_words(say(spec, some)) for some in (here, [name for name in listed if name not in here]))
        words = ours + (f" (and {more})" if more else "")
        languages = ", ".join(spec.languages) or "–"
        rows.append([Cell(name), Cell(spec.note or "–"), Cell(languages), Cell(str(spec.layers)), Cell(words or "–")])
    header = ["encoder", "what it is", "languages", "layers", "training heard"]
    caption = (
        "*languages*: of the pre-training; – for encoders that are not bound to a language. *training heard*: corpora "
        "whose audio was in it, without labels unless said; *perhaps*: its makers do not list all that was."
    )
    return Table("encoders", "Encoders", caption, header, rows)
