"""What a browser may save: every field is known, of its kind and within bounds; anything else is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local.listen.answers import SEGMENT

AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+", "")
LONGEST_TEXT = 300  # characters
_HOUR = 3_600_000.0  # milliseconds
_LATE = 0.05  # seconds by which a browser's duration of a clip may exceed ours


class RefusedError(ValueError):
    """What came is not what the page sends."""


def answer(data: Any, task: str, choices: Sequence[str], seconds: float) -> dict[str, Any]:
    """Check an answer to a clip, and give it back with numbers rounded to what was measured.

    Parameters
    ----------
    data : any
        What was sent: ``answer``, ``plays``, ``rt_ms`` and, in the segment task, ``start`` and ``end`` in seconds.
    task : str
        ``choice`` or ``segment``.
    choices : sequence of str
        What can be answered.
    seconds : float
        How long the clip is.

    Raises
    ------
    RefusedError
        Says what is wrong.
    """
    names = {"answer", "plays", "rt_ms"} | ({"start", "end"} if task == SEGMENT else set())
    _fields(data, names)
    if data["answer"] not in choices:
        raise RefusedError("answer: not one of the choices")
    plays = data["plays"]
    if type(plays) is not int or not 1 <= plays <= 10_000:
        raise RefusedError("plays: expected a number from 1")
    found = {"answer": data["answer"], "plays": plays, "rt_ms": round(_number(data, "rt_ms", 24 * _HOUR), 1)}
    if task == SEGMENT:
        start, end = (min(_number(data, name, seconds + _LATE), seconds) for name in ("start", "end"))
        if not start < end:
            raise RefusedError("end: expected more than start")
        found |= {"start": round(start, 4), "end": round(end, 4)}
    return found


def questionnaire(data: Any, questions: Sequence[str]) -> dict[str, str]:
    """Check the answers to the questions that were asked; all are text, and any may be empty."""
    _fields(data, set(questions))
    for name, value in data.items():
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
            raise RefusedError(f"{name}: expected at most {LONGEST_TEXT} characters")
        if name == "age" and value not in AGES:
            raise RefusedError("age: not one of the bands")
    # A lone half of a pair of UTF-16 cannot be written.
    return {name: value.encode("utf-8", "replace").decode().strip() for name, value in data.items()}


def headphones(data: Any, tones: int) -> dict[str, int]:
    """Check how many tones were told right, of how many."""
    _fields(data, {"right", "of"})
    if data["of"] != tones or type(data["right"]) is not int or not 0 <= data["right"] <= tones:
        raise RefusedError("right: expected a number up to that of the tones")
    return dict(data)


def _fields(data: Any, names: set[str]) -> None:
    if not isinstance(data, Mapping) or set(data) != names:
        raise RefusedError(f"expected exactly {', '.join(sorted(names))}")


def _number(data: Mapping, name: str, most: float) -> float:
    value = data[name]
    if type(value) not in (int, float) or not 0 <= value <= most:  # NaN is not
        raise RefusedError(f"{name}: expected a number from 0 to {most:g}")
    return float(value)
