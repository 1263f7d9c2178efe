"""The table that answers whether the encoder's language matters."""

from __future__ import annotations

from collections.abc import Sequence

from local.report.conditions import Result
from local.report.material import Inputs, LanguageTest
from local.report.tables.cells import (
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

ASKED = {
    "own": "trained and tested on one language: its own encoder (mono) or another's (trans)",
    "train": "trained on one language, tested on another: the training language's encoder (cross) or a third's",
    "test": "trained on one language, tested on another: the test language's encoder or a third's",
}


def table(inputs: Inputs) -> Table:
    """Encoders of one language each, by whether that is the language in question; no rows without such encoders."""
    rows, tested = [], []
    for test in inputs.languages:
        where = "all" if test.test is None else inputs.label(test.test)
        tested.append((f"rows of {where}" if test.test is None else where, test))
        difference = score_cell(test.difference, joint_marks(_members(inputs, test)))
        scores = [number(test.ua_a), number(test.ua_b), *tested_cells(test, inputs.level, difference)]
        rows.append([Cell(ASKED[test.question]), Cell(test.method), Cell(where), *scores])
    caption = (
        "Matched contrasts: the same training set, test corpus and method, and encoders of one language each. *the "
        "language's*: UA in percent of the encoder of the language in question; *others'*: mean of the encoders of the "
        "other languages. Difference in points [95% interval]. Over all corpora each encoder takes each part; on one "
        "corpus, a difference may also be that of a better encoder. A corpus is also a room and a set of sentences: "
        "what looks like a language may be one of these where an encoder has heard the corpus. Rows of all corpora are "
        f"one family, those of single corpora another. {tests_note(inputs.level, tested)}"
        f"{interval_note(inputs, (test.difference for _, test in tested))}"
    )
    header = ["question", "method", "tested on", "the language's", "others'", "difference", *TESTED]
    title = "Does the encoder's language matter?"
    return Table("language", title, caption + notes(inputs), header, rows)


def _members(inputs: Inputs, test: LanguageTest) -> list[Result]:
    """Conditions that a contrast is made of."""
    return [
        r for r in inputs.results
        if (r.stage, r.system.method, len(r.languages)) == (test.stage, test.method, 1) and test.test in (None, r.test)
        and (test.question == "own") == all(_language(inputs, name) == _language(inputs, r.test) for name in r.train)
    ]  # fmt: skip


def _language(inputs: Inputs, corpus: str) -> str:
    return inputs.corpora[corpus].language


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
                + (f", in {ahead} of them for the language's own" if clear else "")
                + f"{_rest(tests, clear, inputs.level)}."
            )
    return said


def _rest(tests: Sequence[LanguageTest], clear: Sequence[LanguageTest], level: float) -> str:
    """Say what the tests that were not significant could have seen."""
    seen = unseen(tests, level)
    return f"{', the others' if clear else ','} not shown to differ ({seen})" if seen else ""
