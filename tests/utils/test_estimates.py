"""Intervals against textbook t-tests, numerical derivatives and, in short, a simulation of what they cover."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks import coverage
from utils import estimates, intervals, metrics
from utils.estimates import count, estimate, influence, ua_weights, wa_weights

SHAPE = 6, 4


def corpus(seed: int = 0, systems: int = 3, size: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    block, reference = rng.integers(0, SHAPE[0], size), rng.integers(0, SHAPE[1], size)
    hypothesis = np.where(rng.random((systems, size)) < 0.6, reference, rng.integers(0, 4, (systems, size)))
    return block, reference, hypothesis


def balanced(seed: int, speakers: int = 6, each: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equally many utterances of every class by every speaker; and speakers' UA."""
    rng = np.random.default_rng(seed)
    block, reference, _ = (x.ravel() for x in np.indices((speakers, 4, each)))
    right = (rng.random((speakers, 4, each)) < rng.uniform(0.3, 0.9, (speakers, 4, 1))).astype(float)
    return count(block, reference, right.ravel(), (speakers, 4)), right.mean(axis=(1, 2))


def test_values_are_those_of_the_metrics() -> None:
    block, reference, hypothesis = corpus()
    confusion = metrics.confusion(reference, hypothesis, 4)
    tally = count(block, reference, hypothesis == reference, SHAPE)
    of = {name: estimate(influence(tally, weights)).value for name, weights in
          {"ua": ua_weights(tally.totals), "wa": wa_weights(tally.totals), "one": np.eye(4)[2]}.items()}  # fmt: skip
    assert of["ua"] == pytest.approx(metrics.unweighted_accuracy(confusion))
    assert of["wa"] == pytest.approx(metrics.weighted_accuracy(confusion))
    assert of["one"] == pytest.approx(metrics.recalls(confusion)[:, 2])


def test_where_speakers_are_alike_it_is_the_t_interval_of_their_scores() -> None:
    tally, scores = balanced(0)
    found = estimate(influence(tally, ua_weights(tally.totals), share=False))
    expected = stats.ttest_1samp(scores, 0)
    assert (found.value, found.df) == pytest.approx((scores.mean(), expected.df))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.n, found.clusters, found.unit, found.reason) == (120, 6, "speaker", "")


def test_log_odds_keep_shares_between_0_and_1_and_cross_over_where_the_plain_interval_does() -> None:
    tally, _ = balanced(0)
    plain, odds = (estimate(influence(tally, ua_weights(tally.totals), share=share)) for share in (False, True))
    assert odds.se == plain.se and odds.high - odds.low == pytest.approx(plain.high - plain.low, rel=0.1)
    best = estimate(influence(balanced_from(0.97), np.eye(4)[0]))
    assert 0 < best.low < best.value < best.high < 1 and best.value - best.low > best.high - best.value


def balanced_from(recall: float, speakers: int = 6, each: int = 20) -> estimates.Tally:
    block, reference, number = (x.ravel() for x in np.indices((speakers, 4, each)))
    wrong = round((1 - recall) * speakers * each)
    right = (number + each * block) % (speakers * each) >= wrong
    return count(block, reference, right, (speakers, 4))


def test_no_mistake_is_not_taken_for_certainty() -> None:
    found = estimate(influence(balanced_from(1.0), np.eye(4)[0]))
    assert found.value == found.high == 1 and 0.9 < found.low < 0.99
    more = estimate(influence(balanced_from(1.0, each=80), np.eye(4)[0]))
    assert found.low < more.low < 1


def test_differences_are_paired() -> None:
    block, reference, hypothesis = corpus(systems=2)
    right = (hypothesis == reference).astype(float)
    totals = count(block, reference, right, SHAPE).totals
    direct = influence(count(block, reference, right[0] - right[1], SHAPE), ua_weights(totals), share=False)
    each = [influence(count(block, reference, one, SHAPE), ua_weights(totals)) for one in right]
    indirect = estimates.together(each, shares=[1, -1])
    assert not indirect.share
    for key in ("value", "parts"):
        assert getattr(direct, key) == pytest.approx(getattr(indirect, key))
    assert direct.df == pytest.approx(indirect.df, rel=0.1)
    same = influence(count(block, reference, right[0] - right[0], SHAPE), ua_weights(totals), share=False)
    assert estimate(same).value == 0 and -0.1 < estimate(same).low < 0 < estimate(same).high < 0.1


