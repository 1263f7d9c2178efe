"""Smoothing is optimal by exhaustive search, segments tile the recording, and tuning takes the mildest of the best."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time

import numpy as np
import pytest

from local.sed.model import decode
from local.sed.model.decode import GRID, HOP, Decoder
from utils.errors import UserError
from utils.rttm import Segment

EMOTIONS = ("angry", "happy", "neutral", "sad")
THREE = decode.transitions([np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([2, 0, 0, 0])], 3)


def random(frames: int, emotions: int, seed: int, sharpness: float = 1.0) -> np.ndarray:
    logits = sharpness * np.random.default_rng(seed).normal(size=(frames, emotions))
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def steady(labels: list[int] | np.ndarray, emotions: int = 4, sure: float = 0.9) -> np.ndarray:
    """Posteriors that are ``sure`` of each frame's label."""
    rows = np.full((len(labels), emotions), (1 - sure) / (emotions - 1), dtype=np.float32)
    rows[np.arange(len(labels)), labels] = sure
    return rows


def decoder(method: str, value: float, emotions: int = 4) -> Decoder:
    if method != "viterbi":
        return Decoder(method, value)
    stay = np.where(np.eye(emotions) > 0, math.log(0.97), math.log(0.03 / (emotions - 1)))
    return Decoder(method, value, tuple(map(tuple, stay.tolist())))


def runs(labels: np.ndarray) -> list[int]:
    """Lengths of the stretches of one label."""
    return [len(list(group)) for _, group in itertools.groupby(labels.tolist())]


def total(posteriors: np.ndarray, labels: tuple[int, ...] | np.ndarray) -> float:
    return sum(math.log(posteriors[frame, label]) for frame, label in enumerate(labels))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shortest", [2, 3, 4])
def test_minimum_finds_the_best_of_all_labellings_whose_segments_are_long_enough(seed: int, shortest: int) -> None:
    frames = 7 + seed % 3
    posteriors = random(frames, 2 + seed % 2, seed, sharpness=2.0)
    best = max(
        total(posteriors, labels)
        for labels in itertools.product(range(posteriors.shape[1]), repeat=frames)
        if min(runs(np.array(labels))) >= shortest
    )
    found = decode.smooth(posteriors, Decoder("minimum", shortest * HOP))
    assert min(runs(found)) >= shortest
    assert total(posteriors, found) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weight", [0.3, 1.0, 3.0])
def test_viterbi_finds_the_best_of_all_labellings(seed: int, weight: float) -> None:
    posteriors = random(7, 3, seed, sharpness=2.0)

    def score(labels: tuple[int, ...]) -> float:
        return total(posteriors, labels) + weight * sum(THREE[a][b] for a, b in itertools.pairwise(labels))

    best = max(score(labels) for labels in itertools.product(range(3), repeat=7))
    found = decode.smooth(posteriors, Decoder("viterbi", weight, THREE))
    assert score(tuple(found.tolist())) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("window", [3, 5, 9, 41])
def test_median_is_a_vote_of_the_window_and_posteriors_settle_a_draw(seed: int, window: int) -> None:
    posteriors = random(30, 3, seed)
    labels, half = posteriors.argmax(axis=1), window // 2
    found = decode.smooth(posteriors, Decoder("median", window))
    for frame, winner in enumerate(found):
        window_of = slice(max(0, frame - half), frame + half + 1)
        ranked = [
            (int((labels[window_of] == label).sum()), float(posteriors[window_of, label].sum())) for label in range(3)
        ]
        assert ranked[winner] == max(ranked)


def test_median_of_two_labels_is_the_median_filter() -> None:
    from scipy.ndimage import median_filter

    posteriors = random(200, 2, 1)
    found = decode.smooth(posteriors, Decoder("median", 11))
    inner = slice(5, -5)  # the two treat the ends differently
    np.testing.assert_array_equal(found[inner], median_filter(posteriors.argmax(axis=1), 11)[inner])


@pytest.mark.parametrize("method", GRID)
def test_the_mildest_value_of_the_grid_smooths_nothing(method: str) -> None:
    posteriors = random(500, 4, 3)
    assert list(GRID[method]) == sorted(GRID[method])
    found = decode.smooth(posteriors, decoder(method, GRID[method][0]))
    np.testing.assert_array_equal(found, posteriors.argmax(axis=1))


