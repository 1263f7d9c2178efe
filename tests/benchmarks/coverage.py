"""Simulate how often the intervals of utils/estimates.py hold the truth: tests/benchmarks/coverage.csv.

Run in the repository (minutes, one process; always the same numbers)::

    . ./path.sh; python3 -m tests.benchmarks.coverage [--replications 2500]

A world says how well a system recognises four emotions and how much speakers differ: a speaker's chance to have emotion
k taken for j is softmax over j of (strength of k if j = k) + bias of the speaker to j + the speaker's own for (k, j),
both normal. A design says how many utterances of each emotion each speaker has. A replication draws speakers and their
utterances anew; the truth is the score over all speakers that the world could have. Beside it stands, for UA, what the
percentile bootstrap over speakers covers (``bootstrap``).
"""

from __future__ import annotations

import argparse
import csv
import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import estimates, intervals, metrics
from utils.atomic import atomic_file
from utils.errors import run_main
from utils.estimates import Influence, Tally

RESULTS = Path(__file__).with_name("coverage.csv")
COLUMNS = ("speakers", "design", "world", "statistic", "truth", "coverage", "error", "width", "df", "bootstrap")
SPEAKERS = (3, 4, 6, 8, 10, 22, 29, 43)
CLASSES = 4
_POPULATION = 200_000  # speakers that stand for all
_RESAMPLED, _RESAMPLES = 500, 600  # replications that are also resampled, and how often


@dataclass(frozen=True)
class World:
    """A system and its speakers.

    Attributes
    ----------
    recalls : tuple of float
        Of a speaker without peculiarities.
    bias, own : float
        Standard deviations of a speaker's bias to an emotion and of his confusions, in log odds.
    other : tuple of float
        Recalls of the better system that it is compared with.
    """

    recalls: tuple[float, ...]
    bias: float
    own: float
    other: tuple[float, ...]


# Standard deviations of recall between speakers: usual 17-21 points (UA 8), high 4-10 (UA 3.5), low 15-20 (UA 7.5),
# alike 3-7 (UA 2.4); rare: 23 in the first class, 11-15 in the others.
WORLDS = {
    "usual": World((0.6, 0.75, 0.65, 0.8), 0.5, 0.7, (0.75, 0.85, 0.8, 0.9)),
    "high": World((0.93, 0.97, 0.95, 0.98), 0.5, 0.7, (0.97, 0.98, 0.97, 0.99)),
    "low": World((0.2, 0.4, 0.3, 0.35), 0.5, 0.7, (0.35, 0.5, 0.4, 0.5)),
    "alike": World((0.7, 0.85, 0.75, 0.9), 0.15, 0.25, (0.8, 0.9, 0.85, 0.9)),
    "rare": World((0.6, 0.9, 0.92, 0.95), 0.9, 0.4, (0.8, 0.9, 0.92, 0.95)),
}


def design(name: str, speakers: int) -> np.ndarray | None:
    """Utterances by speaker and emotion, shape (speakers, 4); None where there are too few speakers for it.

    ``balanced`` 10 of each; ``unequal`` 2 to about 60, by speaker and emotion; ``rare`` one emotion by four voices, 24
    to 6 utterances each; ``urdu`` so with 49, 30, 19 and 2, as in that corpus; ``few`` 3 of each.
    """
    rng = np.random.default_rng([speakers, zlib.crc32(name.encode())])
    if name in ("balanced", "few"):
        return np.full((speakers, CLASSES), 10 if name == "balanced" else 3)
    if name == "unequal":
        logs = 0.5 * rng.standard_normal((speakers, 1)) + 0.3 * rng.standard_normal((speakers, CLASSES))
        return np.maximum(2, np.round(12 * np.exp(logs))).astype(int)
    if speakers < 8:
        return None
    totals = np.maximum(2, np.round(8 * np.exp(0.4 * rng.standard_normal((speakers, CLASSES))))).astype(int)
    totals[:, 0] = 0
    totals[:4, 0] = (49, 30, 19, 2) if name == "urdu" else (24, 18, 12, 6)
    return totals


