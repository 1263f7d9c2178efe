"""Tables of who and what systems fail on: women and men, sentences seen or not, speakers, languages; calibration; other
speakers, sentences and corpora than these.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from local.report.conditions import GROUPS
from local.report.failures import Calibration, Part, Test
from local.report.material import Inputs
from local.report.scores import Score, System
from local.report.tables.cells import (
    DASH,
    Cell,
    Table,
    freedom,
    joint_marks,
    marks,
    notes,
    number,
    p_value,
    score_cell,
    trained,
)  # fmt: skip

TESTED = ["df", "p", "p Holm", "q", "tests", "detectable"]
WHERE = ["train", "test", "system"]
BY = {
    "gender": (
        "Women and men", ("women", "men"),
        "Women and men are other people, so the difference is between two samples of speakers (Welch).",
    ),
    "sentence": (
        "Sentences that training heard, and others", ("heard", "unheard"),
        "*heard*: test utterances whose sentence is in the train list of their fold. The same speakers say both, so "
        "the difference is within them. Other sentences may also be harder ones: what not hearing them costs is asked "
        "by `split.scheme` (docs/statistics.md).",
    ),
}  # fmt: skip


def tables(inputs: Inputs) -> Iterator[Table]:
    """Give the tables that the results have material for; others have no rows."""
    for by in BY:
        yield _halves(inputs, by)
    yield _speakers(inputs)
    yield _languages(inputs)
    yield _calibration(inputs)
    yield _mixed(inputs)


def sentences(inputs: Inputs) -> list[str]:
    """Say in one sentence on whom systems fail; in none where nobody was told apart."""
    lowest = [p.test for p in inputs.failures.parts if (p.by, p.what) == ("speaker", "sd") and p.test]
    halves = [p for p in inputs.failures.parts if (p.by, p.what) == ("gender", "difference") and p.test and not p.train]
    said, level = [], f"{inputs.level:.2g}"
    if lowest:
        clear = sum(test.q < inputs.level for test in lowest)
        said.append(f"speakers differ more than chance has it in {clear} of {len(lowest)} conditions (q < {level})")
    if halves:
        clear = [part.score.ua for part in halves if part.test.adjusted < inputs.level]
        ahead = sum(value > 0 for value in clear)
        low, high = (100 * pick(part.score.ua for part in halves) for pick in (min, max))
        said.append(
            f"women are recognised better than men in {ahead} and worse in {len(clear) - ahead} of {len(halves)} means "
            f"over conditions (p Holm < {level}; differences {low:+.1f} to {high:+.1f} points)"
        )
    return [f"**Who it fails on**: {'; '.join(said)}."] if said else []


def _where(inputs: Inputs, one: Part | Calibration) -> list[Cell]:
    """Say what was trained and tested, and how, under :data:`WHERE`."""
    if not one.train:
        system = _system(inputs, one.system, one.setting)
        return [Cell(f"all {one.setting}"), Cell("all"), system]
    result = inputs.result(one.system, one.train, one.test_corpus)
    system = Cell(inputs.name(one.system), marks(result) if result else "")
    return [Cell(inputs.label(one.train)), Cell(inputs.label(one.test_corpus)), system]


def _system(inputs: Inputs, system: System, group: str) -> Cell:
    """Name a system, with all that qualifies its conditions of a group."""
    return Cell(inputs.name(system), joint_marks(inputs.of(system, group)))


def _notes(inputs: Inputs) -> str:
    """Say what systems train, and what of the test corpus they use."""
    return trained(inputs, inputs.results) + notes(inputs)


def _tested(score: Score, test: Test | None, level: float) -> list[Cell]:
    """Print a test under :data:`TESTED`."""
    if test is None:
        return [freedom(score.df), *[DASH] * (len(TESTED) - 1)]
    alone, first = (f"{100 * size:.1f}" for size in (test.detectable, test.detectable_family))
    return [
        freedom(score.df), Cell(p_value(test.p), value=test.p),
        Cell(p_value(test.adjusted), best=test.adjusted < level, value=test.adjusted),
        Cell(p_value(test.q), value=test.q), Cell(str(test.tests)),
        DASH if isnan(test.detectable) else Cell(f"{alone} / {first}", value=test.detectable),
    ]  # fmt: skip


def _family_note(inputs: Inputs, families: str) -> str:
    return (
        f" {families} p after Holm (bold: < {inputs.level:.2g}), q after Benjamini and Hochberg, of so many *tests*. "
        "*detectable*: points of a true difference that would have been seen in 80% of such experiments, alone / as "
        "the first of its family."
    )


def _halves(inputs: Inputs, by: str) -> Table:
    """UA of either half and the difference, means first."""
    title, names, about = BY[by]
    parts = [part for part in inputs.failures.parts if part.by == by]
    scores = {(part.system, part.train, part.test_corpus, part.setting, part.name): part for part in parts}
    rows = []
    differences = [part for part in parts if part.what == "difference"]
    order = {part: place for place, part in enumerate(differences)}
    differences.sort(key=lambda part: (bool(part.train), part.test.adjusted if part.test else 2, order[part]))
    for part in differences:
        own = [scores[part.system, part.train, part.test_corpus, part.setting, n] for n in part.name.split(" - ")]
        sizes = [Cell(" + ".join(str(half.n) for half in own), value=part.n), Cell(str(part.speakers))]
        difference = Cell(part.score.signed(), value=part.score.ua)
        rows.append([
            *_where(inputs, part), *(score_cell(half.score) for half in own), difference, *sizes,
            *_tested(part.score, part.test, inputs.level),
        ])  # fmt: skip
    caption = (
        f"UA in percent [95% interval] over the emotions that both have, and the difference in points. {about} t-tests."
        + _family_note(inputs, "Means over conditions are one family, single conditions another.")
        + _notes(inputs)
    )
    header = [*WHERE, *names, "difference", "n", "speakers", *TESTED]
    return Table(f"by-{by}", title, caption, header, rows)


def _speakers(inputs: Inputs) -> Table:
    """The worst speaker and the spread between speakers, beside what chance makes of speakers who are alike."""
    found: dict[tuple, dict[str, Part]] = {}
    for part in inputs.failures.parts:
        if part.by == "speaker" and part.what in ("lowest", "sd"):
            found.setdefault((part.system, part.train, part.test_corpus), {})[part.what] = part
    rows = []
    for own in found.values():
        lowest, sd = own["lowest"], own["sd"]
        row = [*_where(inputs, sd), Cell(str(sd.speakers)), Cell(lowest.name), Cell(str(lowest.n))]
        for part in (lowest, sd):
            row += [number(part.score.ua), number(part.chance), Cell(p_value(part.test.p), value=part.test.p)]
            row.append(Cell(p_value(part.test.q), best=part.test.q < inputs.level, value=part.test.q))
        rows.append([*row, Cell(str(sd.test.tests))])
    caption = (
        "*lowest*: UA in percent of the speaker with the lowest, over the emotions that they show, and their n "
        "utterances; *SD*: standard deviation between speakers, in points. The least of so many noisy scores is low "
        "even where all speakers are alike: *by chance* says how low, and how large the SD would be, if each emotion's "
        "utterances were dealt out to speakers at random. p is how often that gives as low, or as large, a one; q "
        f"(bold: < {inputs.level:.2g}) is after Benjamini and Hochberg over this table. **Only where p is small is the "
        f"worst speaker more than bad luck.** UA of every speaker: `breakdown.csv`.{_notes(inputs)}"
    )
    header = [
        *WHERE, "speakers", "worst", "n", "lowest", "lowest by chance", "p lowest", "q lowest", "SD", "SD by chance",
        "p SD", "q SD", "tests",
    ]  # fmt: skip
    return Table("by-speaker", "Speakers", caption, header, rows)


def _languages(inputs: Inputs) -> Table:
    """UA by the language of the test, systems down."""
    parts = [part for part in inputs.failures.parts if part.by == "language"]
    languages = list(dict.fromkeys(part.name for part in parts))
    found: dict[tuple[System, str], dict[str, Part]] = {}
    for group in GROUPS:
        for part in parts:
            if part.setting == group:
                found.setdefault((part.system, group), {})[part.name] = part
    rows = [
        [_system(inputs, system, group), Cell(group)]
        + [score_cell(own[name].score) if name in own else DASH for name in languages]
        for (system, group), own in found.items()
    ]
    caption = (
        "UA in percent [95% interval] by the language of the test corpus, mean over all conditions that test it. "
        "Languages are not tested against each other: each is also other speakers, sentences and rooms."
        f"{_notes(inputs)}"
    )
    return Table("by-language", "Languages", caption, ["system", "conditions", *languages], rows)


def _calibration(inputs: Inputs) -> Table:
    """Confidence beside accuracy, ECE beside what chance gives, Brier score, log loss."""
    rows = [
        [
            *_where(inputs, own), Cell(str(own.n)), Cell(str(own.speakers)), number(own.confidence),
            number(own.accuracy),
            Cell(own.surplus.signed(), best=own.surplus.lo > 0 or own.surplus.hi < 0, value=own.surplus.ua),
            score_cell(own.ece), number(own.ece_chance), score_cell(own.brier), number(own.log_loss, 3, 1),
        ]
        for own in inputs.failures.calibration if own.system in inputs.systems
    ]  # fmt: skip
    uniform = 100 * (1 - inputs.chance)
    caption = (
        "Means over utterances and seeds, in percent [95% interval over speakers]. *confidence*: mean posterior of the "
        "emotion that is said. *too sure*: confidence minus accuracy in points, bold where its interval, alone, leaves "
        "out 0. *ECE*: expected calibration error, 15 bins of equal width (Guo et al. 2017), jackknife interval; it is "
        "above 0 by chance. *calibrated* is what posteriors that mean what they say would give with this n. *Brier*: "
        f"squared distance from the truth, 0 to 200, {uniform:.0f} if all emotions are always equally likely. *log "
        f"loss*: nats.{_notes(inputs)}"
    )
    header = [
        *WHERE, "n", "speakers", "confidence", "accuracy", "too sure", "ECE", "calibrated", "Brier", "log loss",
    ]  # fmt: skip
    return Table("calibration", "Do posteriors mean what they say?", caption, header, rows)


def _mixed(inputs: Inputs) -> Table:
    """Encoders by a mixed model, beside the same comparison over these sentences and corpora."""
    rows = []
    for own in sorted(inputs.failures.mixed, key=lambda own: GROUPS.index(own.setting)):
        other = inputs.compared_means(own.a, own.b, own.setting)
        rows.append([
            Cell(own.setting), *(_system(inputs, system, own.setting) for system in (own.a, own.b)),
            Cell(own.difference.signed(), value=own.difference.ua),
            *_tested(own.difference, own.test, inputs.level),
            Cell(other.difference.signed(), value=other.difference.ua) if other else DASH,
            Cell(str(own.n)), Cell(str(own.speakers)), Cell(str(own.sentences) if own.sentences else "–"),
            Cell(own.corpora),
            *(number(own.shares.get(name), 1) for name in ("speaker", "sentence", "corpus")),
        ])  # fmt: skip
    caption = (
        "Encoders under one method in all conditions of a group, for other speakers, sentences and, where corpora are "
        "*random*, corpora than these: difference in points [95% interval] by a linear mixed model of the difference "
        "on each utterance, with crossed random effects and Satterthwaite's degrees of freedom. *these*: the "
        "difference of mean UA that other tables hold, for other speakers alone. *by ...*: share of the variance of "
        "the difference, in percent. Wide intervals with few corpora are no fault: that few say little about others."
        + _family_note(inputs, "All of one group are a family.")
        + _notes(inputs)
    )
    header = [
        "conditions", "a", "b", "a − b", *TESTED, "these", "n", "speakers", "sentences", "corpora", "by speaker",
        "by sentence", "by corpus",
    ]  # fmt: skip
    return Table("mixed", "Would other speakers, sentences and corpora say the same?", caption, header, rows)
