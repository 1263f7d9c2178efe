"""Collect what sessions of the listening test hold: exp/listen/sessions/ -> exp/listen/{answers,listeners}.csv.

    cd egs/<recipe> && python3 -m local.listen.collect [--delete TOKEN | --release LISTENER]

Two tables (local/listen/answers.py): a row an answer, with the truth joined from ``clips.csv``, and a row a listener
who agreed to take part. Practice and attention trials are in neither; how many of the latter were right stands with the
listener. ``--delete`` removes all that a listener gave, by the token of the link; ``--release`` lets a listener's link
be opened in another browser.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from local import experiment
from local.listen import sessions
from local.listen.answers import (
    ANSWERS,
    CLIPS,
    LISTENERS,
    Answer,
    Clip,
    Listener,
    read_answers,
    read_clips,
    read_listeners,
    write_answers,
    write_listeners,
)
from utils import csv_file
from utils.errors import UserError, run_main

BY_LISTENER = "by_listener.csv"  # of local/listen/analyse.py


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--delete", metavar="TOKEN", help="remove all that the listener with this link gave")
    parser.add_argument("--release", metavar="LISTENER", help="let the listener's link be opened in another browser")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    if arguments.delete or arguments.release:
        folder = settings.exp / "listen"
        with sessions.alone(folder):
            change(folder, arguments.delete, arguments.release)
    run(settings)


def run(settings: experiment.Experiment) -> None:
    """Make the tables of an experiment's answers, if there are any."""
    folder = settings.exp / "listen"
    if (folder / sessions.SESSIONS).is_dir():
        print(collect(folder))


def collect(folder: Path) -> str:
    """Write ``answers.csv`` and ``listeners.csv`` of all sessions, and tell how many there are.

    Rows of listeners who had no session here, which were imported, stay. Listeners who were made up are left out as
    soon as anybody has begun: they are never counted with people.
    """
    begun = sessions.read_all(folder)
    ours = {path.stem for path in (folder / sessions.SESSIONS).glob("*.jsonl")}
    _forget(folder / BY_LISTENER, ours - {session.path.stem for session in begun})
    begun = [session for session in begun if not session.start["simulated"]] or begun
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


def _forget(scores: Path, gone: set[str]) -> None:
    """Remove the analysis's table of single listeners if it has somebody who took everything back."""
    if scores.is_file() and any(row["listener"] in gone for row in csv_file.read(scores)):
        scores.unlink()


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


def change(folder: Path, token: str | None, listener: str | None) -> None:
    """Remove what the listener with a token gave, or release a listener's link.

    Raises
    ------
    UserError
        Nobody was invited so.
    """
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