@pytest.mark.parametrize("method", GRID)
def test_stronger_smoothing_makes_fewer_segments(method: str) -> None:
    posteriors = random(600, 4, 4)
    numbers = [len(runs(decode.smooth(posteriors, decoder(method, value)))) for value in GRID[method]]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 400 > 60 > numbers[-1]


@pytest.mark.parametrize("value", [0.1, 0.3, 1.0])
def test_minimum_changes_nothing_when_repeated_and_keeps_its_promise_in_seconds(value: float) -> None:
    rule = Decoder("minimum", value)
    posteriors = random(400, 4, 5)
    once = decode.smooth(posteriors, rule)
    np.testing.assert_array_equal(decode.smooth(steady(once, sure=1.0), rule), once)
    np.testing.assert_array_equal(decode.smooth(steady(once), rule), once)
    segments = decode.decode(posteriors, "u", 8.01, EMOTIONS, rule)
    assert min(segment.duration for segment in segments) > value - 1e-9


@pytest.mark.parametrize(("seconds", "frames"), [(0.0, 1), (0.02, 1), (0.021, 2), (0.14, 7), (0.25, 13), (0.3, 15)])
def test_a_minimum_that_is_no_whole_number_of_frames_is_rounded_up(seconds: float, frames: int) -> None:
    assert Decoder("minimum", seconds).frames == frames


def test_a_recording_shorter_than_the_minimum_is_one_segment_of_the_likeliest_label() -> None:
    posteriors = steady([0] * 10 + [1] * 14)
    for value, number in ((0.2, 2), (0.48, 1), (0.5, 1), (100.0, 1)):
        segments = decode.decode(posteriors, "u", 0.5, EMOTIONS, Decoder("minimum", value))
        assert len(segments) == number
    assert segments == [Segment("u", 0.0, 0.5, "happy")]


@pytest.mark.parametrize("method", GRID)
@pytest.mark.parametrize("frames", [1, 2, 3, 40])
def test_short_and_certain_recordings_decode(method: str, frames: int) -> None:
    """A posterior of exactly zero must not forbid a label, nor make anything infinite."""
    labels = np.arange(frames) // 2 % 2
    for value in GRID[method]:
        segments = decode.decode(steady(labels, sure=1.0), "u", 0.02 * frames + 0.005, EMOTIONS, decoder(method, value))
        assert segments[0].start == 0.0
        assert segments[-1].end == 0.02 * frames + 0.005


def test_boundaries_lie_midway_between_frame_centres() -> None:
    segments = decode.decode(steady([0, 0, 0, 3, 1]), "u", 0.11, EMOTIONS, Decoder())
    # The centres are at 12.5, 32.5, 52.5, 72.5 and 92.5 ms.
    assert [segment.label for segment in segments] == ["angry", "sad", "happy"]
    times = [(segment.start, segment.end) for segment in segments]
    assert times == [(0.0, pytest.approx(0.0625)), (pytest.approx(0.0625), pytest.approx(0.0825)),
                     (pytest.approx(0.0825), 0.11)]  # fmt: skip


@pytest.mark.parametrize("method", GRID)
@pytest.mark.parametrize("seed", range(3))
def test_segments_tile_the_recording_and_neighbours_differ(method: str, seed: int) -> None:
    for value in GRID[method]:
        segments = decode.decode(random(97, 4, seed), "u", 1.9512, EMOTIONS, decoder(method, value))
        assert segments[0].start == 0.0 and segments[-1].end == 1.9512
        for before, after in itertools.pairwise(segments):
            assert before.end == after.start and before.label != after.label
        assert min(segment.duration for segment in segments) > 0


def test_transitions_are_counted_within_utterances() -> None:
    # Each of the nine transitions counts once more than it occurs.
    rows = [np.array([0, 0, 0, 1]), np.array([1, 2, 2, 2]), np.array([2])]
    expected = np.log(np.array([[3 / 6, 2 / 6, 1 / 6], [1 / 4, 1 / 4, 2 / 4], [1 / 5, 1 / 5, 3 / 5]]))
    np.testing.assert_allclose(decode.transitions(rows, 3), expected)
    np.testing.assert_allclose(np.exp(decode.transitions([], 4)), 0.25)


