"""A study's claims beside what was found: supported, contradicted, not shown, or not testable with what was run.

``study.claims`` of the experiment names a YAML file of the recipe: claims, each with the fields of :class:`Claim`.
Encoders are the experiment's, methods are called as the report calls them (``logreg, 100 shots``). In a
smoke run, each name means what stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isnan
from pathlib import Path

from local.experiment import Experiment
from local.report.material import Comparison, Inputs, System
from local.report.scores import Score
from local.report.tables.cells import DASH, Cell, Table, number, p_value
from utils import registry
from utils.config import read_yaml
from utils.errors import UserError

SUPPORTED, CONTRADICTED, NOT_SHOWN, UNTESTABLE = "supported", "contradicted", "not shown", "not testable here"
EACH = "each"


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    claim, place, published : str
        In words; where in the study; its figure.
    a : str
        An encoder.
    b : list of str
        Encoders that it is compared with, each alone; none, where the claim is of the level that ``a`` reaches.
    method : str
        How all of them are used.
    group : str
        ``within``, ``across`` or ``joint``: the mean over such conditions; ``TRAIN:TEST``: one condition; ``each``: in
        how many corpora (trained and tested on) ``a`` is behind all of ``b``.
    low, high : float
        What is claimed of a − b, or of the level of a, in points; of ``each``, of how many corpora.
    """

    claim: str
    place: str = ""
    published: str = ""
    a: str = ""
    method: str = ""
    group: str = ""
    b: list[str] = field(default_factory=list)
    low: float = -100.0
    high: float = 100.0


@dataclass(frozen=True)
class Finding:
    """What was found of a claim: a row of the table."""

    claim: Claim
    systems: str
    verdict: str
    ours: str = ""
    value: float | None = None
    n: int | None = None
    speakers: int | None = None
    p: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class Claims:
    """A study's claims, and what they are held against."""

    inputs: Inputs
    claims: list[Claim]

    @property
    def findings(self) -> list[Finding]:
        """What was found of every claim; one that compares with several encoders gives a finding for each."""
        return [finding for claim in self.claims for finding in _findings(self.inputs, claim)]


def load(experiment: Experiment, inputs: Inputs | None) -> Claims | None:
    """Read the claims that an experiment names; None where it names none, or nothing was run.

    Raises
    ------
    UserError
        The file is missing or malformed, or a claim makes no sense.
    """
    if not experiment.study.claims or inputs is None:
        return None
    path = Path(experiment.study.claims)
    found = []
    for words, entry in read_yaml(path).items():
        origin = f"{path}: '{words}'"
        claim = registry.fill(Claim, entry, origin, claim=words)
        lacking = [name for name in ("place", "published", "a", "method", "group") if not getattr(claim, name)]
        if lacking:
            raise UserError(f"{origin} has no '{lacking[0]}'")
        if claim.group == EACH and not claim.b:
            raise UserError(f"{origin}: group {EACH} compares; name encoders as b")
        if claim.group not in ("within", "across", "joint", EACH) and ":" not in claim.group:
            raise UserError(f"{origin}: group '{claim.group}' is not one of within, across, joint, {EACH}, TRAIN:TEST")
        found.append(_with_stand_ins(claim, experiment))
    return Claims(inputs, found)


def _with_stand_ins(claim: Claim, experiment: Experiment) -> Claim:
    if not experiment.study.smoke:
        return claim

    def replaced(text: str) -> str:
        return re.sub(r"\w+", lambda word: experiment.study.stand_ins.get(word[0], word[0]), text)

    a, group = replaced(claim.a), replaced(claim.group) if ":" in claim.group else claim.group
    return replace(claim, a=a, b=[replaced(name) for name in claim.b], group=group)


def _findings(inputs: Inputs, claim: Claim) -> Iterator[Finding]:
    if claim.group == EACH:
        yield _counted(inputs, claim)
    elif not claim.b:
        yield _level(inputs, claim)
    else:
        yield from (_difference(inputs, claim, other) for other in claim.b)


def _difference(inputs: Inputs, claim: Claim, other: str) -> Finding:
    systems = f"{claim.a} − {other}"
    a, b = (System(name, claim.method) for name in (claim.a, other))
    tests = [one for one in inputs.comparisons if {one.a, one.b} == {a, b} and _is_of(one, claim.group)]
    if not tests:
        return Finding(claim, systems, _why_not(inputs, claim, [a, b]))
    test = tests[0]
    ours = test.ahead(a)
    return Finding(
        claim, systems, _verdict(ours, test, claim, inputs.level), ours.signed(), ours.ua, test.n, test.speakers,
        test.adjusted, test.detectable,
    )  # fmt: skip


def _is_of(test: Comparison, group: str) -> bool:
    if ":" in group:
        return test.train is not None and f"{'+'.join(test.train)}:{test.test}" == group
    return test.train is None and test.setting == group


def _verdict(ours: Score, test: Comparison, claim: Claim, level: float) -> str:
    """Judge a claimed difference by its sign, after Holm in the family of its table; its size is said beside it."""
    sign = -1 if claim.low + claim.high < 0 else 1
    if test.adjusted < level:
        if sign * ours.ua < 0:
            return CONTRADICTED
        low, high = (100 * end for end in (ours.lo, ours.hi))
        smaller = high < claim.low if sign > 0 else low > claim.high
        larger = low > claim.high if sign > 0 else high < claim.low
        return SUPPORTED + (", but smaller" if smaller else ", and larger" if larger else "")
    least = min(abs(claim.low), abs(claim.high)) / 100
    return CONTRADICTED if test.equivalent and least >= test.margin else NOT_SHOWN


