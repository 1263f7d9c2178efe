"""Praat's TextGrid files: labelled stretches of a recording, for looking at them beside its spectrogram.

The long text format of https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html, in UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from utils.atomic import atomic_file
from utils.data_dir import seconds
from utils.errors import UserError

Interval = tuple[float, float, str]
# Times that were rounded to milliseconds may differ by this much from what they mean.
_SAME = 0.001


def write_textgrid(path: str | Path, duration: float, tiers: Mapping[str, Iterable[Interval]]) -> None:
    """Write a TextGrid of interval tiers, whole or not at all, of a recording of so many seconds.

    A tier's intervals are start and end in seconds, and label. The order is free; what no interval covers is an
    interval without a label, as Praat wants it. Gaps and overlaps of at most a millisecond are closed.

    Raises
    ------
    UserError
        There is no tier; intervals are empty, overlap, or lie outside the recording.
    """
    text = format_textgrid(path, duration, tiers)
    with atomic_file(path) as file:
        file.write(text)


def format_textgrid(path: str | Path, duration: float, tiers: Mapping[str, Iterable[Interval]]) -> str:
    """Turn intervals into the text of a TextGrid; as for :func:`write_textgrid`, ``path`` is for messages."""
    if not tiers:
        raise UserError(f"{path}: a TextGrid needs a tier")
    if not 0 < duration < float("inf"):
        raise UserError(f"{path}: the duration {duration} s must be positive")
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", *_span(0.0, duration, "")]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        tiled = _tile(f"{path}: tier {name}", duration, intervals)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quote(name)}"]
        lines += [*_span(0.0, duration, "        "), f"        intervals: size = {len(tiled)}"]
        for index, (start, end, label) in enumerate(tiled, 1):
            lines += [f"        intervals [{index}]:", *_span(start, end, "            ")]
            lines += [f"            text = {_quote(label)}"]
    return "".join(f"{line}\n" for line in lines)


def _tile(place: str, duration: float, intervals: Iterable[Interval]) -> list[Interval]:
    """Sort intervals, close what rounding opened between them, and fill the gaps."""
    tiled: list[Interval] = []
    covered = 0.0
    for begin, end, label in sorted(intervals):
        start = covered if abs(begin - covered) <= _SAME else begin
        stop = duration if abs(end - duration) <= _SAME else end
        if not covered <= start < stop <= duration:
            raise UserError(
                f"{place}: the interval from {begin:g} to {end:g} s is empty, overlaps the one before it, or is not "
                f"within 0 to {duration:g} s"
            )
        if start > covered:
            tiled.append((covered, start, ""))
        tiled.append((start, stop, label))
        covered = stop
    return tiled if covered == duration else [*tiled, (covered, duration, "")]


def _span(start: float, end: float, indent: str) -> list[str]:
    return [f"{indent}xmin = {seconds(start)}", f"{indent}xmax = {seconds(end)}"]


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
