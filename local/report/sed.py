"""Emotion diarization in the report: tables, sentences and a figure of what stage 6 found.

Published figures to set beside ours are in the recipe's ``conf/reference_sed.yaml``: ``source`` (in words), ``test``
(name of the set) and ``systems``, by name the EDER in percent of each emotion, and of ``all`` recordings, perhaps with
its ``deviation`` over seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from local.experiment import Experiment
from local.report.diarized import PARTS, Diarization, Diarized, DiarizedPair
from local.report.figures.drawing import CYCLE, MARKERS, Figure
from local.report.tables.cells import (
    DASH,
    TESTED,
    Cell,
    Table,
    code,
    freedom,
    null_note,
    number,
    score_cell,
    tested_cells,
    tests_note,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

LEVEL = 0.05  # of tests that sentences call significant
TOLD = ("oracle_utterance", "oracle_speech")  # baselines that are told the emotion
POOLED = "*"


def blocks(found: Diarization) -> Iterator[str | Table | Figure]:
    """All that the page says of it, in the order in which it is read."""
    yield from sentences(found)
    overview, *more = tables(found)
    yield overview
    yield from figures(found)
    yield from more


def tables(found: Diarization) -> list[Table]:
    """All tables, in the order in which they are read."""
    tables = [_overview(found), *(_by_emotion(found, test) for test in _emotion_tests(found))]
    return [*tables, _compared(found), _everything(found)]


def asked(experiment: Experiment, found: Diarization) -> str:
    """Say what was asked, and whether those who are tested were kept out of training, in a Markdown sentence."""
    sed = experiment.sed
    seen = {row.test: row.voices_seen for row in found.rows if row.emotion == "all" and row.voices_seen}
    voices = "nobody's voice trained the model that tests it"
    if seen:
        voices = "◊ voices that trained the very model that tests them: " + ", ".join(
            f"{count} in {test}" for test, count in seen.items()
        )
    made = f"recordings made of {', '.join(sed.corpora)}"
    tested = f"tested on {', '.join(sed.test)} and on {made}" if sed.test else f"tested on {made}"
    return (
        f"**Diarization**: which emotion is heard when? Trained on {made}; {tested} ({voices}). Encoders: "
        f"{code(sed.encoders)} ({', '.join(sed.modes)}); smoothing ({sed.decoder}) "
        f"{'tuned on dev' if sed.smoothing is None else f'of {sed.smoothing:g}'}."
    )


def sentences(found: Diarization) -> list[str]:
    """Say what came out, in Markdown sentences; a model that was not shown to beat a baseline is said to."""
    lines = []
    for test in main_tests(found):
        models = _models(found, test)
        if not models:
            continue
        best = min(models, key=lambda row: row.eder.ua)
        verdicts = [
            _verdict(pair) for pair in found.pairs if (pair.test, pair.a) == (test, best.system) and not pair.b[1]
        ]
        lines.append(
            f"**Diarization**, {set_name(test)}: the lowest EDER"
            f"{f' of {len(models)} models, by test,' if len(models) > 1 else ' of a model'} is that of {_name(best)}: "
            f"**{best.eder}** ({best.n} recordings of {best.speakers} speakers). {' '.join(verdicts)}"
        )
    return lines


def figures(found: Diarization) -> Iterator[Figure]:
    """List the figures."""
    caption = (
        "EDER with its interval, the lower the better; hollow: baselines (those named *oracle* are told the emotion of "
        "the recording). Mean over recordings."
    )
    yield Figure("diarization", "Emotion diarization", caption, lambda: _draw(found))


def main_tests(found: Diarization) -> list[str]:
    """List the sets to look at first: those with labels of their own, then all single-span recordings together."""
    own = [test for test in found.tests if "." not in test]
    pooled = [test for test in found.tests if test.startswith(POOLED)]
    return own + (pooled[:1] or [test for test in found.tests if test.endswith(".single")])


def _models(found: Diarization, test: str) -> list[Diarized]:
    return [row for row in found.rows if (row.test, row.emotion) == (test, "all") and not row.baseline]


def _cell(row: Diarized | None, best: bool = False) -> Cell:
    return score_cell(row.eder if row else None, row_marks(row), best)


def _marks(found: Diarization, system: tuple[str, str], test: str) -> str:
    return row_marks(found.row(system, test))


def row_marks(row: Diarized | None) -> str:
    """Qualify a row: keys of ``local.report.tables.cells.MARKS``."""
    if row is None:
        return ""
    # The marks before say so already.
    return row.marks + ("◊" if row.voices_seen and not {"¶", "‖"} & set(row.marks) else "")


def _name(row: Diarized) -> str:
    how = {"all": " trained on all corpora", "others": " trained on the other corpora", "": ""}[row.system[1]]
    return f"`{row.system[0]}`{how}"


def _label(system: tuple[str, str]) -> str:
    return f"{system[0]}, {system[1]}" if system[1] else system[0]


def set_name(test: str) -> str:
    """Name a set in words, in Markdown."""
    corpus, _, kind = test.partition(".")
    words = {"single": "one emotional span", "double": "two emotional spans", "noisy": "noise and reverberation"}
    if not kind:
        return f"`{corpus}`"
    return f"{words[kind]}, {'all corpora together' if corpus == POOLED else f'`{corpus}`'}"


def _verdict(pair: DiarizedPair) -> str:
    """Compare the model of a pair with the baseline, in words."""
    told = " (which is told the emotion)" if pair.b[0] in TOLD else ""
    size = "< 0.001" if pair.adjusted < 0.001 else f"= {pair.adjusted:.3f}"
    difference = pair.difference
    words = f"`{pair.b[0]}`{told}: {difference.signed().replace(' [', ' points [')}, p {size}"
    if pair.adjusted >= LEVEL or not (difference.hi < 0 or difference.lo > 0):
        but = ", but the interval holds 0" if pair.adjusted < LEVEL else ""
        seen = null_note(replace(pair, adjusted=1.0), LEVEL).removeprefix(": not shown to differ")
        return f"It was not shown to beat {words}{but}{seen}."
    return f"It beats {words}." if difference.hi < 0 else f"It is worse than {words}."


def _overview(found: Diarization) -> Table:
    tests = [test for test in found.tests if test.partition(".")[2] in ("", "single")]
    tests += [test for test in found.tests if test.startswith(POOLED) and test not in tests]
    best = {test: min((row.eder.ua for row in _models(found, test)), default=-1.0) for test in tests}
    rows = []
    for system in found.systems:
        cells = [found.row(system, test) for test in tests]
        marked = [row is not None and row.eder.ua == best[row.test] for row in cells]
        rows.append([Cell(_label(system)), *(_cell(row, own) for row, own in zip(cells, marked, strict=True))])
    caption = (
        "Emotion diarization error rate in percent, mean over recordings, with its interval over speakers (and, of "
        "several, over seeds); the lower the better. "
        "*all*: trained on recordings of all corpora; *others*: of the other corpora than the tested one. `single`, "
        "`double` and `noisy` are joined of utterances of one speaker (one emotional span, two, or one with noise "
        "and reverberation); `*` puts the recordings of all corpora together. Baselines: *all_neutral*; *chance*, "
        "segments drawn from the training parts; *oracle_utterance* is told the recording's emotion and gives it to "
        "all of it, *oracle_speech* to detected speech only. Bold: the best model by test. Of the "
        "published checkpoint, ★ says that it was trained on this corpus."
    )
    return Table("sed", "Emotion diarization", caption, ["system", *tests], rows, made_by="sed")


def _emotion_tests(found: Diarization) -> list[str]:
    tests = main_tests(found)
    published = found.reference.get("test")
    return tests if not published or published in tests else [published, *tests]


def _by_emotion(found: Diarization, test: str) -> Table:
    published = found.reference.get("systems", {}) if found.reference.get("test") == test else {}
    emotions = list(dict.fromkeys(row.emotion for row in found.rows if row.test == test))
    emotions = emotions or list(dict.fromkeys(name for values in published.values() for name in values))
    emotions = [emotion for emotion in emotions if emotion not in ("all", "deviation")]
    rows = []
    for emotion in [*emotions, "all"]:
        cells = [Cell("mean" if emotion == "all" else emotion)]
        cells += [_published(values, emotion) for values in published.values()]
        rows.append(cells + [_cell(found.row(system, test, emotion)) for system in found.systems])
    source = f" Columns without intervals: {found.reference['source']}." if published else ""
    run = "" if test in found.tests else " **These results are without this set.**"
    caption = f"EDER in percent by the recording's emotion; systems as above.{source}{run}"
    header = ["emotion", *published, *(_label(system) for system in found.systems)]
    key = f"sed-{test.replace('*', 'pooled')}"
    title = f"Diarization by emotion: {set_name(test)}".replace("`", "")  # titles are no Markdown
    return Table(key, title, caption, header, rows, made_by="sed")


def _published(values: dict[str, float], emotion: str) -> Cell:
    """Print a published figure, the mean with its deviation over seeds where that is published too."""
    if emotion not in values:
        return DASH
    value = values[emotion]
    spread = f" ± {values['deviation']:.1f}" if emotion == "all" and "deviation" in values else ""
    return Cell(f"{value:.1f}{spread}", value=value)


def _compared(found: Diarization) -> Table:
    tests = set(main_tests(found))
    rows = [
        [
            Cell(pair.test), *(Cell(_label(side), _marks(found, side, pair.test)) for side in (pair.a, pair.b)),
            *tested_cells(pair, LEVEL, Cell(pair.difference.signed(), value=pair.difference.ua)),
        ]
        for pair in found.pairs if pair.test in tests
    ]  # fmt: skip
    caption = (
        "Difference in EDER, a - b, in points [95% interval over speakers], on the same recordings: negative is in "
        f"favour of a. All that is compared on one set is a family. All sets: `{found.exp}/sed/significance.csv`. "
        f"{tests_note(LEVEL, ((pair.test, pair) for pair in found.pairs if pair.test in tests))}"
    )
    header = ["set", "a", "b", "difference", *TESTED]
    return Table("sed-tests", "Diarization: paired tests", caption, header, rows, made_by="sed")


def _everything(found: Diarization) -> Table:
    rows = [
        [
            Cell(row.test), Cell(_label(row.system)), Cell(row.setting or "–"), _cell(row), Cell(str(row.n)),
            Cell(str(row.speakers)), freedom(row.eder.df), *(number(row.parts.get(key)) for key in PARTS),
        ]
        for row in found.rows if row.emotion == "all"
    ]  # fmt: skip
    caption = (
        "Every set. *df*: degrees of freedom of the interval. *weighted*: each second alike. *in frames*: the mean as "
        "the published recipe counts it. *missed*: emotional speech called neutral; *false alarm*: neutral called "
        "emotional; *confusion*: one emotion for another; percent of all time."
    )
    header = ["set", "system", "setting", "EDER", "n", "speakers", "df"]
    header += ["weighted", "in frames", "missed", "false alarm", "confusion"]
    return Table("sed-all", "Diarization: every set", caption, header, rows, made_by="sed")


def _draw(found: Diarization) -> Drawing:
    import matplotlib.pyplot as plt

    tests = [test for test in found.tests if "." not in test or test.startswith(POOLED)] or found.tests
    systems = found.systems
    size = (2.2 + 2.6 * len(tests), 0.9 + 0.32 * len(systems))
    drawing, panels = plt.subplots(1, len(tests), figsize=size, sharex=True, sharey=True, squeeze=False)
    for axes, test in zip(panels[0], tests, strict=True):
        for y, system in enumerate(systems):
            row = found.row(system, test)
            if row is None:
                continue
            score, model = row.eder, not row.baseline
            colour = CYCLE[y % 8] if model else "#555555"
            axes.plot([100 * score.lo, 100 * score.hi], [y, y], color=colour, lw=1.8, solid_capstyle="round")
            axes.plot(
                100 * score.ua, y, MARKERS[y % 8] if model else "o", color=colour, ms=6, mew=1.2,
                mfc=colour if model else "white",
            )  # fmt: skip
        axes.set_title(test)
        axes.set_xlabel("EDER (%)")
        axes.grid(axis="x", color="#e6e6e6", lw=0.7)
        axes.set_axisbelow(True)
    panels[0][0].set_yticks(range(len(systems)), [_label(system) for system in systems])
    panels[0][0].set_ylim(len(systems) - 0.5, -0.5)
    return drawing
