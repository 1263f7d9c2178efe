"""How small a difference the tests of a run can show with its speakers and seeds, said before it has been run.

How systems will differ is not known then: ``plan`` in the experiment says what is taken for granted, and its defaults
are what was measured on real corpora (docs/statistics.md). utils/power.py has the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from local.experiment import Experiment
from local.plan import comparisons, work
from local.plan.comparisons import Basis
from utils import power, significance
from utils.power import Part

POWER = 0.8
_NEVER = "none, however large"


@dataclass(frozen=True)
class Seen:
    """What comparisons on one basis can show, as fractions of 1.

    Attributes
    ----------
    speakers : int
    smallest : float
        The smallest p.
    flips, t : list of float
        True difference that is seen by the randomisation test and by the t-test, of one comparison alone: of each
        assumed spread.
    first : dict of float to float
        The same by the randomisation test at other levels, of the spread in the middle.
    """

    speakers: int
    smallest: float
    flips: list[float]
    t: list[float]
    first: dict[float, float]


def describe(settings: Experiment) -> Iterator[str]:
    """Yield lines: what is taken for granted, what each basis can show alone, and each family of tests."""
    lacking = work.missing(settings)
    yield "Power"
    if lacking:
        yield f"  not known before stage 1 has prepared and cut {', '.join(lacking)}: run.sh --stop-stage data"
        return
    planned = comparisons.planned(settings)
    if not planned:
        yield "  nothing will be compared"
        return
    level = 1 - settings.score.confidence
    levels: dict[Basis, dict[float, None]] = {}
    for members in planned.values():
        for basis in members:
            levels.setdefault(basis, {})[level / len(members)] = None
    yield from _granted(settings, levels)
    seen = {basis: _seen(basis, list(own), settings) for basis, own in levels.items()}
    yield from _alone(seen)
    yield from _in_families(planned, seen, level)


def _seen(basis: Basis, levels: list[float], settings: Experiment) -> Seen:
    spreads = sorted(settings.plan.eder_sd if basis.diarization else settings.plan.sd)
    every = [_parts(basis, spread, settings) for spread in spreads]
    middle, alone = every[len(every) // 2], [1 - settings.score.confidence]

    def seen(test, parts: list[Part], levels: list[float]) -> list[float]:
        return test(parts, np.random.default_rng(settings.score.seed), levels, POWER).tolist()

    return Seen(
        sum(len(part.totals) for part in middle),
        power.smallest_p(middle, settings.score.permutations),
        [seen(power.seen_by_flips, parts, alone)[0] for parts in every],
        [seen(power.seen_by_t, parts, alone)[0] for parts in every],
        dict(zip(levels, seen(power.seen_by_flips, middle, levels), strict=True)),
    )


def _parts(basis: Basis, spread: float, settings: Experiment) -> list[Part]:
    own = settings.plan
    common = {"between": spread / 100, "runs": own.seed_sd / 100, "seeds": basis.seeds}
    if basis.diarization:
        return [Part(comparisons.recordings(sample, settings), within=0.0, share=share, **common)
                for sample, share in basis.samples]  # fmt: skip
    return [Part(comparisons.utterances(sample, settings.emotions), within=own.within, share=share, **common)
            for sample, share in basis.samples]  # fmt: skip


def _granted(settings: Experiment, bases: Iterable[Basis]) -> Iterator[str]:
    """Say what is taken for granted."""
    own, kinds = settings.plan, {basis.diarization for basis in bases}
    yield (
        f"  seen: the smallest true difference, in points, that {100 * POWER:.0f}% of such experiments would show (p < "
        f"{1 - settings.score.confidence:.2g}, signs of speakers flipped)"
    )
    yield "  Taken for granted (change it with --set; docs/statistics.md says whence it is):"
    if False in kinds:
        yield (
            f"  - UA: a speaker's own difference varies by {_span(own.sd)} points (plan.sd), an utterance's around it "
            f"with variance {own.within:g} (plan.within)"
        )
    if True in kinds:
        yield f"  - EDER: a speaker's mean difference varies by {_span(own.eder_sd)} points (plan.eder_sd)"
    seeds = sorted({basis.seeds for basis in bases})
    yield f"  - another seed changes a difference by {own.seed_sd:g} points (plan.seed_sd); seeds here: {_span(seeds)}"


def _alone(seen: Mapping[Basis, Seen]) -> Iterator[str]:
    """Say what one comparison on each basis can show; bases that can show the same share a line."""
    yield ""
    yield "  One comparison alone"
    rows: dict[tuple[str, ...], list[str]] = {}
    for basis, own in seen.items():
        numbers = str(own.speakers), f"{own.smallest:.2g}", _points(own.flips), _points(own.t)
        rows.setdefault(("EDER" if basis.diarization else "UA", *numbers), []).append(basis.where)
    header = ["tested on", "of", "speakers", "smallest p", "seen", "by a t-test"]
    yield from _table([header, *([_listed(where), *rest] for rest, where in rows.items())])


def _in_families(planned: Mapping[str, list[Basis]], seen: Mapping[Basis, Seen], level: float) -> Iterator[str]:
    """Say of each family, first, on what nothing can be significant, and what the first of its tests must reach."""
    yield ""
    yield "  As the first of its family of tests, after Holm"
    rows = [["family", "tests", "tested on", "smallest p", "seen"]]
    hopeless = 0
    for family, members in planned.items():
        reached = significance.holm(np.array([seen[basis].smallest for basis in members]))
        hopeless += int((reached >= level).sum())
        first: dict[tuple[str, str], list[str]] = {}
        for basis in dict.fromkeys(members):
            smallest = max(p for own, p in zip(members, reached, strict=True) if own == basis)
            points = seen[basis].first[level / len(members)]
            shown = _NEVER if smallest >= level else _points([points]) if points < math.inf else "only after others"
            first.setdefault((f"{smallest:.2g}", shown), []).append(basis.where)
        head = [family, str(len(members))]
        for (smallest, shown), where in first.items():
            rows.append([*head, _listed(where), smallest, shown])
            head = ["", ""]
    yield from _table(rows)
    if hopeless:
        tests = sum(map(len, planned.values()))
        yield f"  In {hopeless} of {tests} tests nothing can be significant: too few speakers for so many tests."


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield f"    {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))}".rstrip()


def _listed(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names if len(names) < 6 else [*names[:4], f"{len(names) - 4} more"])


def _points(values: list[float]) -> str:
    """Show what the middle of the assumed spreads gives, and what the others do."""
    middle = values[len(values) // 2]
    if math.isnan(middle):
        return "no interval"
    if math.isinf(middle):
        return _NEVER
    ends = f" ({100 * values[0]:.1f} to {100 * values[-1]:.1f})" if len(values) > 1 else ""
    return f"{100 * middle:.1f}{ends}"


def _span(values: Iterable[float]) -> str:
    values = sorted(set(values))
    middle = f"{values[len(values) // 2]:g}"
    return middle if len(values) == 1 else f"{middle} ({values[0]:g} to {values[-1]:g})"
