"""RTTM files."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.errors import UserError
from utils.rttm import Segment, read_rttm, write_rttm

WORDS = st.text(st.characters(min_codepoint=33, exclude_categories=["Z", "C"]), min_size=1, max_size=6)
SEGMENTS = st.builds(
    lambda utterance, start, length, label: Segment(utterance, start / 1000, (start + length) / 1000, label),
    WORDS, st.integers(0, 10**7), st.integers(1, 10**6), WORDS,
)  # fmt: skip


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segments=st.lists(SEGMENTS))
def test_segments_survive_a_round_trip(tmp_path, segments):
    write_rttm(tmp_path / "x.rttm", segments)
    read = [segment for group in read_rttm(tmp_path / "x.rttm").values() for segment in group]
    assert read == sorted(segments)


def test_the_lines_are_those_of_the_contract(tmp_path):
    write_rttm(tmp_path / "x.rttm", [Segment("b-1", 0.5, 2, "sad"), Segment("a-1", 0, 1.23456, "happy")])
    assert (tmp_path / "x.rttm").read_text().splitlines() == [
        "SPEAKER a-1 1 0.000 1.235 <NA> <NA> happy <NA> <NA>",
        "SPEAKER b-1 1 0.500 1.500 <NA> <NA> sad <NA> <NA>",
    ]


@given(bounds=st.lists(st.floats(0, 100), min_size=3, max_size=8, unique_by=lambda x: round(x, 3)).map(sorted))
@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_segments_that_touch_still_touch(tmp_path, bounds):
    write_rttm(tmp_path / "x.rttm", [Segment("a", *ends, "x") for ends in zip(bounds, bounds[1:], strict=False)])
    (read,) = read_rttm(tmp_path / "x.rttm").values()
    assert all(left.end == right.start for left, right in zip(read, read[1:], strict=False))


def test_other_readers_agree(tmp_path):
    util = pytest.importorskip("pyannote.database.util")
    lhotse = pytest.importorskip("lhotse")
    segments = [
        Segment("a-1", 0.0, 1.25, "angry"),
        Segment("a-1", 1.25, 3.5, "sad"),
        Segment("b-1", 0.1, 0.35, "happy"),
    ]
    write_rttm(tmp_path / "x.rttm", segments)
    theirs = util.load_rttm(str(tmp_path / "x.rttm"))
    tracks = [
        (name, turn.start, turn.end, label)
        for name in theirs
        for turn, _, label in theirs[name].itertracks(yield_label=1)
    ]
    supervisions = lhotse.SupervisionSet.from_rttm(tmp_path / "x.rttm")
    ours = [(s.utterance, s.start, s.end, s.label) for s in segments]
    assert [(*row[:1], *map(pytest.approx, row[1:3]), row[3]) for row in ours] == tracks
    assert ours == sorted((s.recording_id, s.start, s.end, s.speaker) for s in supervisions)


def test_order_blank_lines_and_comments_do_not_matter(tmp_path):
    text = ";; made by hand\n\nSPEAKER b 1 2.0 1.0 <NA> <NA> sad <NA>\nSPEAKER\ta 1 0 1 <NA> <NA> sad <NA> <NA>\r\n"
    (tmp_path / "x.rttm").write_text(text + "SPEAKER b 1 0.5 1.5 <NA> <NA> happy <NA> <NA>")
    read = read_rttm(tmp_path / "x.rttm")
    assert list(read) == ["b", "a"]
    assert [(s.start, s.end, s.duration, s.label) for s in read["b"]] == [(0.5, 2, 1.5, "happy"), (2, 3, 1, "sad")]


def test_line_numbers_are_told_when_asked_for(tmp_path):
    lines = {}
    (tmp_path / "x.rttm").write_text(";; by hand\nSPEAKER b 1 2 1 a b sad c\n\nSPEAKER a 1 0 1 a b sad c\n")
    read = read_rttm(tmp_path / "x.rttm", lines)
    assert lines == {read["b"][0]: 2, read["a"][0]: 4}


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER a 1 0.0 0.0 <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 0.0 -1 <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 -0.5 1 <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 nan 1 <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 0 nan <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 0 inf <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 0 1s <NA> <NA> sad <NA> <NA>",
        "SPEAKER a 1 0 1 <NA> <NA> sad",
        "SPEAKER a 1 0 1 <NA> <NA> very sad <NA> <NA> <NA>",
        "SPKR-INFO a 1 0 1 <NA> <NA> sad <NA> <NA>",
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "x.rttm"
    path.write_text(f"SPEAKER a 1 0 1 <NA> <NA> sad <NA> <NA>\n{line}\n")
    with pytest.raises(UserError, match=r"x\.rttm:2: ") as error:
        read_rttm(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "segment",
    [
        Segment("a b", 0, 1, "x"), Segment("a", 0, 1, ""), Segment("a", 1, 1, "x"), Segment("a", 2, 1, "x"),
        Segment("a", 0, 0.0004, "x"), Segment("a", -1, 1, "x"), Segment("a", math.nan, 1, "x"),
        Segment("a", 0, math.inf, "x"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_written(tmp_path, segment):
    with pytest.raises(UserError, match=r"x\.rttm: "):
        write_rttm(tmp_path / "x.rttm", [Segment("a", 0, 1, "x"), segment])
    assert not (tmp_path / "x.rttm").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.rttm: no such file"):
        read_rttm(tmp_path / "none.rttm")
