"""Emotion diarization error rate of segments: worked values, oracles, the command."""

from __future__ import annotations

import math
import warnings
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.results.eder import Eder, SegmentError, by_emotion, dominant, score_all, summarise
from utils.errors import UserError
from utils.rttm import Segment

EMOTIONS = ("angry", "happy", "neutral", "sad")
QUICK = settings(max_examples=300, deadline=None, derandomize=True)


def segments(*rows: tuple[float, float, str], utterance: str = "u") -> list[Segment]:
    return [Segment(utterance, *row) for row in rows]


def score(reference, hypothesis, duration=4.0, collar=0.0) -> Eder:
    return score_all({"u": reference}, {"u": hypothesis}, {"u": duration}, collar)["u"]


def parts(eder: Eder) -> tuple[float, ...]:
    return eder.missed, eder.false_alarm, eder.confusion, eder.overlap


@st.composite
def tilings(draw, total: int = 4000) -> list[Segment]:
    """Segments that do not overlap, with and without gaps, on a grid of milliseconds."""
    edges = sorted(draw(st.lists(st.integers(0, total), unique=True, max_size=9)))
    rows = [(a / 1000, b / 1000, draw(st.sampled_from(EMOTIONS))) for a, b in zip(edges, edges[1:], strict=False)]
    return [Segment("u", *row) for row in rows if draw(st.integers(0, 3))]


@st.composite
def heaps(draw, total: int = 4000) -> list[Segment]:
    """Segments that may overlap in any way."""
    one = st.tuples(st.integers(0, total - 1), st.integers(1, total), st.sampled_from(EMOTIONS))
    return [Segment("u", a / 1000, min(a + n, total) / 1000, label) for a, n, label in draw(st.lists(one, max_size=6))]


def brute(reference, hypothesis, total: int = 4000, collar: int = 0) -> tuple[float, ...]:
    """Count milliseconds, one after another."""

    def labels(group) -> list[set[str]]:
        cells: list[set[str]] = [set() for _ in range(total)]
        for segment in group:
            for cell in range(round(segment.start * 1000), round(segment.end * 1000)):
                cells[cell].add(segment.label)
        return [cell or {"neutral"} for cell in cells]

    truth, guess = labels(reference), labels(hypothesis)
    changes = [cell for cell in range(1, total) if truth[cell] != truth[cell - 1]]
    left_out = {cell for change in changes for cell in range(change - collar, change + collar)}
    counts = dict.fromkeys(("missed", "false_alarm", "confusion", "overlap", "time"), 0)
    for cell in set(range(total)) - left_out:
        (label,) = truth[cell]
        given_ = guess[cell]
        counts["time"] += 1
        if given_ == {label}:
            continue
        if label == "neutral":
            counts["false_alarm"] += 1
        elif given_ == {"neutral"}:
            counts["missed"] += 1
        elif label in given_:
            counts["overlap"] += 1
        else:
            counts["confusion"] += 1
    return tuple(count / 1000 for count in counts.values())


ANGRY = segments((1.0, 3.0, "angry"))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        (ANGRY, [], (2, 0, 0, 0)),
        (ANGRY, segments((0, 4, "neutral")), (2, 0, 0, 0)),
        ([], ANGRY, (0, 2, 0, 0)),
        ([], [], (0, 0, 0, 0)),
        (ANGRY, ANGRY, (0, 0, 0, 0)),
        (ANGRY, segments((0.5, 2.5, "happy")), (0.5, 0.5, 1.5, 0)),
        (ANGRY, segments((0, 4, "angry"), (2, 4, "happy")), (0, 2, 0, 1)),
        # Two wrong emotions at a time are one confusion, and two false ones are one false alarm: times add up to 4 s.
        (ANGRY, segments((0, 4, "sad"), (0, 4, "happy")), (0, 2, 2, 0)),
        (ANGRY, segments((0, 4, "neutral"), (1, 3, "angry")), (0, 0, 0, 2)),
        (ANGRY, segments((1, 3, "angry"), (1, 2, "angry")), (0, 0, 0, 0)),
        (segments((0, 1, "angry"), (2, 4, "sad")), segments((0, 2, "angry"), (2, 3, "happy")), (1, 1, 1, 0)),
    ],
)
def test_worked_values(reference, hypothesis, expected):
    eder = score(reference, hypothesis)
    assert parts(eder) == pytest.approx(expected)
    assert eder.duration == 4.0
    assert eder.rate == pytest.approx(sum(expected) / 4)


@settings(QUICK, max_examples=100)
@given(tilings(400), heaps(400), st.sampled_from([0, 0, 1, 7, 50, 300]))
def test_milliseconds_counted_one_by_one_agree(reference, hypothesis, collar):
    eder = score(reference, hypothesis, 0.4, collar / 1000)
    assert (*parts(eder), eder.duration) == pytest.approx(brute(reference, hypothesis, 400, collar), abs=1e-9)


