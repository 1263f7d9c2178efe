"""From scored conditions to the rows of exp/significance.csv: every pair of systems that one table sets side by side.

Which systems these are, and in which family of tests, is in local/score/families.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local.experiment import Score
from local.results.read import Finished
from local.score import families
from local.score.families import Comparison
from local.score.tabulate import Names, Scored, contaminated, number
from utils import significance, uncertain
from utils.intervals import Blocks
from utils.uncertain import Figure

TESTED = [
    *("ua_a", "ua_b", "diff", "lo", "hi", "se", "df", "no_interval", "n", "speakers", "resampled", "p", "family"),
    *("family_size", "p_holm", "q", "p_smallest", "p_holm_smallest", "detectable", "detectable_family"),
    *("margin", "p_equivalent", "p_equivalent_holm", "equivalent"),
]
FAMILY = TESTED[TESTED.index("p") :]  # what a test is worth, alone and among the others


def columns(names: Names) -> list[str]:
    """Header of exp/significance.csv."""
    labels = ["recipe", "stage", "train", "test", "setting", "a", "b"]
    return [*labels, *TESTED, *names.header, "contaminated_a", "contaminated_b"]


@dataclass(frozen=True)
class Pair:
    """Two systems on the same utterances of one test corpus.

    Attributes
    ----------
    a, b : Finished
    ua_a, ua_b : float
    difference : Figure
    n, speakers : int
        Utterances and speakers that both were tested on.
    """

    a: Finished
    b: Finished
    ua_a: float
    ua_b: float
    difference: Figure
    n: int
    speakers: int


def on_both(a: Scored, b: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Find the utterances that both were tested on, each in the same fold of the same partition.

    Folds of two split schemes have nothing to do with each other: of these, it is the same partition that counts, and
    of an utterance that one is tested on several times there, the first of these, then the second.

    Returns
    -------
    tuple of ndarray of int
        Their places in a and in b.
    """
    same = a.condition.factors.get("split") == b.condition.factors.get("split")
    tested = (one.condition.tested if same else _by_partition(one) for one in (a, b))
    return np.intersect1d(*tested, assume_unique=True, return_indices=True)[1:]


def _by_partition(scored: Scored) -> np.ndarray:
    """Name each tested utterance with its partition and how often that has tested it before."""
    utts, seen = scored.condition.utts.tolist(), Counter()
    named = np.empty(len(utts), dtype=object)
    for place in np.argsort(scored.condition.fold, kind="stable").tolist():
        key = f"{utts[place]} {scored.partition[place]}"
        named[place] = f"{key} {seen[key]}"
        seen[key] += 1
    return named.astype(str)


def pair(a: Scored, b: Scored, blocks: Blocks) -> Pair:
    """Set two systems' headlines side by side, on the utterances that both were tested on.

    Parameters
    ----------
    a, b : Scored
        Of the same test corpus.
    blocks : Blocks
        Of that corpus.

    Returns
    -------
    Pair
    """
    at_a, at_b = on_both(a, b)
    reference, block, classes = a.condition.reference[at_a], a.blocks[at_a], len(a.condition.emotions)
    right = a.correct[:, at_a].astype(int), b.correct[:, at_b].astype(int)
    ua = [uncertain.class_mean(reference, one.mean(axis=0), classes) for one in right]
    difference = uncertain.figure(
        a.condition.test, blocks, block, reference, uncertain.minus(*right), classes, share=False,
        partition=a.partition[at_a],
    )  # fmt: skip
    speakers = len(set(block.tolist())) if a.unit == "speaker" else 1
    n = len(set(a.condition.utts[at_a].tolist()))
    return Pair(a.condition, b.condition, *ua, difference, n, speakers)


def rows(
    scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score,
    compared: Callable[[Sequence[Finished], Names], Sequence[Comparison]] = families.systems,
) -> list[dict]:  # fmt: skip
    """Compare systems in all conditions they share.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    blocks : mapping of str to Blocks
        By test corpus.
    names : Names
        How tables call systems.
    score : Score
        Confidence, number of permutations, seed.
    compared : callable
        Lists what is compared (local/score/families.py).

    Returns
    -------
    list of dict
        Family by family.
    """
    made: dict[tuple[int, int], Pair] = {}
    found = []
    for comparison in compared([one.condition for one in scored], names):
        for places in comparison.pairs:
            if places not in made:
                a, b = (scored[place] for place in places)
                made[places] = pair(a, b, blocks[a.condition.test])
        found.append(contrast(comparison.labels, [made[places] for places in comparison.pairs], names, score))
    return corrected(found, score)


def contrast(labels: dict, members: Sequence[Pair], names: Names, score: Score) -> dict:
    """Compare two systems by the mean over conditions.

    Parameters
    ----------
    labels : dict
        The first columns of the row, and its family.
    members : sequence of Pair
        The conditions (usually one). Speakers of one test corpus are the same in all conditions that test on it.
    names : Names
        How tables call factors.
    score : Score
        Confidence, number of permutations, seed.

    Returns
    -------
    dict
        The labels and what is known before other tests are; numbers are not yet text where :func:`corrected` uses them.
    """
    figures = [one.difference for one in members]
    found = uncertain.combine(figures, None, score.confidence)
    tested: dict[str, tuple[int, int]] = {}
    for one in members:
        tested[one.a.test] = max(tested.get(one.a.test, (0, 0)), (one.n, one.speakers))
    p, smallest = uncertain.p_values(figures, None, score.permutations, np.random.default_rng(score.seed))
    ua_a, ua_b = (np.mean([getattr(one, key) for one in members]) for key in ("ua_a", "ua_b"))
    sides = [[getattr(one, side) for one in members] for side in "ab"]
    return {"recipe": names.recipe} | labels | names.values(*sides[0], *sides[1]) | {
        "ua_a": number(ua_a), "ua_b": number(ua_b), "diff": number(ua_a - ua_b), "lo": number(found.low),
        "hi": number(found.high), "no_interval": found.reason, "n": sum(n for n, _ in tested.values()),
        "speakers": sum(speakers for _, speakers in tested.values()), "resampled": found.unit,
        "contaminated_a": contaminated(sides[0]), "contaminated_b": contaminated(sides[1]),
        "p": p, "p_smallest": smallest, "se": float(found.se), "df": float(found.df),
    }  # fmt: skip


def corrected(found: Sequence[dict], score: Score) -> list[dict]:
    """Correct rows of :func:`contrast` within their families, and write their numbers out."""
    grouped: dict[str, list[dict]] = {}
    for row in found:
        grouped.setdefault(row["family"], []).append(row)
    for family in grouped.values():
        values = (np.array([row[key] for row in family], dtype=float) for key in significance.CORRECTED)
        every = significance.correct_rows(*values, margin=score.margin / 100, level=1 - score.confidence)
        for row, own in zip(family, every, strict=True):
            row |= {key: number(row[key]) for key in ("se", "df")} | {"p": f"{row['p']:.6g}"} | own
    return [row for family in grouped.values() for row in family]
