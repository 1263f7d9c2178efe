"""Clips, answers and listeners as tables: exp/listen/{clips,answers,listeners}.csv, read and written here alone.

What comes from the listening test is collected by local/listen/collect.py; what others asked is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from local.listen import tables
from utils import csv_file
from utils.errors import UserError

CLIPS, ANSWERS, LISTENERS = "clips.csv", "answers.csv", "listeners.csv"
TASKS = CHOICE, SEGMENT = ("choice", "segment")
# A spreadsheet takes a cell that begins so for a formula: a quotation mark before it, which reading removes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


@dataclass(frozen=True)
class Clip:
    """What is heard: an utterance of a prepared corpus, under the name that the test gives it."""

    clip: str
    utt: str
    corpus: str
    language: str
    speaker: str
    sentence: str  # empty where the corpus does not know
    emotion: str  # the truth


@dataclass(frozen=True)
class Answer:
    """A listener's answer to one clip."""

    listener: str
    group: str
    task: str  # choice, or segment
    trial: int  # place in the listener's order, from 1
    utt: str
    language: str  # of the clip
    emotion: str  # the truth
    answer: str  # the emotion that was heard
    plays: int | None = None  # times that the clip was started
    rt_ms: float | None = None  # from the start of the first play to the answer, in milliseconds
    start: float | None = None  # of the most prominent segment, in seconds from the clip's beginning
    end: float | None = None
    time: str = ""  # of the answer, UTC, ISO 8601
    consent: str = ""  # version of the text that was agreed to
    simulated: bool = False


@dataclass(frozen=True)
class Listener:
    """Who listened; what the questionnaire asked beside the native language is in ``more``."""

    listener: str
    group: str
    native_language: str = ""
    more: dict[str, str] = field(default_factory=dict)


_CLIP = tuple(item.name for item in fields(Clip))
COLUMNS = tuple(item.name for item in fields(Answer))


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write ``clips.csv``."""
    tables.write(path, _CLIP, (_guarded(asdict(clip)) for clip in clips))


def read_clips(path: Path) -> list[Clip]:
    """Read ``clips.csv``.

    Raises
    ------
    UserError
        The file is missing or has other columns.
    """
    return [Clip(**row) for _, row in _rows(path, _CLIP)]


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write ``answers.csv``: numbers that are not known are empty, ``simulated`` is true or false."""
    rows = (asdict(answer) | {"simulated": str(answer.simulated).lower()} for answer in answers)
    tables.write(path, COLUMNS, (_guarded(row) for row in rows))


def read_answers(path: Path) -> list[Answer]:
    """Read ``answers.csv``.

    Raises
    ------
    UserError
        The file is missing, has other columns, or a value is none of its kind.
    """
    found = []
    for number, row in _rows(path, COLUMNS):
        try:
            found.append(_answer(row))
        except (ValueError, KeyError) as error:
            raise UserError(f"{path}:{number}: not an answer ({error}); mend the row or make the file again") from None
    return found


def write_listeners(path: Path, listeners: Iterable[Listener]) -> None:
    """Write ``listeners.csv``: a column a question that anybody was asked."""
    listeners = list(listeners)
    more = list(dict.fromkeys(name for one in listeners for name in one.more))
    rows = [{"listener": own.listener, "group": own.group, "native_language": own.native_language} | own.more
            for own in listeners]  # fmt: skip
    tables.write(path, ("listener", "group", "native_language", *more), map(_guarded, rows))


def read_listeners(path: Path) -> list[Listener]:
    """Read ``listeners.csv``; an answer that was not asked for, or not given, is empty.

    Raises
    ------
    UserError
        The file is missing or lacks one of the first three columns.
    """
    first = ("listener", "group", "native_language")
    return [
        Listener(*(row[name] for name in first), {name: row[name] for name in row if name not in first})
        for _, row in _rows(path, first, exact=False)
    ]


def _answer(row: Mapping[str, str]) -> Answer:
    if row["task"] not in TASKS:
        raise ValueError(f"task {row['task']!r} is none of {', '.join(TASKS)}")
    numbers = {name: float(row[name]) if row[name] else None for name in ("rt_ms", "start", "end")}
    known = dict(row) | numbers | {
        "trial": int(row["trial"]),
        "plays": int(row["plays"]) if row["plays"] else None,
        "simulated": {"true": True, "false": False, "": False}[row["simulated"]],
    }  # fmt: skip
    return Answer(**known)


def _rows(path: Path, columns: Sequence[str], exact: bool = True) -> list[tuple[int, dict[str, str]]]:
    """Read rows with their line numbers, cells unguarded; refuse other columns."""
    rows = csv_file.read(path)
    for row in rows[:1]:
        if not set(columns) <= set(row) or (exact and len(row) > len(columns)):
            raise UserError(f"{path}: has the columns {', '.join(row)}; expected {', '.join(columns)}")
    return [
        (number, {name: unguarded(value) for name, value in row.items()}) for number, row in enumerate(rows, 2)
    ]  # fmt: skip


def _guarded(row: Mapping[str, object]) -> dict[str, object]:
    return {name: guarded(value) for name, value in row.items()}


def guarded(value: object) -> object:
    """Put a quotation mark before a text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def unguarded(text: str) -> str:
    """Take the mark of :func:`guarded` away."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text