def filled(group: list[Segment], total: float) -> list[Segment]:
    """Fill gaps with neutral and join neighbours with one label."""
    result: list[Segment] = []
    for segment in [*sorted(group), Segment("u", total, total, "neutral")]:
        now = result[-1].end if result else 0.0
        for start, end, label in ((now, segment.start, "neutral"), (segment.start, segment.end, segment.label)):
            if start < end and result and result[-1].label == label:
                result[-1] = Segment("u", result[-1].start, end, label)
            elif start < end:
                result.append(Segment("u", start, end, label))
    return result


@settings(QUICK, max_examples=150)
@given(tilings(), tilings(), st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5]))
def test_pyannote_agrees_where_one_label_is_given_at_a_time(reference, hypothesis, collar):
    core = pytest.importorskip("pyannote.core")
    identification = pytest.importorskip("pyannote.metrics.identification")

    def annotation(group):
        result = core.Annotation()
        rows = filled(group, 4.0)
        for number, segment in enumerate(rows):
            # Past both ends, because pyannote.metrics puts collars there too.
            start = segment.start - 10 * (number == 0)
            end = segment.end + 10 * (number == len(rows) - 1)
            result[core.Segment(start, end)] = segment.label
        return result

    # Its collar is the width of both sides together.
    metric = identification.IdentificationErrorRate(collar=2 * collar)
    uem = core.Timeline([core.Segment(0, 4)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detail = metric(annotation(reference), annotation(hypothesis), uem=uem, detailed=True)
    eder = score(reference, hypothesis, collar=collar)
    # It drops pieces shorter than a microsecond.
    assert eder.duration == pytest.approx(detail["total"], abs=1e-4)
    assert sum(parts(eder)) == pytest.approx(detail["confusion"], abs=1e-4)
    assert detail["missed detection"] == detail["false alarm"] == 0


def test_pyannote_counts_two_wrong_labels_at_a_time_twice():
    core = pytest.importorskip("pyannote.core")
    identification = pytest.importorskip("pyannote.metrics.identification")
    reference, hypothesis = core.Annotation(), core.Annotation()
    reference[core.Segment(0, 4)] = "angry"
    hypothesis[core.Segment(0, 4), 0], hypothesis[core.Segment(0, 4), 1] = "sad", "happy"
    uem = core.Timeline([core.Segment(0, 4)])
    assert identification.IdentificationErrorRate()(reference, hypothesis, uem=uem) == 2
    assert score(segments((0, 4, "angry")), segments((0, 4, "sad"), (0, 4, "happy"))).rate == 1


@settings(QUICK, max_examples=100)
@given(tilings(), heaps(), st.integers(0, 9))
def test_order_cuts_and_spelt_out_neutral_do_not_matter(reference, hypothesis, seed):
    random = Random(seed)
    pieces = []
    for segment in filled(reference, 4.0):
        middle = random.uniform(segment.start, segment.end)
        pieces += [Segment("u", segment.start, middle, segment.label), Segment("u", middle, segment.end, segment.label)]
    pieces = [piece for piece in pieces if piece.start < piece.end]
    shuffled = list(hypothesis)
    random.shuffle(pieces)
    random.shuffle(shuffled)
    for collar in (0.0, 0.1):
        one, other = score(reference, hypothesis, collar=collar), score(pieces, shuffled, collar=collar)
        assert (*parts(one), one.duration) == pytest.approx((*parts(other), other.duration), abs=1e-9)


@QUICK
@given(tilings(), heaps(), tilings())
def test_rates_are_shares_and_swapping_sides_swaps_misses_and_false_alarms(reference, hypothesis, single):
    eder = score(reference, hypothesis)
    assert -1e-12 <= eder.rate <= 1 + 1e-12
    assert score(reference, reference).rate == 0
    there, back = score(reference, single), score(single, reference)
    assert (there.missed, there.false_alarm, there.confusion) == pytest.approx(
        (back.false_alarm, back.missed, back.confusion), abs=1e-9
    )


@settings(QUICK, max_examples=50)
@given(st.lists(st.tuples(tilings(), heaps(), st.floats(4, 9)), min_size=1, max_size=6), st.sampled_from([0, 0.1]))
def test_utterances_do_not_touch_each_other(cases, collar):
    names = [f"u{number}" for number in range(len(cases))]
    reference, hypothesis, durations = (dict(zip(names, column, strict=True)) for column in zip(*cases, strict=True))
    together = score_all(reference, dict(reversed(hypothesis.items())), durations | {"other": 1.0}, collar)
    assert list(together) == names
    for name, case in zip(names, cases, strict=True):
        assert parts(together[name]) == pytest.approx(parts(score(*case, collar)), abs=1e-9)


def test_times_closer_than_the_sorting_key_can_tell_are_ordered_all_the_same():
    names = [f"u{number}" for number in range(20000)]
    close = np.nextafter(1.0, 2.0)
    reference = {name: segments((0.0, 1.0, "sad"), (close, 2.0, "happy")) for name in names}
    hypothesis = {name: segments((0.0, close, "sad"), (close, 2.0, "happy")) for name in names}
    scores = score_all(reference, hypothesis, dict.fromkeys(names, 2.0))
    assert {(score.missed, score.false_alarm, score.confusion) for score in scores.values()} == {(0, close - 1, 0)}


def test_a_collar_leaves_out_changes_but_not_the_ends():
    reference = segments((0, 1, "sad"), (1, 2, "sad"), (2, 4, "happy"))
    assert score(reference, [], collar=0.25) == Eder(3.5, 0, 0, 0, 3.5)
    # A segment that rounding put a little before the end, or away from the next, ends there.
    reference = segments((0.0005, 0.9995, "sad"), (1, 3.9995, "sad"))
    assert score(reference, [], collar=0.25).duration == 4
    nothing = score(ANGRY, [], collar=9)
    assert (nothing.duration, math.isnan(nothing.rate)) == (0, True)
    assert summarise([nothing, Eder(1, 0, 0, 0, 4)]) == summarise([Eder(1, 0, 0, 0, 4)])


def test_rounding_to_milliseconds_is_forgiven():
    eder = score(segments((0, 1.001, "sad"), (1, 4.001, "happy")), segments((0, 1, "sad"), (1, 4.001, "happy")))
    assert eder == Eder(0, 0, 0, 0, 4)


@pytest.mark.parametrize(
    ("side", "rows", "reason"),
    [
        ("reference", [(0, 1.5, "sad"), (1, 2, "sad")], "begins before the one before it ends, at 1.5 s"),
        ("reference", [(3, 4.1, "sad")], r"past the end of the utterance at 4.0 s"),
        ("hypothesis", [(3, 4.1, "sad")], "past the end"),
        ("hypothesis", [(2, 1, "sad")], "must begin"),
        ("hypothesis", [(1, 1, "sad")], "must begin"),
        ("reference", [(-1, 1, "sad")], "must begin"),
        ("reference", [(math.nan, 1, "sad")], "must begin"),
        ("hypothesis", [(1, math.nan, "sad")], "must begin"),
        ("hypothesis", [(1, math.inf, "sad")], "past the end"),
    ],
)
def test_a_bad_segment_is_told(side, rows, reason):
    sides = {"reference": ANGRY, "hypothesis": ANGRY} | {side: segments(*rows)}
    with pytest.raises(SegmentError, match=f"^{side}: u from .*{reason}") as error:
        score(**sides)
    assert error.value.segment == sides[side][-1]


@pytest.mark.parametrize(
    ("hypothesis", "durations", "collar", "message"),
    [
        ({}, {"u": 4}, 0, "the utterance u is missing"),
        ({"u": [], "v": []}, {"u": 4}, 0, "the utterance v is not in the reference"),
        ({"u": []}, {}, 0, "u: its duration"),
        ({"u": []}, {"u": 0}, 0, "u: its duration"),
        ({"u": []}, {"u": math.nan}, 0, "u: its duration"),
        ({"u": []}, {"u": 4}, -1, "collar"),
        ({"u": []}, {"u": 4}, math.nan, "collar"),
    ],
)
def test_what_does_not_fit_together_is_told(hypothesis, durations, collar, message):
    with pytest.raises(UserError, match=message):
        score_all({"u": []}, hypothesis, durations, collar)


def test_groups_means_and_weights():
    assert score_all({}, {}, {}) == {}
    assert dominant(segments((0, 3, "neutral"), (3, 4, "sad"))) == "sad"
    assert dominant(segments((0, 1, "sad"), (1, 1.5, "happy"), (2, 2.75, "happy"))) == "happy"
    assert dominant(segments((2, 3, "happy"), (0, 1, "sad"))) == "sad"
    assert dominant(segments((0, 4, "neutral"))) == dominant([]) == "neutral"
    reference = {"a": segments((0, 1, "sad")), "b": segments((0, 1, "sad")), "c": [], "d": segments((0, 2, "angry"))}
    durations = {"a": 2.0, "b": 8.0, "c": 5.0, "d": 2.0}
    scores = score_all(reference, dict.fromkeys(reference, []), durations)
    groups = by_emotion(scores, reference)
    assert list(groups) == ["angry", "sad", "neutral"]
    assert (groups["sad"].utterances, groups["sad"].mean, groups["sad"].total.rate) == (2, (1 / 2 + 1 / 8) / 2, 0.2)
    everything = summarise(list(scores.values()))
    assert (everything.mean, everything.total) == (pytest.approx((1 / 2 + 1 / 8 + 0 + 1) / 4), Eder(4, 0, 0, 0, 17))
    assert math.isnan(summarise([]).mean)
