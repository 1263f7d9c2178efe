"""What a reader must know before believing the numbers."""

from __future__ import annotations

from local.report.diarized import Diarization
from local.report.material import Inputs
from local.report.sed import row_marks
from local.report.tables.cells import HEARD, MARKS, NAMED, code, marks, notes
from local.results.heard import UNKNOWN

FEW_SPEAKERS = 10  # below, a percentile bootstrap's interval is clearly too narrow (utils/intervals.py)


def caveats(inputs: Inputs, diarization: Diarization | None = None) -> list[str]:
    """Say what a reader must know before believing the numbers, in Markdown lines.

    Parameters
    ----------
    inputs : Inputs
        All results.
    diarization : Diarization, optional
        What stage 6 found.

    Returns
    -------
    list of str
    """
    heard = {} if diarization is None else _diarized(diarization)
    lines = []
    for mark, text in MARKS.items():
        which = "; ".join(filter(None, (_which(inputs, mark), heard.get(mark, ""))))
        lines += [f"{mark} {text}: {which}."] if which else []
    lines += [note.strip() for note in [notes(inputs).replace("**", "")] if note]
    lines += _intervals(inputs)
    lines.append(
        "Intervals cover the choice of test speakers and, where there are several, of seeds and partitions; tests, "
        "that of speakers. They do not cover what other training speakers would have changed."
    )
    # A logistic regression draws nothing.
    drawn = [r for r in inputs.results if r.factors["method"] != "logreg"]
    if once := dict.fromkeys(r.system.method for r in drawn if "seed_sd" not in r.spread):
        which = code(once) if len(once) < NAMED else f"{len(once)} of {len(inputs.methods)} methods"
        lines.append(f"Trained with one seed, so that no interval knows what another would change: {which}.")
    lines.append(
        "Methods are those that dev prefers; the best of several encoders, and the strongest of several baselines, are "
        "so by test. No means are compared whose conditions are on other corpora."
    )
    return lines


def _diarized(found: Diarization) -> dict[str, str]:
    """Say on which sets of recordings a mark is."""
    heard: dict[str, list[str]] = {}
    for row in found.rows:
        for mark in row_marks(row) if row.emotion == "all" else "":
            heard.setdefault(mark, []).append(row.test)
    return {mark: f"{len(set(tests))} of {len(found.tests)} sets of recordings" for mark, tests in heard.items()}


def _intervals(inputs: Inputs) -> list[str]:
    """Say where intervals are wide, too narrow, or missing."""
    lines = []
    few = sorted({r.test for r in inputs.results if r.resampled == "speaker" and r.speakers < FEW_SPEAKERS})
    counts = {result.test: result.speakers for result in inputs.results}
    named = ", ".join(f"{name} ({counts[name]})" for name in inputs.corpora if name in few)
    if few and inputs.experiment.score.interval == "bootstrap":
        lines.append(
            f"Intervals from fewer than {FEW_SPEAKERS} speakers are too narrow (a bootstrap over 4 speakers holds the "
            f"truth in about 81 of 100 cases instead of 95): {named}."
        )
    elif few:
        lines.append(f"Few test speakers: {named}; intervals are wide there, and few differences can be significant.")
    without = {r.headline.reason: r.test for r in inputs.results if r.headline.reason}
    if without:
        lines.append(f"No interval: {'; '.join(f'{reason} ({test})' for reason, test in without.items())}.")
    return lines


def _which(inputs: Inputs, mark: str) -> str:
    """Say what a mark is on; empty if on nothing."""
    marked = [result for result in (*inputs.results, *inputs.outside.results) if mark in marks(result)]
    if not marked:
        return ""
    if mark in ("‡", *HEARD.values()):
        found: dict[str, set[str]] = {}
        for result in marked:
            names = {result.test}
            if mark == "‡":
                names = {name for name, how in result.heard.items() if how != UNKNOWN} - names
            found.setdefault(result.system.encoder, set()).update(names)
        verb = "may have heard" if mark == "?" else "heard"
        return "; ".join(f"`{encoder}` {verb} {', '.join(sorted(names))}" for encoder, names in found.items())
    if mark == "¶":
        return ", ".join(name for name, corpus in inputs.corpora.items() if corpus.speakers == 1)
    if mark in "‖◊":
        return ", ".join(dict.fromkeys(f"{result.test} ({result.scheme} folds)" for result in marked))
    # Of a factor that varies, the methods that the mark is on; the others are without it.
    methods = list(dict.fromkeys(result.system.method for result in marked))
    which = "all conditions across corpora"
    return which if len(methods) == len(inputs.methods) else f"{which} of {code(methods)}"
