"""TextGrids: the format, gaps and rounding, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from utils.errors import UserError
from utils.textgrid import format_textgrid, write_textgrid

EXAMPLE = '''\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0.0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0.0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0.0
            xmax = 1.0
            text = "ja"
        intervals [2]:
            xmin = 1.0
            xmax = 1.5
            text = ""
        intervals [3]:
            xmin = 1.5
            xmax = 2.5
            text = "sagt ""好"""
    item [2]:
        class = "IntervalTier"
        name = "empty"
        xmin = 0.0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0.0
            xmax = 2.5
            text = ""
'''


def times(text: str) -> list[tuple[float, float, str]]:
    found = re.findall(r"intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = \"(.*)\"", text)
    return [(float(start), float(end), label) for start, end, label in found]


def test_a_file_with_gaps_quotes_and_an_empty_tier(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.TextGrid"
    write_textgrid(path, 2.5, {"words": [(1.5, 2.5, 'sagt "好"'), (0.0, 1.0, "ja")], "empty": []})
    assert path.read_text(encoding="utf-8") == EXAMPLE


def test_gaps_and_overlaps_of_rounding_are_closed() -> None:
    # RTTM has milliseconds; the recording ends at 3.00006 s.
    text = format_textgrid("a", 3.0000625, {"t": [(0.0005, 1.0, "x"), (1.001, 2.0, "y"), (1.9995, 3.0, "z")]})
    assert times(text) == [(0.0, 1.0, "x"), (1.0, 2.0, "y"), (2.0, 3.000062, "z")]
    assert re.findall(r"^xmax = (.*)$", text, re.MULTILINE) == ["3.000062"]


@pytest.mark.parametrize(
    "intervals",
    [
        [(0.0, 1.5, "x"), (1.0, 2.0, "y")],
        [(1.0, 1.0, "x")],
        [(1.5, 1.0, "x")],
        [(-0.5, 1.0, "x")],
        [(1.0, 2.1, "x")],
        [(float("nan"), 1.0, "x")],
    ],
)
def test_intervals_that_cannot_be_are_refused_and_nothing_is_written(intervals: list, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.TextGrid: tier emotion: the interval from .* to .* s is empty, overlaps"):
        write_textgrid(tmp_path / "a.TextGrid", 2.0, {"emotion": intervals})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_must_be_positive(duration: float) -> None:
    with pytest.raises(UserError, match="must be positive"):
        format_textgrid("a", duration, {"t": []})


def test_a_tier_is_needed() -> None:
    with pytest.raises(UserError, match="a: a TextGrid needs a tier"):
        format_textgrid("a", 1.0, {})
