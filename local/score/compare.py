"""From scored conditions to the rows of exp/significance.csv: every pair of systems that one table sets side by side.

Compared are systems that differ in one factor: encoders under the same method, methods on the same encoder, and so on.
Rows with ``train`` and
``test`` ``*`` compare means over all ``within`` or all ``across`` conditions, with the speakers of all
test corpora as blocks: they have the power that one small corpus lacks.

One family of Holm's correction is what one question compares: all values of one factor, the others alike, in one
condition (or in one mean).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from local.experiment import Score
from local.score.tabulate import Names, Scored
from utils import intervals, significance
from utils.intervals import Blocks

COLUMNS = [
    *("recipe", "stage", "train", "test", "setting", "a", "b"),
    *("ua_a", "ua_b", "diff", "lo", "hi", "n", "speakers", "p", "p_holm"),
]


@dataclass(frozen=True)
class Pair:
    """Two systems on the same utterances of one test corpus.

    Attributes
    ----------
    ua_a, ua_b : float
    replicates : ndarray, shape (resamples,)
        Of the difference.
    differences : ndarray, shape (blocks,)
        What each block contributes to the difference.
    n, speakers : int
        Utterances and speakers that both were tested on.
    """

    ua_a: float
    ua_b: float
    replicates: np.ndarray
    differences: np.ndarray
    n: int
    speakers: int


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
    tested = a.condition.tested, b.condition.tested
    shared, at_a, at_b = np.intersect1d(*tested, assume_unique=True, return_indices=True)
    reference, block = a.condition.reference[at_a], a.blocks[at_a]
    shape = blocks.weights.shape[1], len(a.condition.emotions)
    # Both in units of 1 / (seeds of a x seeds of b), so that all counts stay whole.
    seeds_a, seeds_b = len(a.condition.seeds), len(b.condition.seeds)
    hits_a = intervals.count_blocks(block, reference, a.correct[at_a] * seeds_b, shape)
    hits_b = intervals.count_blocks(block, reference, b.correct[at_b] * seeds_a, shape)
    totals = intervals.count_blocks(block, reference, np.full(len(shared), seeds_a * seeds_b), shape)
    both = np.stack([hits_a, hits_b], axis=1)
    ua = intervals.replicate_ua(np.ones((1, len(both))), both, totals)[0]
    replicates = intervals.replicate_ua(blocks.weights, both, totals)
    speakers = len(set(block.tolist())) if a.unit == "speaker" else 1
    return Pair(
        float(ua[0]),
        float(ua[1]),
        replicates[:, 0] - replicates[:, 1],
        significance.block_differences(hits_a, hits_b, totals),
        len(set(a.condition.utts[at_a].tolist())),
        speakers,
    )


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Compare all systems in all conditions they share.

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

    Returns
    -------
    list of dict
        In the order of the conditions; the means last.
    """
    tables: dict[tuple[str, str, str], list[Scored]] = {}
    for item in scored:
        tables.setdefault((item.condition.stage, item.condition.train, item.condition.test), []).append(item)
    families: dict[tuple, list[dict]] = {}
    means: dict[tuple, list[tuple[str, Pair]]] = {}
    for (stage, train, test), systems in tables.items():
        for (first, second), fixed in _pairs(systems):
            found = pair(first, second, blocks[test])
            a, b = first.condition, second.condition
            settings = dict.fromkeys((a.meta["setting"], b.meta["setting"]))
            labels = {
                "recipe": names.recipe, "stage": stage, "train": train, "test": test, "setting": "/".join(settings),
                "a": names.system(a), "b": names.system(b),
            }  # fmt: skip
            families.setdefault((stage, train, test, fixed), []).append(contrast(labels, [(test, found)], score))
            means.setdefault((stage, a.group, fixed, labels["a"], labels["b"]), []).append((test, found))
    for (stage, group, fixed, a, b), members in means.items():
        if len(members) > 1:
            labels = {"recipe": names.recipe, "stage": stage, "train": "*", "test": "*", "setting": group}
            families.setdefault((stage, "*", group, fixed), []).append(
                contrast(labels | {"a": a, "b": b}, members, score)
            )
    for family in families.values():
        for row, p in zip(family, significance.holm([float(row["p"]) for row in family]), strict=True):
            row["p_holm"] = f"{p:.6g}"
    return [row for family in families.values() for row in family]


def _pairs(systems: Sequence[Scored]) -> Iterator[tuple[tuple[Scored, Scored], tuple]]:
    """Yield the pairs that differ in one factor, each with that factor and what both have in common."""
    for a, b in itertools.combinations(systems, 2):
        ours, theirs = dict(a.condition.system), dict(b.condition.system)
        differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
        if len(differing) == 1:
            rest = tuple((name, value) for name, value in ours.items() if name not in differing)
            yield (a, b), (differing[0], rest)


def contrast(labels: dict, members: Sequence[tuple[str, Pair]], score: Score) -> dict:
    """Compare two systems by the mean over conditions.

    Parameters
    ----------
    labels : dict
        The first columns of the row.
    members : sequence of (str, Pair)
        The conditions (usually one): test corpus, and the systems there. Speakers of one test corpus are blocks over
        all conditions that test on it.
    score : Score
        Confidence, number of permutations, seed.

    Returns
    -------
    dict
        The labels, accuracies, their difference with interval, n, speakers and p, as in ``COLUMNS``.
    """
    share = 1 / len(members)
    low, high = intervals.percentile_interval(sum(found.replicates * share for _, found in members), score.confidence)
    differences: dict[str, np.ndarray] = {}
    tested: dict[str, tuple[int, int]] = {}
    for test, found in members:
        differences[test] = differences.get(test, 0) + found.differences * share
        tested[test] = max(tested.get(test, (0, 0)), (found.n, found.speakers))
    name = ":".join(value for key, value in labels.items() if key != "recipe")
    rng = np.random.default_rng([score.seed, zlib.crc32(name.encode())])
    p = significance.randomisation_test(np.concatenate(list(differences.values())), score.permutations, rng)
    ua_a, ua_b = (sum(getattr(found, key) for _, found in members) * share for key in ("ua_a", "ua_b"))
    return labels | {
        "ua_a": f"{ua_a:.6f}", "ua_b": f"{ua_b:.6f}", "diff": f"{ua_a - ua_b:.6f}", "lo": f"{low:.6f}",
        "hi": f"{high:.6f}", "n": sum(n for n, _ in tested.values()),
        "speakers": sum(speakers for _, speakers in tested.values()), "p": f"{p:.6g}",
    }  # fmt: skip
