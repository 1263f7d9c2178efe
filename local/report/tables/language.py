"""The table that answers whether the encoder's language matters."""

from __future__ import annotations

from local.report.material import Inputs
from local.report.tables.cells import TESTED, Cell, Table, dev_note, tested_cells

ASKED = {
    "own": "trained and tested on one language: its own encoder (mono) or another's (trans)",
    "train": "trained on one language, tested on another: the training language's encoder (cross) or a third's",
    "test": "trained on one language, tested on another: the test language's encoder or a third's",
}


def table(inputs: Inputs) -> Table:
    """Encoders of one language each, by whether that is the language in question; no rows without such encoders."""
    rows = []
    for test in inputs.languages:
        where = "all" if test.test is None else inputs.label(test.test)
        rows.append(
            [Cell(ASKED[test.question]), Cell(test.method), Cell(where), *tested_cells(inputs, test)]
        )  # fmt: skip
    caption = (
        "Encoders of one language each, on the same utterances. *the language's*: UA in percent of the encoder of the "
        "language in question; *others'*: mean of the encoders of the other languages. Difference in points [95% "
        "interval], paired randomisation test with speakers as blocks. Holm's correction within a question: over all "
        "methods of a stage in the rows of all corpora, over methods and corpora in the others. Bold: significant. A "
        "corpus is also a room and a set of sentences: what looks like a language may be one of these where an encoder "
        "has heard the corpus."
    )
    header = ["question", "method", "tested on", "the language's", "others'", "difference", *TESTED]
    title = "Does the encoder's language matter?"
    return Table("language", title, caption + dev_note(inputs), header, rows, long=True)


def sentences(inputs: Inputs) -> list[str]:
    """Say what the rows over all corpora show, a sentence a question and stage."""
    said = []
    for stage, words in (("probe", "frozen encoders"), ("finetune", "tuned encoders")):
        for question, about in ASKED.items():
            tests = [t for t in inputs.languages if (t.test, t.stage, t.question) == (None, stage, question)]
            if not tests:
                continue
            clear = [test for test in tests if test.adjusted < inputs.level]
            ahead = sum(test.difference.ua > 0 for test in clear)
            low, high = (100 * pick(test.difference.ua for test in tests) for pick in (min, max))
            span = f"{low:+.1f}" if len(tests) == 1 else f"{low:+.1f} to {high:+.1f}"
            said.append(
                f"The encoder's language, {words}, {about}: a difference of {span} points over {len(tests)} "
                f"method{'s' if len(tests) > 1 else ''}, clear (p Holm < {inputs.level:.2g}) in {len(clear)}"
                + (f", in {ahead} of them for the language's own." if clear else ".")
            )
    return said
