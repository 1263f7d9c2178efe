"""The headlines: every system under the method that dev prefers, beside what is reached without it.

A measure is a score over one group of conditions or one set of recordings. In it, systems stand beside baselines:
log-mel, random weights, classifiers without ears and, of diarization, labels that hear nothing. A frozen system is
compared with the strongest baseline by test, which is the hardest one to be better than; a tuned one with the training
of nothing but its head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from local import encoders
from local.report import sed
from local.report.diarized import Diarization, Diarized
from local.report.material import GROUPS, Inputs, System, baseline
from local.report.scores import PairedTest, Score
from local.report.tables.cells import DASH, Cell, Table, joint_marks, p_value, score_cell
from local.report.tables.comparisons import baselines

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
    """

    name: str
    method: str
    baseline: str
    score: Score
    marks: str
    test: PairedTest | None = None
    ahead: Score | None = None


@dataclass(frozen=True)
class Measure:
    """Systems beside baselines, the best first.

    Attributes
    ----------
    title : str
    where : str
        As a sentence begins with it.
    choice : str
        How the method was chosen, in words.
    reference : str
        What systems are compared with, in words.
    lines : list of Line
    beaten : int
        Systems that are significantly better than every baseline.
    level : float
        Of the tests.
    """

    title: str
    where: str
    choice: str
    reference: str
    lines: list[Line]
    beaten: int
    level: float

    @property
    def systems(self) -> list[Line]:
        """Lines that are no baselines."""
        return [line for line in self.lines if not line.baseline]


def measures(inputs: Inputs | None, diarization: Diarization | None) -> list[Measure]:
    """List the measures that there are results of."""
    found: list[Measure | None] = []
    if inputs:
        frozen, tuned = preferred(inputs, inputs.heads), preferred(inputs, baselines(inputs))
        found += [_frozen(inputs, frozen, group) for group in GROUPS if frozen]
        found += [_tuned(inputs, tuned, group) for group in GROUPS if tuned]
    if diarization:
        found += [_diarized(diarization, test) for test in sed.main_tests(diarization)]
    return [measure for measure in found if measure]


def preferred(inputs: Inputs, methods: Iterable[str]) -> str:
    """Choose by dev, of the methods that most trainings were made with."""
    found = {}
    for method in methods:
        results = [result for result in inputs.results if result.system.method == method]
        trainings = inputs.selections(results)
        found[method] = len(results), sum(result.dev_ua for result in trainings) / len(trainings)
    most = max((number for number, _ in found.values()), default=0)
    return max((m for m in found if found[m][0] == most), key=lambda method: found[method][1], default="")


def _members(inputs: Inputs, method: str, group: str) -> dict[System, Score]:
    """Mean headlines of the systems of a method that have most conditions; means over fewer do not compare."""
    scores = {s: score for s, score in inputs.headlines(group).items() if s.method == method}
    most = max((len(inputs.of(system, group)) for system in scores), default=0)
    return {s: score for s, score in scores.items() if len(inputs.of(s, group)) == most}


def _conditions(inputs: Inputs, system: System, group: str) -> str:
    number = len(inputs.of(system, group))
    words = {"within": "within corpora", "across": "across corpora", "joint": "joint training"}
    return f"{words[group]}, {f'mean of {number}' if number > 1 else 'one condition'}"


def _chosen(methods: Sequence[str], method: str) -> str:
    return f"`{method}`" + (f", dev's choice of {len(methods)}" if len(methods) > 1 else "")


def _frozen(inputs: Inputs, method: str, group: str) -> Measure | None:
    """Encoders under one head, beside those that are baselines."""
    scores = _members(inputs, method, group)
    if not scores:
        return None
    kinds = {system: baseline(encoders.spec(system.encoder)) for system in scores}
    controls = [system for system in scores if kinds[system]]
    strongest = max(controls, key=lambda system: scores[system].ua, default=None)
    lines, beaten = [], 0
    for system, score in sorted(scores.items(), key=lambda item: -item[1].ua):
        line = Line(system.encoder, method, kinds[system], score, joint_marks(inputs.of(system, group)))
        if strongest and not line.baseline:
            tests = {control: inputs.tested(system, control, group) for control in controls}
            if test := tests[strongest]:
                line = replace(line, test=test, ahead=test.ahead(system))
            beaten += all(t and t.adjusted < inputs.level and t.ahead(system).ua > 0 for t in tests.values())
        lines.append(line)
    which = f", the strongest of {len(controls)} baselines by test" if len(controls) > 1 else ", the baseline"
    where = _conditions(inputs, next(iter(scores)), group)
    reference = f"`{strongest.encoder}`{which}" if strongest else ""
    choice = _chosen(list(inputs.heads), method)
    return Measure(f"UA, {where}", where, choice, reference, lines, beaten, inputs.level)