def test_conditions_on_the_same_speakers_are_taken_together() -> None:
    block, reference, hypothesis = corpus(systems=2)
    right = (hypothesis == reference).astype(float)
    weights = ua_weights(count(block, reference, right, SHAPE).totals)
    mean = estimate(influence(count(block, reference, right.mean(axis=0), SHAPE), weights))
    members = [influence(count(block, reference, one, SHAPE), weights) for one in right]
    joint = estimate(estimates.together(members))
    assert (joint.value, joint.se, joint.n) == pytest.approx((mean.value, mean.se, mean.n))
    assert (joint.low, joint.high) == pytest.approx((mean.low, mean.high), abs=0.002)


def test_corpora_of_other_speakers_are_set_apart_by_welchs_test() -> None:
    (one, first), (other, second) = balanced(1, speakers=4), balanced(2, speakers=15)
    members = [influence(tally, ua_weights(tally.totals), share=False) for tally in (one, other)]
    found = estimate(*members, shares=[1, -1])
    expected = stats.ttest_ind(first, second, equal_var=False)
    low, high = expected.confidence_interval()
    assert (found.value / found.se, found.df) == pytest.approx((expected.statistic, expected.df))
    assert (found.low, found.high, found.clusters) == pytest.approx((low, high, 19))


def test_macro_f1_is_linearised_as_its_derivative() -> None:
    counts = np.random.default_rng(0).integers(1, 30, (4, 4)).astype(float)
    totals = counts.sum(axis=1)
    root = np.sqrt(totals)
    slope = estimates.f1_gradient(counts) * (root / root.sum() / totals)[:, None]
    for k, j in np.ndindex(4, 4):  # an utterance of class k that was taken for k is taken for j
        step = np.zeros((4, 4))
        step[k, j] += 1e-5
        step[k, k] -= 1e-5
        numeric = (metrics.macro_f1(counts + step) - metrics.macro_f1(counts - step)) / 2e-5
        assert slope[k, j] - slope[k, k] == pytest.approx(numeric, abs=1e-8)


def test_macro_f1_of_utterances_is_that_of_their_counts() -> None:
    block, reference, hypothesis = corpus()
    scores = estimates.f1_scores(reference, hypothesis, 4)
    gradient = estimates.f1_gradient(metrics.confusion(reference, hypothesis, 4))
    assert scores[1, 7] == gradient[1, reference[7], hypothesis[1, 7]]
    tally = count(block, reference, scores, SHAPE)
    value = metrics.macro_f1(metrics.confusion(reference, hypothesis, 4))
    found = estimate(influence(tally, estimates.f1_weights(tally.totals), value=value))
    wa = estimate(influence(count(block, reference, hypothesis == reference, SHAPE), wa_weights(tally.totals)))
    assert (found.value == value).all()
    assert found.se == pytest.approx(wa.se, rel=0.4)


def test_a_mean_of_rates_is_a_class_of_its_own() -> None:
    block, _, _ = corpus()
    rate = np.random.default_rng(0).random(len(block))
    found = estimate(influence(count(block, np.zeros_like(block), rate, (6, 1)), np.ones(1)))
    assert found.value == pytest.approx(rate.mean()) and found.low < found.value < found.high


def test_figures_are_independent_of_their_neighbours() -> None:
    block, reference, hypothesis = corpus(systems=50)
    right = (hypothesis == reference).astype(float)
    weights = ua_weights(count(block, reference, right, SHAPE).totals)
    found = estimate(influence(count(block, reference, right, SHAPE), weights))
    one = estimate(influence(count(block, reference, right[31], SHAPE), weights))
    assert found.low.shape == (50,)
    assert (found[31].low, found[31].se, found[31].df) == pytest.approx((one.low, one.se, one.df), rel=1e-12)