@pytest.mark.parametrize(
    "rule", [Decoder(), Decoder("median", 11), Decoder("minimum", 0.3), Decoder("viterbi", 2.0, THREE)]
)
def test_json_keeps_everything(rule: Decoder) -> None:
    again = Decoder(**json.loads(json.dumps(dataclasses.asdict(rule))))
    assert again == rule
    assert again.transitions == rule.transitions


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decoder("mode"), "'mode' is not one of median, minimum, viterbi"),
        (lambda: Decoder("median", 4), "odd number of frames, not 4"),
        (lambda: Decoder("median", 0), "odd number"),
        (lambda: Decoder("minimum", -0.1), "must not be negative"),
        (lambda: Decoder("minimum", math.nan), "must not be negative"),
        (lambda: Decoder("viterbi", 1.0), "viterbi needs them"),
        (lambda: Decoder("median", 3, THREE), "belong to viterbi"),
        (lambda: Decoder("viterbi", 1.0, ((0.0, 0.0),)), "square"),
        (lambda: decode.smooth(random(5, 4, 0), Decoder("viterbi", 1.0, THREE)), "3 labels, posteriors of 4"),
        (lambda: decode.decode(random(5, 3, 0), "u", 1.0, EMOTIONS, Decoder()), r"u: expected posteriors of \(frames"),
        (lambda: decode.decode(np.empty((0, 4)), "u", 1.0, EMOTIONS, Decoder()), "u: expected posteriors"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_posteriors_that_are_not_numbers_or_longer_than_the_recording_are_the_users_business() -> None:
    broken = random(50, 4, 0)
    broken[7, 2] = np.nan
    with pytest.raises(UserError, match="u: .*not numbers"):
        decode.decode(broken, "u", 1.01, EMOTIONS, Decoder())
    with pytest.raises(UserError, match=r"u: 50 frames are longer than its 0.9 s; correct utt2dur"):
        decode.decode(random(50, 4, 0), "u", 0.9, EMOTIONS, Decoder())


@pytest.mark.parametrize(
    ("method", "value", "limit"), [("median", 51, 1.0), ("viterbi", 4.0, 1.0), ("minimum", 0.5, 2.0)]
)
def test_ten_minutes_decode_at_once(method: str, value: float, limit: float) -> None:
    posteriors = random(30000, 4, 0)
    began = time.process_time()
    segments = decode.decode(posteriors, "u", 600.0, EMOTIONS, decoder(method, value))
    assert time.process_time() - began < limit
    assert segments[-1].end == 600.0


def noisy_dev(flips: float) -> tuple[dict, dict, dict]:
    """Recordings of 2 s neutral, then 2 s of an emotion, frames of which are wrong with a chance of ``flips``."""
    generator = np.random.default_rng(7)
    posteriors, reference, durations = {}, {}, {}
    for number, emotion in enumerate((0, 1, 3)):
        labels = np.repeat([2, emotion], 100)
        wrong = generator.random(200) < flips
        posteriors[f"u{number}"] = steady(np.where(wrong, generator.integers(0, 4, 200), labels), sure=0.6)
        reference[f"u{number}"] = [
            Segment(f"u{number}", 0.0, 2.0025, "neutral"), Segment(f"u{number}", 2.0025, 4.01, EMOTIONS[emotion]),
        ]  # fmt: skip
        durations[f"u{number}"] = 4.01
    return posteriors, reference, durations


@pytest.mark.parametrize("method", GRID)
def test_tuning_finds_the_best_of_the_grid_and_of_equals_the_mildest(method: str) -> None:
    from local.results.eder import score_all

    posteriors, reference, durations = noisy_dev(0.4)
    rows = decoder("viterbi", 1.0).transitions if method == "viterbi" else ()
    chosen = decode.tune(posteriors, reference, durations, EMOTIONS, method, rows)
    rates = []
    for value in GRID[method]:
        rule = decoder(method, value)
        hypothesis = {u: decode.decode(p, u, durations[u], EMOTIONS, rule) for u, p in posteriors.items()}
        rates.append(np.mean([score.rate for score in score_all(reference, hypothesis, durations).values()]))
    assert chosen == decoder(method, GRID[method][int(np.argmin(rates))])
    assert rates[GRID[method].index(chosen.value)] < 0.1 < 0.2 < rates[0]


@pytest.mark.parametrize("method", GRID)
def test_without_noise_tuning_smooths_nothing(method: str) -> None:
    rows = decoder("viterbi", 1.0).transitions if method == "viterbi" else ()
    assert decode.tune(*noisy_dev(0.0), EMOTIONS, method, rows).value == GRID[method][0]


def test_tuning_on_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no utterances"):
        decode.tune({}, {}, {}, EMOTIONS, "median")
    with pytest.raises(ValueError, match="viterbi needs them"):
        decode.tune(*noisy_dev(0.0), EMOTIONS, "viterbi")
