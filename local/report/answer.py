"""The question and its answer, for who reads nothing else: matched differences, each with what it is worth.

A difference comes with its interval, q and what could have been seen; methods are chosen by dev, and what is the best
of several by test is called so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from local.report import headline
from local.report.diarized import Diarization
from local.report.headline import Measure
from local.report.material import Inputs, LanguageTest
from local.report.scores import PairedTest, Score
from local.report.study import Study
from local.report.study import asked as asked_of
from local.report.tables import ablation, carried, erasure, gap, shortcuts, shots
from local.report.tables.cells import null_note, p_value

QUESTIONS = {
    "own": "trained and tested on one language, its own encoder is",
    "train": "trained on one language and tested on another, the encoder of the first is",
    "test": "trained on one language and tested on another, the encoder of the second is",
}


def question(inputs: Inputs | None, diarization: Diarization | None, study: Study | None, people: bool) -> list[str]:
    """Ask what the results answer, a line each."""
    asked = [f"How far are the published figures reached? {asked_of(study.experiment)}"] if study else []
    if inputs:
        trained = {result.group for result in inputs.results}
        parts = ["at which layer"] if inputs.heads else []
        parts += ["what is gained by tuning the encoder"] if inputs.strategies else []
        parts += ["what is lost when the training and the test corpus differ"] if trained & {"across", "joint"} else []
        frozen = "frozen speech representations" if inputs.heads else "speech representations"
        *first, last = parts
        asked.append(
            f"How well do {len(inputs.emotions)} emotions ({', '.join(inputs.emotions)}) come out of {frozen}, "
            f"{', '.join(first)}{', ' if len(first) > 1 else ' ' if first else ''}and {last}?"
        )
    if diarization:
        asked.append("Which emotion is heard when, and is that better than labels that hear nothing?")
    return asked or ["How well do people recognise emotions?"] * people


def sentences(inputs: Inputs | None, found: Sequence[Measure], people: bool = False) -> list[str]:
    """Answer, in a few Markdown lines.

    Parameters
    ----------
    inputs : Inputs or None
        What stages 3 to 5 found.
    found : list of Measure
        Of that and of diarization (:func:`local.report.headline.measures`).
    people : bool
        Whether listeners' answers follow.

    Returns
    -------
    list of str
    """
    ours = [measure for measure in found if not measure.outside]
    lines = [line for measure in ours for line in _measure(measure)] or [_baselines(measure) for measure in ours]
    lines += [line for measure in found if measure.outside for line in _outside(measure)]
    if inputs:
        lines += [*shortcuts.answer(inputs), *ablation.sentences(inputs)]
        lines += [*_drop(inputs, found), *gap.sentences(inputs)[:1], *_language(inputs)]
        lines += [*shots.sentences(inputs)[:1], *erasure.sentences(inputs), *carried.sentences(inputs)]
    if people and not lines:
        return ["**No model has been run here yet.**"]
    return lines or ["**Nothing has been run here yet.** The columns of ours are empty."]


def _lead(measure: Measure) -> str:
    return f"**{measure.where[0].upper()}{measure.where[1:]}**" + (f" ({measure.choice})" if measure.choice else "")


def _baselines(measure: Measure) -> str:
    """What the best baseline reaches, where nothing else was run."""
    best, number = measure.lines[0], len(measure.lines)
    many = f", the best of {number} by test," if number > 1 else ""
    return f"{_lead(measure)}: baselines alone were run; `{measure.labels[0]}`{best.marks}{many} reaches {best.score}."


def _measure(measure: Measure) -> Iterator[str]:
    """How many systems are better than every baseline, and by how much the best is."""
    if not measure.systems:
        return
    best, number = measure.systems[0], len(measure.systems)
    name = f"`{measure.labels[measure.lines.index(best)]}`{best.marks}"
    lead = _lead(measure)
    many = f", the best of {number} by test," if number > 1 else ""
    if best.test is None or best.ahead is None:
        yield f"{lead}: {name}{many} reaches {best.score}; no baseline was run."
        return
    better = f"`{best.than}` alone" if not best.among else "every baseline" if best.among > 1 else "the baseline"
    which = f", the strongest of {best.among} baselines by test" if best.among > 1 else ""
    zero = best.test.adjusted < measure.level and best.ahead.lo <= 0 <= best.ahead.hi
    if number > 1:
        were = "was" if measure.beaten < 2 else "were"
        shown = f"{measure.beaten or 'none'} of {number} systems {were} shown to beat {better}"
    else:
        shown = f"one system, which was {'' if measure.beaten else 'not '}shown to beat {better}"
    yield (
        f"{lead}: {shown}. {name}{many} is {_ahead(best.ahead)} `{best.than}`{which} "
        f"({_worth(best.test, measure.level)}{'; but the interval holds 0' if zero else ''})."
    )


def _outside(measure: Measure) -> Iterator[str]:
    """What systems from outside reach, and how far each is from what dev prefers of ours."""
    for line in measure.lines:
        beside = ""
        if line.test is not None and line.ahead is not None:
            beside = f", {_ahead(line.ahead)} `{line.than}`, dev's choice of ours ({_worth(line.test, measure.level)})"
        yield (
            f"{_lead(measure)}: `{line.name}`{line.marks} reaches {line.score}{beside}. Nothing is known of its "
            "training."
        )


def _ahead(difference: Score) -> str:
    """Say how far a system is ahead of another, or behind."""
    if difference.ua < 0:
        return f"**{-difference} points** behind"
    return f"**{difference} points** ahead of"


def _worth(test: PairedTest, level: float) -> str:
    """What a difference is worth: p, q and, of one that was not shown, what could have been seen."""
    holm, q = (text if text.startswith("<") else f"= {text}" for text in map(p_value, (test.adjusted, test.q)))
    seen = f"; {100 * test.detectable_family:.1f} points were detectable" if test.detectable_family > 0 else ""
    return f"Holm's p {holm}, q {q}{seen if test.adjusted < level else null_note(test, level)}"


def _drop(inputs: Inputs, found: Sequence[Measure]) -> Iterator[str]:
    """What crossing corpora costs the system that dev prefers, of those in the headlines."""
    drops = inputs.comparable("drop")
    named = {(line.name, line.method) for measure in found for line in measure.systems}
    systems = [system for system in drops if (system.encoder, system.method) in named]
    if systems:
        system = inputs.preferred(systems, "across")
        which = f", dev's choice of {len(systems)} systems," if len(systems) > 1 else ""
        yield (
            f"**Training on another corpus** costs `{inputs.name(system)}`{which} {drops[system]} points, mean over "
            "test corpora."
        )


def _language(inputs: Inputs) -> Iterator[str]:
    """Whether an encoder of the language does better, under the method that dev prefers."""
    for tests in _by_question(inputs).values():
        methods = [test.method for test in tests]
        preferred, number = headline.preferred(inputs, methods)
        test, choice = tests[methods.index(preferred)], headline.chosen(inputs, preferred, number)
        yield (
            f"**Language**{f' ({choice})' if choice else ''}: {QUESTIONS[test.question]} "
            f"{_ahead(test.difference)} others ({_worth(test, inputs.level)})."
        )


def _by_question(inputs: Inputs) -> dict[str, list[LanguageTest]]:
    """Contrasts over all corpora by what is asked, of frozen encoders or, without those, of tuned ones."""
    found: dict[str, list[LanguageTest]] = {}
    pooled = [test for test in inputs.languages if test.test is None]
    stage = "probe" if any(test.stage == "probe" for test in pooled) else "finetune"
    for test in pooled:
        if test.stage == stage:
            found.setdefault(test.question, []).append(test)
    return found