@pytest.mark.parametrize(("speakers", "reason"), [(2, "2 speakers"), (3, "")])
def test_under_three_speakers_there_is_no_interval(speakers: int, reason: str) -> None:
    tally, scores = balanced(0, speakers)
    found = estimate(influence(tally, ua_weights(tally.totals)))
    assert found.reason == reason and found.value == pytest.approx(scores.mean())
    assert np.isnan([found.low, found.high, found.se, found.df]).all() == bool(reason)


def test_a_class_of_two_speakers_gives_no_interval_but_other_classes_do() -> None:
    block, reference, hypothesis = corpus()
    keep = (reference > 0) | (block < 2)
    tally = count(block[keep], reference[keep], (hypothesis == reference)[:, keep], SHAPE)
    assert estimate(influence(tally, ua_weights(tally.totals))).reason == "a class with 2 speakers"
    assert estimate(influence(tally, np.eye(4)[0])).reason == "2 speakers"
    assert estimate(influence(tally, np.eye(4)[1])).reason == ""
    joint = estimate(influence(tally, np.eye(4)[1]), influence(tally, np.eye(4)[0]))
    assert joint.reason == "2 speakers" and np.isnan(joint.low).all()
    absent = count(block, reference, hypothesis == reference, (6, 5))
    nothing = estimate(influence(absent, np.eye(5)[4]))
    assert nothing.reason == "0 speakers" and np.isnan(nothing.value).all()


def test_one_speaker_gets_an_interval_over_utterances_that_says_so() -> None:
    utts = [f"a{n}" for n in range(60)]
    unit, of = intervals.number_blocks(dict.fromkeys(utts, "a"))
    right, reference = np.arange(60) % 3 > 0, (np.arange(60) < 20).astype(int)
    tally = count(np.array([of[utt] for utt in utts]), reference, right, (60, 2))
    found = estimate(influence(tally, np.array([1.0, -1.0]), unit, share=False))
    expected = stats.ttest_ind(right[reference == 0], right[reference == 1], equal_var=False)
    assert (found.unit, found.clusters, found.value / found.se) == ("utterance", 60, pytest.approx(expected.statistic))
    assert intervals.number_blocks({"a1": "a", "b1": "b", "b2": "b"}) == ("speaker", {"a1": 0, "b1": 1, "b2": 1})


def test_runs_add_their_variance() -> None:
    block, reference, hypothesis = corpus(systems=5)
    tally = count(block, reference, hypothesis == reference, SHAPE)
    runs = influence(tally, ua_weights(tally.totals))
    fixed, free = (estimate(estimates.over_runs(runs, other_runs=other)) for other in (False, True))
    mean = count(block, reference, (hypothesis == reference).mean(axis=0), SHAPE)
    assert fixed.se == pytest.approx(estimate(influence(mean, ua_weights(mean.totals))).se)
    between = runs.value.var(ddof=1) / 5
    assert free.se**2 == pytest.approx(fixed.se**2 + between)
    assert free.df == pytest.approx(free.se**4 / (fixed.se**4 / fixed.df + between**2 / 4))


@pytest.mark.parametrize(("speakers", "plan"), [(3, "balanced"), (4, "unequal"), (8, "rare")])
def test_the_intervals_cover_and_those_of_the_bootstrap_do_not(speakers: int, plan: str) -> None:
    replications = coverage._RESAMPLED
    rows = {row["statistic"]: row for row in coverage.single_corpus(speakers, plan, "usual", replications)}
    rows |= {row["statistic"]: row for row in coverage.rates(speakers, "unequal", replications)}

    def holds(share: str) -> bool:
        return stats.binom.cdf(round(float(share) * replications), replications, 0.945) > 1e-4

    assert {name for name, row in rows.items() if not holds(row["coverage"])} == set()
    assert {name for name, row in rows.items() if float(row["coverage"]) > 0.99} == set()
    assert not holds(rows["UA"]["bootstrap"])


def test_the_documents_table_is_that_of_the_simulation() -> None:
    with open(coverage.RESULTS, encoding="utf-8", newline="") as file:
        table = "\n".join(coverage.summarise(list(csv.DictReader(file))))
    assert table in (coverage.RESULTS.parents[2] / "docs/statistics.md").read_text(encoding="utf-8")
