"""The headlines: every system under the method that dev prefers, beside what is reached without it.

A measure is a score over one group of conditions or one set of recordings. In it, systems stand beside baselines:
log-mel, random weights, classifiers without ears and, of diarization, labels that hear nothing. A frozen system is
compared with the strongest baseline by test, which is the hardest one to be better than; a tuned one with the training
of nothing but its head; one from outside with the system of ours that dev prefers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from local import encoders
from local.report import sed
from local.report.conditions import GROUPS
from local.report.diarized import Diarization, Diarized
from local.report.material import Inputs, System, baseline
from local.report.scores import PairedTest, Score
from local.report.tables import outside
from local.report.tables.cells import DASH, Cell, Table, equivalent, joint_marks, p_value, score_cell
from local.report.tables.comparisons import baselines

TOLD = "told the emotion"
MOST = 40  # rows that are shown, so that the report stays short


@dataclass(frozen=True)
class Line:
    """A system or a baseline in one measure.

    Attributes
    ----------
    name, method : str
    baseline : str
        What kind of baseline it is, in words; empty for a system.
    score : Score
    marks : str
    test : PairedTest or None
        With what it is compared with.
    ahead : Score or None
        How much better it is than that, in either measure.
    than : str
        What that is.
    among : int
        Of so many baselines it is the strongest by test; 0 for the same encoder with less trained.
    """

    name: str
    method: str
    baseline: str
    score: Score
    marks: str
    test: PairedTest | None = None
    ahead: Score | None = None
    than: str = ""
    among: int = 0


@dataclass(frozen=True)
class Measure:
    """Systems beside baselines, the best first.

    Attributes
    ----------
    title : str
        As the table has it: the score, over what and, of means, over how many conditions.
    where : str
        As a sentence begins with it.
    choice : str
        How the method was chosen, in Markdown; empty where there is one.
    lines : list of Line
    beaten : int
        Systems that are significantly better than every baseline.
    level : float
        Of the tests.
    outside : bool
        Whether the systems are from outside.
    """

    title: str
    where: str
    choice: str
    lines: list[Line]
    beaten: int
    level: float
    outside: bool = False

    @property
    def systems(self) -> list[Line]:
        """Lines that are no baselines."""
        return [line for line in self.lines if not line.baseline]

    @property
    def labels(self) -> list[str]:
        """Name the lines; with the method where there are several."""
        several = len({line.method for line in self.lines}) > 1
        return [f"{line.name}, {line.method}" if several and line.method else line.name for line in self.lines]


def clear(line: Line, level: float) -> bool:
    """Whether a system is shown to be better than what it is compared with: by the test, and by the interval too."""
    return line.test is not None and line.test.adjusted < level and not line.ahead.lo <= 0 and line.ahead.ua > 0


def measures(inputs: Inputs | None, diarization: Diarization | None) -> list[Measure]:
    """List the measures that there are results of."""
    found: list[Measure | None] = []
    if inputs:
        frozen, tuned = preferred(inputs, inputs.heads), preferred(inputs, baselines(inputs))
        found += [_frozen(inputs, *frozen, group) for group in GROUPS if frozen[0]]
        found += [_tuned(inputs, *tuned, group) for group in GROUPS if tuned[0]]
        found += [_outside(inputs, corpora) for corpora in inputs.outside.corpora]
    if diarization:
        found += [_diarized(diarization, test) for test in sed.main_tests(diarization)]
    return [measure for measure in found if measure]


def preferred(inputs: Inputs, methods: Iterable[str]) -> tuple[str, int]:
    """Choose a method by its mean dev UA, over those trainings that most of the methods were made with.

    Returns
    -------
    str
        Empty if there is none.
    int
        Of how many methods it is the best: of those that most of these trainings were made with.
    """
    found: dict[str, dict[tuple, float]] = {}
    for method in inputs.eligible(methods):
        trainings = inputs.selections(result for result in inputs.results if result.system.method == method)
        found[method] = {(r.system.encoder, r.train, r.dev): r.dev_ua for r in trainings}
    shared = Counter(training for own in found.values() for training in own)
    core = {training for training, number in shared.items() if number == max(shared.values())}
    most = max((len(core & own.keys()) for own in found.values()), default=0)
    chosen = {
        m: [own[t] for t in sorted(core & own.keys())] for m, own in found.items() if len(core & own.keys()) == most > 0
    }
    return max(chosen, key=lambda method: sum(chosen[method]), default=""), len(chosen)


def _members(inputs: Inputs, method: str, group: str) -> dict[System, Score]:
    """Mean headlines of the systems of a method that have most conditions; means over fewer do not compare."""
    scores = {s: score for s, score in inputs.headlines(group).items() if s.method == method}
    most = max((len(inputs.of(system, group)) for system in scores), default=0)
    return {s: score for s, score in scores.items() if len(inputs.of(s, group)) == most}


def chosen(inputs: Inputs, method: str, number: int) -> str:
    """Say what a method is, and of how many it is the one that dev prefers; nothing where there is no other."""
    words = (inputs.heads | inputs.strategies).get(method)
    return ", ".join(filter(None, (f"`{method}`", words, f"dev's choice of {number}"))) if number > 1 else ""


def _titles(inputs: Inputs, system: System, group: str, kind: str = "") -> tuple[str, str]:
    number, words = len(inputs.of(system, group)), {"joint": "joint training"}.get(group, f"{group} corpora")
    return f"UA {group}{kind}" + (f" ({number})" if number > 1 else ""), words + kind


def _frozen(inputs: Inputs, method: str, number: int, group: str) -> Measure | None:
    """Encoders under one head, beside those that are baselines."""
    scores = _members(inputs, method, group)
    if not scores:
        return None
    kinds = {system: baseline(inputs.specs[system.encoder]) for system in scores}
    controls = [system for system in scores if kinds[system]]
    strongest = max(controls, key=lambda system: scores[system].ua, default=None)
    lines, beaten = [], 0
    for system, score in sorted(scores.items(), key=lambda item: -item[1].ua):
        line = Line(system.encoder, method, kinds[system], score, joint_marks(inputs.of(system, group)))
        if strongest and not line.baseline:
            tests = [inputs.tested(system, control, group) for control in (strongest, *controls)]
            compared = [replace(line, test=test, ahead=test.ahead(system)) for test in tests if test]
            beaten += len(compared) == len(tests) and all(clear(one, inputs.level) for one in compared)
            line = replace(compared[0], than=strongest.encoder, among=len(controls)) if tests[0] else line
        lines.append(line)
    title, where = _titles(inputs, next(iter(scores)), group)
    return Measure(title, where, chosen(inputs, method, number), lines, beaten, inputs.level)


def _tuned(inputs: Inputs, method: str, number: int, group: str) -> Measure | None:
    """Tuned encoders under one strategy, beside the training of less."""
    scores, less = _members(inputs, method, group), baselines(inputs)[method]
    lines = []
    for system, score in scores.items():
        control = System(system.encoder, less)
        test = inputs.tested(system, control, group)
        line = Line(system.encoder, method, "", score, joint_marks(inputs.of(system, group)))
        lines.append(replace(line, test=test, ahead=test.ahead(system), than=less) if test else line)
        if (control, group) in inputs.means:
            own = inputs.means[control, group]["dev"]
            lines.append(Line(system.encoder, less, "less trained", own, joint_marks(inputs.of(control, group))))
    if not lines:
        return None
    lines.sort(key=lambda line: -line.score.ua)
    beaten = sum(clear(line, inputs.level) for line in lines)
    title, where = _titles(inputs, next(iter(scores)), group, ", tuned")
    return Measure(title, where, chosen(inputs, method, number), lines, beaten, inputs.level)


def _outside(inputs: Inputs, corpora: tuple[str, ...]) -> Measure:
    """Systems from outside that are tested on the same corpora, beside what dev prefers of ours."""
    lines = []
    for system in inputs.outside.corpora[corpora]:
        marks, test = joint_marks(inputs.outside.of(system)), outside.preferred(inputs, system)
        line = Line(system.encoder, system.method, "", inputs.outside.means[system], marks)
        than = {"test": test, "ahead": test.ahead(system), "than": inputs.name(test.b)} if test else {}
        lines.append(replace(line, **than))
    lines.sort(key=lambda line: -line.score.ua)
    beaten = sum(clear(line, inputs.level) for line in lines)
    title, where = f"UA outside, {'+'.join(corpora)}", f"outside systems on {', '.join(corpora)}"
    return Measure(title, where, "", lines, beaten, inputs.level, outside=True)


def _diarized(found: Diarization, test: str) -> Measure | None:
    """Models beside labels that hear nothing, and beside random weights that were trained on the same."""
    rows = sorted((r for r in found.rows if (r.test, r.emotion) == (test, "all")), key=lambda row: row.eder.ua)
    kinds = {row.system: _kind(row) for row in rows}
    lines, beaten = [], 0
    for row in rows:
        name, how = row.system
        line = Line(name, how, kinds[row.system], row.eder, sed.row_marks(row))
        controls = [o.system for o in rows if kinds[o.system] not in ("", TOLD) and o.system[1] in (how, "")]
        if controls and not line.baseline:
            tests = [found.pair(row.system, other, test) for other in controls]
            compared = [replace(line, test=one, ahead=one.ahead(row.system)) for one in tests if one]
            beaten += len(compared) == len(tests) and all(clear(one, sed.LEVEL) for one in compared)
            line = replace(compared[0], than=controls[0][0], among=len(controls)) if tests[0] else line
        lines.append(line)
    if all(line.baseline for line in lines):
        return None
    corpus, _, kind = test.partition(".")
    title = f"EDER {kind + ', ' if kind else ''}{'all corpora' if corpus == sed.POOLED else corpus}"
    return Measure(title, f"diarization of {sed.set_name(test)}", "", lines, beaten, sed.LEVEL)


def _kind(row: Diarized) -> str:
    if row.baseline:
        return TOLD if row.system[0] in sed.TOLD else "hears nothing"
    encoder = row.system[0].partition(".")[0]
    return baseline(encoders.spec(encoder)) if encoder in encoders.names() else ""  # a published model is no encoder


def shortened(found: Sequence[Measure]) -> list[Measure]:
    """Leave out systems and baselines, the worst first, until there are no more than :data:`MOST` lines."""
    if sum(len(measure.lines) for measure in found) <= MOST:
        return list(found)
    share = max(2, MOST // len(found))
    return [replace(measure, lines=_first(measure, share)) for measure in found]


def _first(measure: Measure, number: int) -> list[Line]:
    controls = [line for line in measure.lines if line.baseline][: number // 2]
    systems = measure.systems[: number - len(controls)]
    return [line for line in measure.lines if line in systems or line in controls]


def table(found: Sequence[Measure]) -> Table:
    """Set all measures in one table."""
    rows = [_row(m, line, label) for m in found for line, label in zip(m.lines, m.labels, strict=True)]
    header = ["measure", "system", "kind", "score", "better by", "than", "q", "detectable"]
    return Table("headline", "Headlines", _caption(found), header, rows)


def _caption(found: Sequence[Measure]) -> str:
    titles = " ".join(measure.title for measure in found)
    said = ["UA, the higher the better (mean over so many conditions)"] * ("UA" in titles)
    said += ["EDER, the lower the better"] * ("EDER" in titles)
    caption = f"Percent [95% interval]: {'; '.join(said)}. The best of each measure first, baselines among them."
    chosen = dict.fromkeys(m.choice for m in found if m.choice)
    caption += f" Methods: {'; '.join(chosen)}." if chosen else ""
    caption += " *better by*: points, in favour of the system where positive; *than*: the strongest baseline by test"
    caption += ", or the same encoder with less trained" if "tuned" in titles else ""
    caption += ", or, of outside systems, the one of ours that dev prefers" if "outside" in titles else ""
    return caption + (
        ". Bold: shown (Holm's p < 0.05, and an interval without 0). *q*: after Benjamini and Hochberg. *detectable*: "
        "points of a true difference that 80% of such experiments would have seen, as the first of its family (– where "
        "no p could be small enough)."
    )


def _row(measure: Measure, line: Line, label: str) -> list[Cell]:
    kind = "outside system" if measure.outside else f"baseline: {line.baseline}" if line.baseline else "system"
    row = [Cell(measure.title), Cell(label), Cell(kind)]
    row.append(score_cell(line.score, line.marks))
    if line.test is None or line.ahead is None:
        return [*row, DASH, DASH, DASH, DASH]
    size = 100 * line.test.detectable_family
    known = size > 0 and line.test.reachable < measure.level
    seen = (f"{size:.1f}" if known else "–") + equivalent(line.test)
    row.append(Cell(line.ahead.signed(), best=clear(line, measure.level), value=line.ahead.ua))
    row += [Cell(line.than), Cell(p_value(line.test.q), value=line.test.q)]
    return [*row, Cell(seen, value=size if known else None)]