def chances(world: World, recalls: tuple[float, ...], noise: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Speakers' chances, shape (..., emotions, emotions), from standard normal bias and own confusions."""
    strength = np.diag([np.log(r / (1 - r) * (CLASSES - 1)) for r in recalls])
    logits = strength + world.bias * noise[0] + world.own * noise[1]
    logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return logits / logits.sum(axis=-1, keepdims=True)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((*shape, 1, CLASSES)), rng.standard_normal((*shape, CLASSES, CLASSES))


@functools.cache
def population(name: str, other: bool = False) -> np.ndarray:
    """Mean chances over all speakers of a world."""
    world = WORLDS[name]
    noise = _noise(np.random.default_rng(1), (_POPULATION,))
    return chances(world, world.other if other else world.recalls, noise).mean(axis=0)


@dataclass(frozen=True)
class Sample:
    """Replications of an experiment with one or two systems on the same utterances.

    Attributes
    ----------
    totals : ndarray, shape (speakers, emotions)
    counts : list of ndarray, shape (replications, speakers, emotions, emotions)
        A confusion matrix a system.
    differ : ndarray, shape (replications, emotions)
        Utterances that one system alone recognised.
    truth : list of ndarray, shape (emotions, emotions)
        Expected chances.
    """

    totals: np.ndarray
    counts: list[np.ndarray]
    differ: np.ndarray
    truth: list[np.ndarray]


def draw(rng: np.random.Generator, name: str, totals: np.ndarray, replications: int, better: bool = False) -> Sample:
    """Draw speakers and two systems; the second is as good as the first, or better.

    They share half the variance between speakers and a third of the answers.
    """
    world, shape = WORLDS[name], (replications, len(totals))
    first, fresh = _noise(rng, shape), _noise(rng, shape)
    second = tuple(np.sqrt(0.5) * (a + b) for a, b in zip(first, fresh, strict=True))
    p, q = chances(world, world.recalls, first), chances(world, world.other if better else world.recalls, second)
    one = rng.multinomial(totals, p)
    copied = rng.binomial(one, 1 / 3)
    left = totals - copied.sum(axis=-1)
    new = rng.multinomial(left, q)
    hits, again = (np.diagonal(x, axis1=-2, axis2=-1) for x in (one - copied, new))
    both = rng.hypergeometric(hits, left - hits, again)
    true = population(name)
    return Sample(
        totals,
        [one, copied + new],
        (hits + again - 2 * both).sum(axis=1),
        [true, (true + 2 * population(name, better)) / 3],
    )


def statistic(sample: Sample, kind: str, system: int | None) -> tuple[Influence, float]:
    """Linearise UA, WA, macro-F1 or the recall of a class of one system, or of second - first; and give the truth."""
    totals, systems = sample.totals, (0, 1) if system is None else (system,)
    size = totals.sum(axis=0)
    weights = {"ua": estimates.ua_weights, "wa": estimates.wa_weights, "f1": estimates.f1_weights}.get(kind)
    weights = weights(totals) if weights else np.eye(CLASSES)[int(kind[-1])]
    sums, values, truths = [], [], []
    for index in systems:
        counts = sample.counts[index]
        if kind == "f1":
            scores = estimates.f1_gradient(counts.sum(axis=1))
            sums.append((counts * scores[:, None]).sum(axis=-1))
            squares = (counts.sum(axis=1) * scores**2).sum(axis=-1)
            values.append(metrics.macro_f1(counts.sum(axis=1)))
            truths.append(float(metrics.macro_f1(sample.truth[index] * size[:, None])))
        else:
            sums.append(np.diagonal(counts, axis1=-2, axis2=-1))
            squares = sums[-1].sum(axis=1)
            truths.append(float(np.diag(sample.truth[index]) @ weights))
    signed = sums[0] if system is not None else sums[1] - sums[0]
    squares = sample.differ if system is None else squares
    tally = Tally(np.moveaxis(signed, 1, 0).astype(float), squares.astype(float), totals)
    value = None if not values else values[0] if system is not None else values[1] - values[0]
    truth = truths[0] if system is not None else truths[1] - truths[0]
    return estimates.influence(tally, weights, share=system is not None, value=value), truth


def draw_rates(rng: np.random.Generator, totals: np.ndarray, replications: int) -> tuple[Tally, Tally, float]:
    """Draw recordings' error rates of two equally good systems: 0 in some, 1 in some, anything between in others."""
    block = np.repeat(np.arange(len(totals)), totals)

    def rates(speaker: np.ndarray) -> np.ndarray:
        mean = 1 / (1 + np.exp(0.5 - 0.8 * speaker))
        rate = rng.beta(1.5 * mean, 1.5 * (1 - mean))
        return np.where(rate < 0.03, 0.0, np.where(rate > 0.97, 1.0, rate))

    truth = float(rates(rng.standard_normal(_POPULATION * 5)).mean())
    first = rng.standard_normal((replications, len(totals)))
    second = np.sqrt(0.5) * (first + rng.standard_normal(first.shape))
    one, other = rates(first[:, block]), rates(second[:, block])
    shape, single = (len(totals), 1), np.zeros_like(block)
    return estimates.count(block, single, one, shape), estimates.count(block, single, other - one, shape), truth


def draw_runs(rng: np.random.Generator, name: str, totals: np.ndarray, replications: int, runs: int) -> Sample:
    """Draw one system trained with several seeds, each with strengths of its own, for all speakers and for each."""
    world, shape = WORLDS[name], (replications, len(totals))

    def strengths(*shape: int) -> np.ndarray:
        return 0.25 * rng.standard_normal((*shape, CLASSES))[..., None] * np.eye(CLASSES)

    def expected(noise: tuple[np.ndarray, np.ndarray], shift: np.ndarray) -> np.ndarray:
        return chances(world, world.recalls, (noise[0], noise[1] + shift / world.own))

    noise, counts = _noise(rng, shape), []
    for _ in range(runs):
        shift = strengths(replications, 1) + strengths(*shape)
        counts.append(rng.multinomial(totals, expected(noise, shift)))
    everyone = expected(_noise(rng, (_POPULATION,)), strengths(_POPULATION) + strengths(_POPULATION)).mean(axis=0)
    return Sample(totals, counts, np.zeros(0), [everyone] * runs)


def row(labels: tuple, found: estimates.Estimate, truth: float, bootstrap: str = "") -> dict:
    """Make a row of the table."""
    share = float(np.mean((found.low <= truth) & (truth <= found.high)))
    error = np.sqrt(max(share * (1 - share), 0.25 / len(found.value)) / len(found.value))
    values = (f"{truth:.4f}", f"{share:.4f}", f"{error:.4f}", f"{np.median(found.high - found.low):.4f}")
    return dict(zip(COLUMNS, (*labels, *values, f"{np.median(found.df):.1f}", bootstrap), strict=True))


def bootstrap_coverage(rng: np.random.Generator, sample: Sample, truth: float) -> float:
    """Coverage of the percentile bootstrap of UA over speakers."""
    hits = np.moveaxis(np.diagonal(sample.counts[0][:_RESAMPLED], axis1=-2, axis2=-1), 1, 0).astype(float)
    weights = intervals.draw_weights(sample.totals, _RESAMPLES, rng)
    low, high = intervals.percentile_interval(intervals.replicate_ua(weights, hits, sample.totals), 0.95)
    return float(np.mean((low <= truth) & (truth <= high)))


def single_corpus(speakers: int, plan: str, name: str, replications: int) -> Iterator[dict]:
    """Simulate one corpus: scores of a system, and differences of two."""
    totals = design(plan, speakers)
    if totals is None:
        return
    rng = np.random.default_rng([speakers, zlib.crc32(f"{plan} {name}".encode())])
    null = draw(rng, name, totals, replications)
    for kind, label in (("ua", "UA"), ("wa", "WA"), ("f1", "macro-F1"), ("recall 0", "recall, hardest"),
                        ("recall 1", "recall, easy")):  # fmt: skip
        found, truth = statistic(null, kind, 0)
        bootstrap = f"{bootstrap_coverage(rng, null, truth):.4f}" if kind == "ua" else ""
        yield row((speakers, plan, name, label), estimates.estimate(found), truth, bootstrap)
    effect = draw(rng, name, totals, replications, better=True)
    for kind, label in (("ua", "UA"), ("wa", "WA"), ("f1", "macro-F1"), ("recall 0", "recall")):
        for sample, suffix in ((null, "no difference"), (effect, "difference")):
            found, truth = statistic(sample, kind, None)
            yield row((speakers, plan, name, f"{label}, {suffix}"), estimates.estimate(found), truth)
    both = estimates.together([statistic(effect, "ua", system)[0] for system in (0, 1)])
    truth = np.mean([statistic(effect, "ua", system)[1] for system in (0, 1)])
    yield row((speakers, plan, name, "UA, two conditions"), estimates.estimate(both), float(truth))


def rates(speakers: int, plan: str, replications: int) -> Iterator[dict]:
    """Simulate a mean of recordings' rates, as EDER is."""
    totals = design(plan, speakers)[:, 0]
    rng = np.random.default_rng([speakers, zlib.crc32(f"{plan} rates".encode())])
    one, differences, truth = draw_rates(rng, totals, replications)
    weights = np.ones(1)
    found = estimates.estimate(estimates.influence(one, weights))
    yield row((speakers, plan, "rates", "mean EDER"), found, truth)
    found = estimates.estimate(estimates.influence(differences, weights, share=False))
    yield row((speakers, plan, "rates", "mean EDER, no difference"), found, 0.0)


def several_corpora(corpora: tuple[tuple[int, str, str], ...], replications: int) -> Iterator[dict]:
    """Simulate means over corpora, each with a design and a world of its own."""
    rng = np.random.default_rng(zlib.crc32(repr(corpora).encode()))
    samples = [draw(rng, name, design(plan, speakers), replications, better=True) for speakers, plan, name in corpora]
    labels = "+".join(str(speakers) for speakers, _, _ in corpora), "+".join(plan for _, plan, _ in corpora), "mixed"
    for system, label in ((0, "UA, mean"), (None, "UA, mean difference")):
        found, truths = zip(*(statistic(sample, "ua", system) for sample in samples), strict=True)
        yield row((*labels, label), estimates.estimate(*found), float(np.mean(truths)))


def several_runs(speakers: int, runs: int, replications: int) -> Iterator[dict]:
    """Simulate a mean over seeds, whose truth is over all speakers and all seeds."""
    rng = np.random.default_rng([speakers, runs])
    sample = draw_runs(rng, "usual", design("balanced", speakers), replications, runs)
    found = [statistic(sample, "ua", index) for index in range(runs)]
    each = [one for one, _ in found]
    stacked = Influence(
        *(np.stack([getattr(one, key) for one in each], axis=-1) for key in ("value", "parts", "floor", "df")),
        each[0].n, speakers, "speaker", True,
    )  # fmt: skip
    for other, label in ((True, f"UA, {runs} seeds"), (False, f"UA, {runs} seeds, their variance left out")):
        result = estimates.estimate(estimates.over_runs(stacked, other_runs=other))
        yield row((speakers, "balanced", "usual", label), result, found[0][1])


MIXTURES = (
    ((3, "balanced", "usual"), (4, "unequal", "high"), (6, "balanced", "low")),
    ((4, "balanced", "usual"), (10, "unequal", "usual"), (43, "balanced", "high")),
    ((4, "unequal", "low"), (22, "balanced", "high")),
    ((29, "urdu", "usual"), (10, "balanced", "usual"), (43, "balanced", "low"), (6, "unequal", "usual")),
    ((3, "unequal", "low"), (43, "balanced", "high")),
)


def simulate(replications: int) -> Iterator[dict]:
    """Yield all rows."""
    for speakers in SPEAKERS:
        for plan in ("balanced", "unequal", "few", "rare", "urdu"):
            for name in WORLDS:
                yield from single_corpus(speakers, plan, name, replications)
            if plan in ("balanced", "unequal"):
                yield from rates(speakers, plan, replications)
        for runs in (3, 5):
            yield from several_runs(speakers, runs, replications)
    for corpora in MIXTURES:
        yield from several_corpora(corpora, replications)


def summarise(rows: list[dict]) -> Iterator[str]:
    """Lines of docs/statistics.md: lowest, middle and highest coverage in percent, by design and speakers."""
    groups = {
        "UA, WA, macro-F1": lambda name: name in ("UA", "WA", "macro-F1", "UA, two conditions"),
        "one recall": lambda name: name.startswith("recall,") and "difference" not in name,
        "differences": lambda name: "difference" in name and "EDER" not in name,
        "mean EDER": lambda name: "EDER" in name,
    }

    def cell(values: list[float]) -> str:
        values = sorted(values)
        return " / ".join(f"{100 * v:.0f}" for v in (values[0], values[len(values) // 2], values[-1])) if values else ""

    yield "| design | speakers | " + " | ".join(groups) + " | UA, percentile bootstrap |"
    yield "|---" * (len(groups) + 3) + "|"
    for plan in ("balanced", "unequal", "rare", "urdu", "few"):
        for speakers in SPEAKERS:
            found = [
                r
                for r in rows
                if (r["design"], str(r["speakers"])) == (plan, str(speakers)) and "seed" not in r["statistic"]
            ]
            if found:
                cells = [
                    cell([float(r["coverage"]) for r in found if chosen(r["statistic"])]) for chosen in groups.values()
                ]
                cells.append(cell([float(r["bootstrap"]) for r in found if r["bootstrap"]]))
                yield f"| {plan} | {speakers} | " + " | ".join(cells) + " |"


def main() -> None:
    """Simulate everything, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=2500, help="experiments a row (default: %(default)s)")
    replications = parser.parse_args().replications
    rows = []
    for found in simulate(replications):
        rows.append(found)
        cells = [f"{found[key]!s:>{max(9, len(key))}}" for key in COLUMNS if key not in ("design", "statistic")]
        print(f"{found['design']:10} {found['statistic']:32}", *cells, flush=True)
    with atomic_file(RESULTS) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(*summarise(rows), sep="\n")
    print(f"{RESULTS}: {len(rows)} rows of {replications} replications")


if __name__ == "__main__":
    run_main(main)
