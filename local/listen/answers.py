"""Answers of listeners: append-only sessions of the server -> exp/listen/{answers,listeners}.csv, read here alone.

    cd egs/<recipe> && python3 -m local.listen.answers [--delete TOKEN | --release LISTENER]

A session is ``exp/listen/sessions/<listener>.jsonl``, a line an event (local/listen/sessions.py). The command reads all
of them and writes two tables: ``answers.csv``, a row an answer, with the truth joined from ``clips.csv``, and
``listeners.csv``, a row a listener who agreed to take part. Practice and attention trials are in neither; how many of
the latter were right stands with the listener. ``--delete`` removes all that a listener gave, by the token of the link;
``--release`` lets a listener's link be opened in another browser.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from local import experiment
from local.listen import sessions
from utils import csv_file
from utils.errors import UserError, run_main

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
    csv_file.write(path, _CLIP, (_guarded(asdict(clip)) for clip in clips))


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
    csv_file.write(path, COLUMNS, (_guarded(row) for row in rows))


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
    csv_file.write(path, ("listener", "group", "native_language", *more), map(_guarded, rows))


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
        (number, {name: value[1:] if value[:1] == "'" and value[1:].startswith(_FORMULA) else value
                  for name, value in row.items()})
        for number, row in enumerate(rows, 2)
    ]  # fmt: skip


def _guarded(row: Mapping[str, object]) -> dict[str, object]:
    return {
        name: f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for name, value in row.items()
    }




def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--delete", metavar="TOKEN", help="remove all that the listener with this link gave")
    parser.add_argument("--release", metavar="LISTENER", help="let the listener's link be opened in another browser")
    arguments = parser.parse_args()
    folder = experiment.load(arguments).exp / "listen"
    if arguments.delete or arguments.release:
        with sessions.alone(folder):
            _change(folder, arguments.delete, arguments.release)
    if (folder / sessions.SESSIONS).is_dir():
        print(collect(folder))


def collect(folder: Path) -> str:
    """Write ``answers.csv`` and ``listeners.csv`` of all sessions, and tell how many there are.

    Rows of listeners who had no session here, which were imported, stay.
    """
    begun = sessions.read_all(folder)
    ours = {path.stem for path in (folder / sessions.SESSIONS).glob("*.jsonl")}
    clips = {clip.clip: clip for clip in read_clips(folder / CLIPS)}
    answers = [answer for session in begun for answer in _answers(session, clips)]
    listeners = [_listener(session) for session in begun]
    if (folder / ANSWERS).is_file():
        answers += [answer for answer in read_answers(folder / ANSWERS) if answer.listener not in ours]
    if (folder / LISTENERS).is_file():
        listeners += [own for own in read_listeners(folder / LISTENERS) if own.listener not in ours]
    write_answers(folder / ANSWERS, answers)
    write_listeners(folder / LISTENERS, listeners)
    made_up = sum(bool(session.start["simulated"]) for session in begun)
    note = f", {made_up} of them made up" if made_up else ""
    done = sum(session.ended for session in begun)
    return f"{folder}/{ANSWERS}: {len(answers)} answers of {len(begun)} listeners ({done} at the end{note})"


def _answers(session: sessions.Session, clips: Mapping[str, Clip]) -> Iterable[Answer]:
    start, saved = session.start, session.saved
    counted = [trial for trial in start["plan"] if trial["kind"] == "trial"]
    for number, trial in enumerate(counted, 1):
        if trial["key"] in saved:
            clip, event = clips[trial["clip"]], saved[trial["key"]]
            data = event["data"]
            yield Answer(
                session.path.stem, start["group"], trial["task"], number, clip.utt, clip.language, clip.emotion,
                data["answer"], data["plays"], data["rt_ms"], data.get("start"), data.get("end"), event["time"],
                start["consent"], start["simulated"],
            )  # fmt: skip


def _listener(session: sessions.Session) -> Listener:
    start, saved = session.start, session.saved
    asked = dict(saved["q"]["data"]) if "q" in saved else {}
    native = asked.pop("native_language", "")
    more = asked | {"page_language": start["language"], "finished": str(session.ended).lower()}
    if "h" in saved:
        more["headphones"] = "{right}/{of}".format(**saved["h"]["data"])
    checks = [trial for trial in start["plan"] if trial["kind"] == "attention" and trial["key"] in saved]
    right = sum(saved[trial["key"]]["data"]["answer"] == trial["say"] for trial in checks)
    if checks:
        more["attention"] = f"{right}/{len(checks)}"
    return Listener(session.path.stem, start["group"], native, more)


def _change(folder: Path, token: str | None, listener: str | None) -> None:
    what = [one for one in sessions.read_invitations(folder) if token == one.token or listener == one.listener]
    if not what:
        raise UserError(f"{folder}/{sessions.TOKENS}: has no {'such token' if token else f'listener {listener}'}")
    session = sessions.read(folder, what[0].listener, mend=True)
    if token:
        sessions.remove(session)
    else:
        session.add({"event": sessions.RELEASE, "time": sessions.now()})


if __name__ == "__main__":
    run_main(main)
