"""The bootstrap against a loop that resamples speakers one by one, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest

from utils import intervals, metrics


def corpus(rng: np.random.Generator, speakers: int = 6, size: int = 200) -> tuple[np.ndarray, ...]:
    speaker, reference = rng.integers(0, speakers, size), rng.integers(0, 4, size)
    hypothesis = np.where(rng.random((3, size)) < 0.6, reference, rng.integers(0, 4, (3, size)))
    return speaker, reference, hypothesis


def tables(speaker, reference, hypothesis, speakers: int) -> tuple[np.ndarray, np.ndarray]:
    shape = speakers, 4
    hits = intervals.count_blocks(speaker, reference, (hypothesis == reference).astype(int), shape)
    return hits, intervals.count_blocks(speaker, reference, np.ones(len(reference), int), shape)


def test_replicates_are_those_of_a_loop_over_drawn_speakers() -> None:
    rng = np.random.default_rng(0)
    speaker, reference, hypothesis = corpus(rng)
    hits, totals = tables(speaker, reference, hypothesis, 6)
    weights = intervals.draw_weights(totals, 50, rng)
    fast = intervals.replicate_ua(weights, hits, totals)
    assert fast.shape == (50, 3)
    for replicate, weight in zip(fast, weights.astype(int), strict=True):
        drawn = np.concatenate([np.flatnonzero(speaker == s) for s in np.repeat(np.arange(6), weight)])
        slow = metrics.unweighted_accuracy(metrics.confusion(reference[drawn], hypothesis[:, drawn], 4))
        assert replicate == pytest.approx(slow)


def test_weights_of_one_give_ua_itself() -> None:
    speaker, reference, hypothesis = corpus(np.random.default_rng(1))
    hits, totals = tables(speaker, reference, hypothesis, 6)
    ua = metrics.unweighted_accuracy(metrics.confusion(reference, hypothesis, 4))
    assert intervals.replicate_ua(np.ones((1, 6)), hits, totals)[0] == pytest.approx(ua)


def test_seeds_are_averaged() -> None:
    rng = np.random.default_rng(2)
    speaker, reference, hypothesis = corpus(rng)
    weights = intervals.draw_weights(np.ones((6, 4)), 20, rng)
    each = [intervals.replicate_ua(weights, *tables(speaker, reference, h, 6)) for h in hypothesis]
    correct = (hypothesis == reference).sum(axis=0)
    hits = intervals.count_blocks(speaker, reference, correct, (6, 4))
    totals = 3 * tables(speaker, reference, hypothesis[0], 6)[1]
    assert intervals.replicate_ua(weights, hits, totals) == pytest.approx(np.mean(each, axis=0))


def test_every_replicate_holds_every_class() -> None:
    totals = np.zeros((5, 4))
    totals[:, :2] = 3
    totals[0, 2] = 3  # only one speaker has it; the fourth class nobody
    weights = intervals.draw_weights(totals, 500, np.random.default_rng(0))
    assert weights.shape == (500, 5)
    assert (weights.sum(axis=1) == 5).all()
    assert (weights[:, 0] > 0).all()
    assert np.isfinite(intervals.replicate_ua(weights, totals / 2, totals)).all()


def test_a_class_missing_from_a_replicate_gives_no_number() -> None:
    totals = np.array([[2.0, 2.0], [2.0, 0.0]])
    ua = intervals.replicate_ua(np.array([[0.0, 2.0], [1.0, 1.0]]), totals / 2, totals)
    assert np.isnan(ua[0]) and ua[1] == 0.5
    low, high = intervals.percentile_interval(ua, 0.95)
    assert low == high == 0.5


def test_speakers_are_the_unit_unless_there_is_one() -> None:
    utts = [f"{s}-{n}" for s in "ab" for n in range(4)]
    classes = {utt: int(utt[-1]) % 2 for utt in utts}
    several = intervals.make_blocks({u: u[0] for u in utts}, classes, 10, np.random.default_rng(0))
    assert several.unit == "speaker" and several.weights.shape == (10, 2)
    assert {several.of[u] for u in utts if u[0] == "a"} == {0}
    one = intervals.make_blocks(dict.fromkeys(utts, "a"), classes, 10, np.random.default_rng(0))
    assert one.unit == "utterance" and one.weights.shape == (10, 8)
    assert len(set(one.of.values())) == 8


def test_the_interval_covers_where_resampling_utterances_does_not() -> None:
    rng = np.random.default_rng(0)
    speakers, each, truth = 24, 8, np.array([0.8, 0.5, 0.6, 0.7])
    totals = np.full((speakers, 4), float(each))
    covered = {"speaker": 0, "utterance": 0}
    for _ in range(200):
        recall = np.clip(truth + rng.normal(0, 0.15, (speakers, 1)), 0, 1)
        hits = rng.binomial(each, recall).astype(float)
        weights = intervals.draw_weights(totals, 300, rng)
        n = each * speakers
        by_utterance = (rng.binomial(n, hits.sum(axis=0) / n, (300, 4)) / n).mean(axis=1)
        by_speaker = intervals.replicate_ua(weights, hits, totals)
        for unit, replicates in (("speaker", by_speaker), ("utterance", by_utterance)):
            low, high = intervals.percentile_interval(replicates, 0.95)
            covered[unit] += bool(low <= truth.mean() <= high)
    assert 0.88 <= covered["speaker"] / 200 <= 0.98
    assert covered["utterance"] / 200 < 0.75