def _tuned(inputs: Inputs, method: str, group: str) -> Measure | None:
    """Tuned encoders under one strategy, beside the training of less."""
    scores, less = _members(inputs, method, group), baselines(inputs)[method]
    lines, beaten = [], 0
    for system, score in scores.items():
        control = System(system.encoder, less)
        test = inputs.tested(system, control, group)
        line = Line(system.encoder, method, "", score, joint_marks(inputs.of(system, group)))
        if test:
            line = replace(line, test=test, ahead=test.ahead(system))
            beaten += test.adjusted < inputs.level and line.ahead.ua > 0
        lines.append(line)
        if (control, group) in inputs.means:
            own = inputs.means[control, group]["dev"]
            lines.append(Line(system.encoder, less, "less trained", own, joint_marks(inputs.of(control, group))))
    if not lines:
        return None
    lines.sort(key=lambda line: -line.score.ua)
    where = f"tuned, {_conditions(inputs, next(iter(scores)), group)}"
    choice = _chosen(list(baselines(inputs)), method)
    return Measure(f"UA, {where}", where, choice, f"`{less}` of the same encoder", lines, beaten, inputs.level)


def _diarized(found: Diarization, test: str) -> Measure | None:
    """Models beside labels that hear nothing; ``others`` stands for training without the tested corpus."""
    rows = [row for row in found.rows if (row.test, row.emotion) == (test, "all")]
    kinds = {row.system: _kind(row) for row in rows}
    untold = [row for row in rows if row.baseline and row.system[0] not in sed.TOLD]
    if not untold or not any(not kind for kind in kinds.values()):
        return None
    strongest = min(untold, key=lambda row: row.eder.ua)
    lines, beaten = [], 0
    for row in sorted(rows, key=lambda row: row.eder.ua):
        line = Line(row.system[0], row.system[1], kinds[row.system], row.eder, sed.row_marks(row))
        if not line.baseline:
            tests = {other.system: found.pair(row.system, other.system, test) for other in untold}
            if one := tests[strongest.system]:
                line = replace(line, test=one, ahead=-one.difference)
            beaten += all(t and t.adjusted < sed.LEVEL and t.difference.hi < 0 for t in tests.values())
        lines.append(line)
    reference = f"`{strongest.system[0]}`, the strongest of {len(untold)} baselines that are told nothing, by test"
    where = f"diarization, {sed.set_name(test)}"
    return Measure(f"EDER, {sed.set_name(test)}", where, "", reference, lines, beaten, sed.LEVEL)


def _kind(row: Diarized) -> str:
    if row.baseline:
        return "told the emotion" if row.system[0] in sed.TOLD else "hears nothing"
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
    rows = [list(_row(measure, line)) for measure in found for line in measure.lines]
    header = ["measure", "system", "method", "kind", "score", "better by", "q", "detectable"]
    beside: dict[str, list[str]] = {}
    for measure in found:
        if measure.reference:
            beside.setdefault(measure.reference, []).append(measure.where)
    references = "; ".join(f"{reference} ({', '.join(where)})" for reference, where in beside.items())
    scores = [
        "UA, the higher the better" if any(m.title.startswith("UA") for m in found) else "",
        "EDER, the lower the better" if any(m.title.startswith("EDER") for m in found) else "",
    ]
    caption = (
        f"Percent [95% interval]: {'; '.join(filter(None, scores))}. The best of each measure first, baselines among "
        f"them. *better by*: points than {references}." if beside else ""
    )
    caption += (
        " Bold: Holm's p below 0.05. *q*: after Benjamini and Hochberg. *detectable*: points of a true difference that "
        "80% of such experiments would have seen, as the first of its family."
    )
    return Table("headline", "Headlines", caption, header, rows)


def _row(measure: Measure, line: Line) -> Iterator[Cell]:
    yield Cell(measure.title.replace("`", ""))
    yield Cell(line.name)
    yield Cell(line.method or "–")
    yield Cell(f"baseline: {line.baseline}" if line.baseline else "system")
    yield score_cell(line.score, line.marks)
    if line.test is None or line.ahead is None:
        yield from (DASH, DASH, DASH)
        return
    clear = line.test.adjusted < measure.level
    yield Cell(line.ahead.signed(), best=clear and line.ahead.ua > 0, value=line.ahead.ua)
    yield Cell(p_value(line.test.q), value=line.test.q)
    size = 100 * line.test.detectable_family
    yield Cell(f"{size:.1f}", value=size) if size > 0 else DASH
