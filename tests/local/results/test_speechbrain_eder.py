"""The error rate of segments beside SpeechBrain's of frame labels, and what docs/eder.md says of both."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.results.eder import score_all
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


def span(start: float, end: float, label: str = "angry") -> list[Segment]:
    return [Segment("u", start, end, label)]


def theirs(prediction, duration, spans, window, stride) -> float:
    emotion = [{"emo": each.label, "start": each.start, "end": each.end} for each in spans]
    return EDER(list(prediction), "u", duration, emotion, window, stride)


def interval(hypothesis, duration, spans, collar=0.0) -> float:
    hypothesis = [Segment("u", *row) for row in hypothesis]
    return score_all({"u": spans}, {"u": hypothesis}, {"u": duration}, collar)["u"].rate


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_where_frames_cover_all_both_agree(data):
    frames = data.draw(st.text("ahns", min_size=1, max_size=30))
    edges = sorted(data.draw(st.lists(st.integers(0, 20 * len(frames)), unique=True, min_size=2, max_size=2)))
    spans = span(*(edge / 1000 for edge in edges), data.draw(st.sampled_from(["angry", "happy", "sad", "neutral"])))
    words = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}
    hypothesis = [(i * 0.02, (i + 1) * 0.02, words[letter]) for i, letter in enumerate(frames)]
    duration = len(frames) * 0.02
    assert theirs(frames, duration, spans, 0.02, 0.02) == pytest.approx(
        interval(hypothesis, duration, spans), abs=1e-9
    )


# What follows are the examples of docs/eder.md, in its order.


def test_time_without_frames_is_wrong_for_speechbrain_and_neutral_for_segments():
    assert theirs("nnaa", 1.0, span(0.4, 0.8), 0.2, 0.2) == pytest.approx(0.2)
    assert interval([(0.4, 0.8, "angry")], 1.0, span(0.4, 0.8)) == 0
    assert theirs("nnaan", 1.0, span(0.4, 0.8), 0.1, 0.2) == pytest.approx(0.5)


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
