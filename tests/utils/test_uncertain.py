"""Figures put together over samples and runs: each source of variance counts once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from utils import estimates, intervals, uncertain
from utils.uncertain import Figure


def make(
    name: str, rng: np.random.Generator, speakers: int = 5, runs: int = 1, share: bool = True, draws: int = 0
) -> Figure:
    """Scores of speakers with 6 utterances of each of two classes."""
    utts = [(f"{name}{s}-{c}{n}", f"{name}{s}", c) for s in range(speakers) for c in range(2) for n in range(6)]
    classes = {utt: c for utt, _, c in utts}
    blocks = intervals.make_blocks({utt: speaker for utt, speaker, _ in utts}, classes, draws, rng)
    block, reference = (np.array([of[utt] for utt in classes]) for of in (blocks.of, classes))
    level = rng.uniform(0.4, 0.9, speakers)[block] + rng.normal(0, 0.05, (runs, 1))
    scores = (rng.random((runs, len(utts))) < level).astype(float)
    return uncertain.figure(name, blocks, block, reference, scores if share else scores - 0.5, 2, share)


def test_one_figure_of_one_run_is_that_of_estimates() -> None:
    one = make("a", np.random.default_rng(0))
    found, plain = uncertain.combine([one]), estimates.estimate(one.influence)
    assert (found.value, found.low, found.high, found.df) == (plain.value, plain.low, plain.high, plain.df)
    assert np.isnan(uncertain.seed_sd([one]))
    assert one.contributions.sum() == pytest.approx(found.value)


def test_the_same_figure_twice_is_no_more_certain_and_minus_itself_is_nothing() -> None:
    one = make("a", np.random.default_rng(1), runs=3)
    alone, twice = uncertain.combine([one]), uncertain.combine([one, one])
    assert (twice.se, twice.df) == (pytest.approx(alone.se), pytest.approx(alone.df))
    other = make("b", np.random.default_rng(2), runs=1)
    both = uncertain.combine([one, other, one, other])
    assert both.se == pytest.approx(uncertain.combine([one, other]).se)


def test_runs_that_go_together_in_two_samples_are_counted_as_such() -> None:
    rng = np.random.default_rng(3)
    one, other = make("a", rng, runs=4), make("b", rng, runs=4)
    speakers = [uncertain.combine([replace(found, runs=found.runs[:1])]) for found in (one, other)]
    runs = (one.runs + other.runs) / 2
    variance = sum(found.se**2 for found in speakers) / 4 + runs.var(ddof=1) / 4
    assert uncertain.combine([one, other]).se == pytest.approx(np.sqrt(variance))
    assert uncertain.seed_sd([one, other]) == pytest.approx(runs.std(ddof=1))


def test_a_system_without_runs_is_the_same_in_all() -> None:
    a, b = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0]])
    assert uncertain.minus(a, b).tolist() == [[0, -1], [-1, -1]]
    assert uncertain.minus(np.zeros((3, 2)), a).tolist() == [[-0.5, 0]] * 3


def test_signs_are_flipped_of_a_speaker_over_all_conditions() -> None:
    rng = np.random.default_rng(4)
    one, other = make("a", rng, 4, share=False), make("b", rng, 3, share=False)
    p, smallest = uncertain.p_values([one, one, other], None, 1000, rng)
    parts = np.concatenate([2 * one.contributions, other.contributions]) / 3
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1).T
    assert p == pytest.approx((np.abs(patterns @ parts) >= abs(parts.sum()) - 1e-12).mean())
    assert smallest == 2 / 2**7
    many = make("c", rng, 20, share=False)
    assert uncertain.p_values([many], None, 499, rng)[1] == 1 / 500


def test_a_bootstrap_changes_the_ends_alone() -> None:
    drawn, plain = (make("a", np.random.default_rng(5), draws=draws) for draws in (400, 0))
    assert len(drawn.replicates) == 400 and not len(plain.replicates)
    found = uncertain.combine([drawn])
    assert (found.low, found.high) == tuple(np.percentile(drawn.replicates, [2.5, 97.5]))
    assert found.se == uncertain.combine([replace(drawn, replicates=plain.replicates)]).se
    few = make("a", np.random.default_rng(6), speakers=2, draws=50)
    assert np.isnan(uncertain.combine([few]).low) and uncertain.combine([few]).reason == "2 speakers"
    # Of several samples, the one that has too few is named.
    whole = make("b", np.random.default_rng(7), draws=50)
    assert uncertain.combine([whole, few]).reason == "a: 2 speakers"


def in_partitions(
    rng: np.random.Generator, speakers: int = 8, partitions: int = 5, runs: int = 3, between: float = 0.0,
    within: float = 0.0, each: int = 20,
) -> Figure:  # fmt: skip
    """One speaker as another; utterances are recognised with a chance that partitions and runs change."""
    utts = [(f"{s}-{c}{n}", f"{s}", c) for s in range(speakers) for c in range(2) for n in range(each)]
    classes = {utt: c for utt, _, c in utts}
    blocks = intervals.make_blocks({utt: speaker for utt, speaker, _ in utts}, classes, 0, rng)
    names = list(classes) * partitions
    block, reference = (np.array([of[utt] for utt in names]) for of in (blocks.of, classes))
    partition = np.repeat(np.arange(partitions), len(classes))
    order = rng.permutation(len(names))  # folds of the file need not be in order
    level = 0.6 + rng.normal(0, between, partitions) + rng.normal(0, within, (runs, partitions))
    level = level[:, partition]
    right = (rng.random((runs, len(names))) < level).astype(float)
    figures = (block[order], reference[order], right[:, order], 2)
    return uncertain.figure("a", blocks, *figures, partition=partition[order])


def test_a_figure_is_the_mean_over_partitions_and_counts_utterances_once() -> None:
    rng = np.random.default_rng(5)
    found = in_partitions(rng, between=0.1)
    assert (found.partitions, found.runs.shape, found.influence.n) == (5, (15,), 8 * 2 * 20)
    means = found.runs.reshape(5, 3).mean(axis=1)
    whole = uncertain.combine([found])
    assert whole.value == pytest.approx(means.mean()) and found.contributions.sum() == pytest.approx(means.mean())
    speakers = estimates.estimate(found.influence).se ** 2
    assert whole.se**2 == pytest.approx(speakers + means.var(ddof=1) / 5)
    assert whole.high - whole.low > 0.05


def test_one_partition_is_as_if_none_was_named() -> None:
    one, same = (make("a", np.random.default_rng(6), runs=3) for _ in range(2))
    assert uncertain.combine([one]).se == uncertain.combine([same]).se and one.partitions == 1
    assert np.isnan(uncertain.partition_sd([one]))


def test_what_partitions_and_what_runs_change_is_told_apart() -> None:
    def spread(**settings: float) -> tuple[float, float]:
        rng = np.random.default_rng(7)
        many = [in_partitions(rng, **settings, each=40) for _ in range(60)]
        squares = [[float(of([one])) ** 2 for one in many] for of in (uncertain.seed_sd, uncertain.partition_sd)]
        return tuple(np.sqrt(np.mean(squares, axis=1)))

    noise = np.sqrt(0.24 / (8 * 2 * 40))  # of a mean over so many utterances
    seeds, partitions = spread(within=0.05)
    assert seeds == pytest.approx(np.hypot(0.05, noise), rel=0.1) and partitions < 0.025
    seeds, partitions = spread(between=0.05)
    assert seeds == pytest.approx(noise, rel=0.1) and partitions == pytest.approx(0.05, rel=0.15)


@pytest.mark.integration
def test_intervals_hold_for_other_partitions_and_speakers() -> None:
    """Partitions that matter as much as speakers do: without them in the interval it is too narrow."""
    rng = np.random.default_rng(8)
    held = {"with": 0, "without": 0}
    for _ in range(600):
        found = in_partitions(rng, speakers=20, partitions=4, runs=2, between=0.06, within=0.03)
        narrow = replace(found, runs=np.full(found.runs.shape, found.runs.mean()))
        for name, one in (("with", found), ("without", narrow)):
            estimate = uncertain.combine([one])
            held[name] += bool(estimate.low <= 0.6 <= estimate.high)
    assert 0.93 <= held["with"] / 600 <= 0.985
    assert held["without"] / 600 < 0.75
