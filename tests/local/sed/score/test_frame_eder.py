"""Emotion diarization error rate of frame labels, against SpeechBrain's; what docs/eder.md says of both."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.sed.score.eder import score_all
from local.sed.score.frame_eder import frame_eder, score_frames
from utils.errors import UserError
from utils.rttm import Segment


def _speechbrain():
    # As a file of its own: the package puts modules into sys.modules that break when Hypothesis looks at them.
    folder = Path(importlib.util.find_spec("speechbrain").origin).parent
    spec = importlib.util.spec_from_file_location("speechbrain_eder", folder / "utils" / "EDER.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EDER


EDER = _speechbrain()
TIMES = st.floats(0, 8) | st.integers(0, 80).map(lambda x: x / 10)
LENGTHS = st.sampled_from([0.01, 0.02, 0.025, 0.1, 0.2, 0.25, 0.5]) | st.floats(0.01, 1)


def span(start: float, end: float, label: str = "angry") -> list[Segment]:
    return [Segment("u", start, end, label)]


def theirs(prediction, duration, spans, window, stride) -> float:
    emotion = [{"emo": each.label, "start": each.start, "end": each.end} for each in spans]
    return EDER(list(prediction), "u", duration, emotion, window, stride)


def interval(hypothesis, duration, spans, collar=0.0) -> float:
    hypothesis = [Segment("u", *row) for row in hypothesis]
    return score_all({"u": spans}, {"u": hypothesis}, {"u": duration}, collar)["u"].rate


@pytest.mark.parametrize(
    ("prediction", "duration", "spans", "window", "stride", "rate"),
    [
        ("nnnaaa", 1.22, span(0.39, 1.10), 0.2, 0.2, 0.2705),
        ("nanaahhnnn", 1.0, span(0.3, 0.8), 0.1, 0.1, 0.4),
        ("nnnaaannn", 1.0, span(0.3, 0.7), 0.2, 0.1, 0.1),
    ],
)
def test_worked_values(prediction, duration, spans, window, stride, rate):
    assert frame_eder(prediction, duration, spans, window, stride) == pytest.approx(rate, abs=5e-5)
    assert theirs(prediction, duration, spans, window, stride) == pytest.approx(rate, abs=5e-5)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    prediction=st.text("ahns", min_size=1, max_size=40), duration=st.floats(0.05, 8), start=TIMES, end=TIMES,
    label=st.sampled_from(["angry", "happy", "sad", "surprised", "neutral"]), window=LENGTHS, stride=LENGTHS,
)  # fmt: skip
def test_it_is_speechbrains(prediction, duration, start, end, label, window, stride):
    # The span may also be empty, reversed, or past the end of the utterance or of the frames.
    case = prediction, duration, span(start, end, label), window, stride
    assert frame_eder(*case) == pytest.approx(theirs(*case), abs=1e-9)


def test_it_is_speechbrains_for_thousands_of_utterances_at_once():
    rng = np.random.default_rng(0)
    for window, stride in [(0.02, 0.02), (0.025, 0.02), (0.02, 0.025), (0.2, 0.1), (0.1, 0.3), (1.0, 0.02)]:
        predictions, spans, durations = {}, {}, {}
        for utterance in map(str, range(700)):
            frames = int(rng.choice([1, 2, rng.integers(1, 120)]))
            letters = rng.choice(list("ahns"), frames)
            predictions[utterance] = np.repeat(letters, rng.integers(1, 5, frames)).tolist()
            durations[utterance] = stride * len(predictions[utterance]) * float(rng.uniform(0.5, 1.5))
            ends = np.sort(rng.uniform(0, durations[utterance], 2)).tolist()
            spans[utterance] = span(*ends, str(rng.choice(["angry", "happy", "neutral", "sad"])))
        ours = score_frames(predictions, spans, durations, window, stride)
        assert list(ours) == list(spans)
        expected = [theirs(predictions[u], durations[u], spans[u], window, stride) for u in spans]
        np.testing.assert_allclose(list(ours.values()), expected, rtol=0, atol=1e-9)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_where_frames_cover_all_the_interval_mode_agrees(data):
    frames = data.draw(st.text("ahns", min_size=1, max_size=30))
    edges = sorted(data.draw(st.lists(st.integers(0, 20 * len(frames)), unique=True, max_size=8)))
    labels = data.draw(st.lists(st.sampled_from(["angry", "happy", "sad", "neutral"]), min_size=8, max_size=8))
    pairs = zip(edges[::2], edges[1::2], labels, strict=False)
    spans = [Segment("u", start / 1000, end / 1000, label) for start, end, label in pairs]
    words = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}
    hypothesis = [(i * 0.02, (i + 1) * 0.02, words[letter]) for i, letter in enumerate(frames)]
    duration = len(frames) * 0.02
    assert frame_eder(frames, duration, spans, 0.02, 0.02) == pytest.approx(
        interval(hypothesis, duration, spans), abs=1e-9
    )


@pytest.mark.parametrize(
    ("prediction", "duration", "window", "stride"),
    [
        ("", 1.0, 0.1, 0.1), ([], 1.0, 0.1, 0.1), (["angry"], 1.0, 0.1, 0.1), (["a", "angry"], 1.0, 0.1, 0.1),
        ("a", 0.0, 0.1, 0.1), ("a", math.nan, 0.1, 0.1), ("a", 1.0, 0.0, 0.1), ("a", 1.0, 0.1, -0.1),
        ("a", 1.0, math.nan, 0.1),
    ],
)  # fmt: skip
def test_what_would_give_a_meaningless_rate_is_refused(prediction, duration, window, stride):
    with pytest.raises(UserError):
        frame_eder(prediction, duration, span(0, 1), window, stride)


# What follows are the examples of docs/eder.md, in its order.


def test_time_without_frames_is_wrong_for_speechbrain_and_neutral_for_segments():
    assert theirs("nnaa", 1.0, span(0.4, 0.8), 0.2, 0.2) == pytest.approx(0.2)
    assert interval([(0.4, 0.8, "angry")], 1.0, span(0.4, 0.8)) == 0
    assert theirs("nnaan", 1.0, span(0.4, 0.8), 0.1, 0.2) == pytest.approx(0.5)
    assert frame_eder("nnaan", 1.0, span(0.4, 0.8), 0.1, 0.2) == pytest.approx(0.5)


def test_a_silent_model_loses_only_the_tail():
    # 49 frames of 20 ms in a second: what an encoder of 25 ms windows gives.
    assert theirs("n" * 49, 1.0, span(0, 0, "neutral"), 0.02, 0.02) == pytest.approx(0.02)
    assert interval([], 1.0, []) == 0


def test_frames_round_what_segments_say():
    assert theirs("nnnaaa", 1.22, span(0.39, 1.10), 0.2, 0.2) == pytest.approx(0.33 / 1.22)
    assert interval([(0.39, 1.10, "angry")], 1.22, span(0.39, 1.10)) == 0
    assert interval([(0.6, 1.2, "angry")], 1.22, span(0.39, 1.10)) == pytest.approx(0.31 / 1.22)


def test_overlapping_windows_are_halved():
    assert theirs("nnnaaannn", 1.0, span(0.35, 0.65), 0.2, 0.1) == pytest.approx(0)
    assert theirs("nnnaaannn", 1.0, span(0.3, 0.7), 0.2, 0.1) == pytest.approx(0.1)
    both = [(0.0, 0.4, "neutral"), (0.3, 0.7, "angry"), (0.6, 1.0, "neutral")]
    assert interval(both, 1.0, span(0.35, 0.65)) == pytest.approx(0.2)


def test_speechbrain_takes_sad_for_surprised():
    assert theirs("ss", 1.0, span(0, 1, "surprised"), 0.5, 0.5) == 0
    assert interval([(0, 1, "sad")], 1.0, span(0, 1, "surprised")) == 1
    assert theirs(["angry", "angry"], 1.0, span(0, 1, "angry"), 0.5, 0.5) == 1


def test_speechbrain_takes_one_span_only():
    two = [*span(0, 0.4), *span(0.6, 1.0, "happy")]
    for spans in ([], two):
        with pytest.raises(AssertionError):
            theirs("aannhh", 1.0, spans, 0.2, 0.2)
    assert frame_eder("aanhh", 1.0, two, 0.2, 0.2) == pytest.approx(0)
    assert frame_eder("aanhh", 1.0, [], 0.2, 0.2) == pytest.approx(0.8)
    assert interval([(0, 0.4, "angry"), (0.6, 1, "happy")], 1.0, two) == 0
    assert interval([(0, 0.4, "angry"), (0.6, 1, "happy")], 1.0, []) == pytest.approx(0.8)


def test_frames_past_the_end_do_not_count_and_segments_past_it_are_refused():
    assert theirs("nnaaaaaa", 1.0, span(0.4, 1.0), 0.2, 0.2) == pytest.approx(0)
    with pytest.raises(UserError, match="past the end"):
        interval([(0.4, 1.6, "angry")], 1.0, span(0.4, 1.0))


def test_speechbrain_can_be_negative():
    assert theirs("aaaaaaaa", 1.0, span(0.0, 1.6), 0.2, 0.2) == pytest.approx(-0.6)
    assert theirs("nnnnn", 1.0, span(0.8, 0.2), 0.2, 0.2) == pytest.approx(-0.6)
    for start, end in ((0.0, 1.6), (0.8, 0.2)):
        with pytest.raises(UserError):
            interval([], 1.0, span(start, end))
