"""The table that answers whether the encoder's language matters."""

from __future__ import annotations

from local.report.comparisons import p_value
from local.report.inputs import Inputs, Score, in_words
from local.report.tables import Cell, Table, dev_note, number, score_cell

ASKED = {
    "own": "trained and tested on one language: its own encoder (mono) or another's (trans)",
    "train": "trained on one language, tested on another: the training language's encoder (cross) or a third's",
    "test": "trained on one language, tested on another: the test language's encoder or a third's",
}


def table(inputs: Inputs) -> Table:
    """Encoders of one language each, by whether that is the language in question; no rows without such encoders."""
    rows = []
    for row in inputs.languages:
        p, adjusted = float(row["p"]), float(row["p_holm"])
        test = "all" if row["test"] == "*" else inputs.label(row["test"])
        rows.append(
            [
                Cell(ASKED[row["question"]]),
                Cell(in_words(row["method"])),
                Cell(test),
                number(float(row["ua_a"])),
                number(float(row["ua_b"])),
                score_cell(Score(*(float(row[key]) for key in ("diff", "lo", "hi")))),
                Cell(row["n"]),
                Cell(row["speakers"]),
                Cell(p_value(p), value=p),
                Cell(p_value(adjusted), best=adjusted < 1 - inputs.experiment.score.confidence, value=adjusted),
            ]
        )
    caption = (
        "Encoders of one language each, on the same utterances. *the language's*: UA in percent of the encoder of the "
        "language in question; *others'*: mean of the encoders of the other languages. Difference in points [95% "
        "interval], paired randomisation test with speakers as blocks. Holm's correction within a question: over all "
        "methods of a stage in the rows of all corpora, over methods and corpora in the others. Bold: significant. A "
        "corpus is also a room and a set of sentences: what looks like a language may be one of these where an encoder "
        "has heard the corpus."
    )
    header = [
        "question",
        "method",
        "tested on",
        "the language's",
        "others'",
        "difference",
        "n",
        "speakers",
        "p",
        "p Holm",
    ]
    title = "Does the encoder's language matter?"
    return Table("language", title, caption + dev_note(inputs), header, rows, long=True)


def sentences(inputs: Inputs) -> list[str]:
    """Say what the rows over all corpora show, a sentence a question and stage."""
    said = []
    level = 1 - inputs.experiment.score.confidence
    everything = [row for row in inputs.languages if row["test"] == "*"]
    for stage, words in (("probe", "frozen encoders"), ("finetune", "tuned encoders")):
        for question, about in ASKED.items():
            rows = [row for row in everything if (row["stage"], row["question"]) == (stage, question)]
            if not rows:
                continue
            clear = [row for row in rows if float(row["p_holm"]) < level]
            ahead = sum(float(row["diff"]) > 0 for row in clear)
            low, high = (100 * pick(float(row["diff"]) for row in rows) for pick in (min, max))
            span = f"{low:+.1f}" if len(rows) == 1 else f"{low:+.1f} to {high:+.1f}"
            said.append(
                f"The encoder's language, {words}, {about}: a difference of {span} points over {len(rows)} "
                f"method{'s' if len(rows) > 1 else ''}, clear (p Holm < {level:.2g}) in {len(clear)}"
                + (f", in {ahead} of them for the language's own." if clear else ".")
            )
    return said
