"""Labelled stretches of speech in RTTM files (NIST's Rich Transcription Time Marked format).

One line a segment: ``SPEAKER <utterance> 1 <start> <duration> <NA> <NA> <label> <NA> <NA>``, times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from utils.atomic import atomic_file
from utils.errors import UserError
from utils.table import read_text

_DECIMALS = 3


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A stretch of an utterance with a label; times in seconds. Segments sort by utterance and time."""

    utterance: str
    start: float
    end: float
    label: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def read_rttm(path: str | Path, lines: dict[Segment, int] | None = None) -> dict[str, list[Segment]]:
    """Read an RTTM file: utterance, in order of appearance, to its segments, in order of time.

    Blank lines and comments (``;;``) are skipped; the order of lines is free. Where ``lines`` is given, each segment's
    line number is added, for messages; the last one of equal segments.

    Raises
    ------
    UserError
        A line is no SPEAKER line of 9 or 10 fields, a start is negative or not a number, or a duration
        is not a positive number.
    """
    utterances: dict[str, list[Segment]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = line.split()
        if fields and not fields[0].startswith(";;"):
            segment = _parse(f"{path}:{number}", fields)
            utterances.setdefault(segment.utterance, []).append(segment)
            if lines is not None:
                lines[segment] = number
    return {utterance: sorted(segments) for utterance, segments in utterances.items()}


def write_rttm(path: str | Path, segments: Iterable[Segment]) -> None:
    """Write an RTTM file, whole or not at all, sorted by utterance and time.

    Times are rounded to milliseconds such that segments that touch still touch.

    Raises
    ------
    UserError
        A name or label is not one word, a time is not a number or negative, or a segment is shorter than
        a millisecond.
    """
    try:
        text = format_rttm(segments)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    with atomic_file(path) as file:
        file.write(text)


def format_rttm(segments: Iterable[Segment]) -> str:
    """Make the text of an RTTM file; see :func:`write_rttm`."""
    lines = []
    for segment in sorted(segments):
        for word in (segment.utterance, segment.label):
            if word.split() != [word]:
                raise UserError(f"{word!r} must be one word without white space")
        # Both ends are rounded, not start and duration, which could open a gap between neighbours. Adding
        # 0.0 turns -0.0 into 0.0.
        start, end = round(segment.start, _DECIMALS) + 0.0, round(segment.end, _DECIMALS)
        if not 0 <= start < end < math.inf:
            raise UserError(
                f"{segment.utterance} has a segment from {segment.start} to {segment.end} s; "
                "it must not be negative or shorter than a millisecond"
            )
        times = f"{start:.{_DECIMALS}f} {end - start:.{_DECIMALS}f}"
        lines.append(f"SPEAKER {segment.utterance} 1 {times} <NA> <NA> {segment.label} <NA> <NA>\n")
    return "".join(lines)


def _parse(place: str, fields: list[str]) -> Segment:
    if fields[0] != "SPEAKER" or len(fields) not in (9, 10):
        raise UserError(
            f"{place}: expected 'SPEAKER <utterance> 1 <start> <duration> <NA> <NA> <label> <NA> <NA>', "
            f"got '{' '.join(fields)}'"
        )
    try:
        start, duration = float(fields[3]), float(fields[4])
    except ValueError:
        start, duration = math.nan, math.nan
    if not (0 <= start < math.inf and 0 < duration < math.inf):
        raise UserError(
            f"{place}: the start '{fields[3]}' must be a number of at least 0 and the duration '{fields[4]}' "
            "one greater than 0; correct or remove the line"
        )
    return Segment(fields[1], start, round(start + duration, 9), fields[7])