def _level(inputs: Inputs, claim: Claim) -> Finding:
    system = System(claim.a, claim.method)
    found = _reached(inputs, system, claim.group)
    if found is None:
        return Finding(claim, claim.a, _why_not(inputs, claim, [system]))
    score, n, speakers = found
    low, high = claim.low / 100, claim.high / 100
    verdict = NOT_SHOWN
    if score.lo >= low and score.hi <= high:
        verdict = SUPPORTED
    elif score.hi < low or score.lo > high:
        verdict = CONTRADICTED
    return Finding(claim, claim.a, verdict, str(score), score.ua, n, speakers)


def _reached(inputs: Inputs, system: System, group: str) -> tuple[Score, int | None, int | None] | None:
    if ":" not in group:
        score = inputs.means.get((system, group), {}).get("dev")
        members = {one.test: one for one in inputs.results if one.system == system and group in (one.group, "joint")}
        n, speakers = (sum(getattr(one, name) for one in members.values()) for name in ("n_test", "speakers"))
        return (score, n, speakers) if score else None
    for one in inputs.results:
        if one.system == system and f"{'+'.join(one.train)}:{one.test}" == group:
            return one.headline, one.n_test, one.speakers
    return None


def _counted(inputs: Inputs, claim: Claim) -> Finding:
    """Count the corpora in which an encoder is behind all others, and those in which it is so significantly."""
    a, others = System(claim.a, claim.method), [System(name, claim.method) for name in claim.b]
    last, clear, corpora = 0, 0, 0
    for corpus in inputs.corpora:
        tests = {
            one.b if one.a == a else one.a: one for one in inputs.comparisons
            if a in (one.a, one.b) and one.train == (corpus,) and one.test == corpus
        }  # fmt: skip
        if set(others) <= set(tests):
            corpora += 1
            last += all(tests[other].ahead(a).ua < 0 for other in others)
            clear += all(tests[other].ahead(a).ua < 0 and tests[other].adjusted < inputs.level for other in others)
    systems = f"{claim.a} behind {', '.join(claim.b)}"
    if not corpora:
        return Finding(claim, systems, _why_not(inputs, claim, [a, *others]))
    share = last / corpora
    verdict = SUPPORTED if share == 1 and clear else CONTRADICTED if not last else NOT_SHOWN
    return Finding(claim, systems, verdict, f"{last} of {corpora} corpora, significantly {clear}", share)


def _why_not(inputs: Inputs, claim: Claim, systems: list[System]) -> str:
    absent = [system.encoder for system in systems if system.encoder not in inputs.encoders]
    if absent:
        return f"{UNTESTABLE}: {' and '.join(dict.fromkeys(absent))} not run"
    if not all(system in inputs.systems for system in systems):
        return f"{UNTESTABLE}: method '{claim.method}' not run"
    return f"{UNTESTABLE}: no such conditions ({claim.group})"


def table(own: Claims) -> Table:
    """Set the claims beside what was found."""
    rows = []
    for one in own.findings:
        claim = one.claim
        detectable = None if one.detectable is None or isnan(one.detectable) else one.detectable
        rows.append(
            [
                Cell(claim.claim), Cell(claim.place), Cell(claim.published), Cell(one.systems),
                Cell(claim.method if claim.group == EACH else f"{claim.method}, {claim.group}"), Cell(one.ours or "–"),
                *(Cell(str(count)) if count is not None else DASH for count in (one.n, one.speakers)),
                DASH if one.p is None else Cell(p_value(one.p), value=one.p), number(detectable),
                Cell(one.verdict, best=one.verdict.startswith(SUPPORTED)),
            ]
        )  # fmt: skip
    caption = (
        "*ours*: points of UA [95% interval], a difference where two encoders are named. A difference is supported, or "
        f"contradicted, where it is significant (p after Holm, < {own.inputs.level:.2g}) in the direction that is "
        "claimed, or in the other, or shown to be smaller than the margin; a level, where its interval lies within, or "
        "wholly outside, what is claimed. *detectable*: true difference that 80% of such experiments would have seen."
    )
    header = ["claim", "place", "published", "systems", "conditions", "ours", "n", "speakers", "p Holm", "detectable"]
    return Table("claims", "The study's claims", caption, [*header, "verdict"], rows)


def shortened(whole: Table) -> Table:
    """Keep the columns that RESULTS.md has room for, and rows that could be tested; the caption counts the others."""
    kept = [whole.header.index(name) for name in ("claim", "published", "systems", "conditions", "ours", "verdict")]
    rows = [[row[place] for place in kept] for row in whole.rows if not row[-1].text.startswith(UNTESTABLE)]
    left = len(whole.rows) - len(rows)
    caption = whole.caption if rows else ""
    if left:
        caption += f" Of {len(whole.rows)} comparisons, {left} are {UNTESTABLE}; the page says of each why."
    return replace(whole, header=[whole.header[place] for place in kept], rows=rows, caption=caption.strip())
