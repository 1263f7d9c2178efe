"""Answers to and from webMUSHRA's files, and a test for webMUSHRA of the same clips.

Run in a recipe folder, where ``exp/listen/clips.csv`` names the clips::

    python3 -m local.listen.webmushra import FILE... --listener COLUMN [--group COLUMN] [--native COLUMN]
        [--means RATING=EMOTION]...
    python3 -m local.listen.webmushra export FOLDER
    python3 -m local.listen.webmushra config FILE.yaml --audio FOLDER

``import`` reads ``lss.csv`` (pages of one stimulus with a choice), files of its columns with ``start`` and ``end`` of a
marked segment behind them, and plain CSV files that have ``answer`` in the place of ``stimuli_rating`` and ``clip`` in
that of ``stimuli``; it writes ``exp/listen/answers.csv`` and ``listeners.csv``. Files do not say who a listener is:
``--listener`` names the column of the questionnaire that does. ``export`` writes ``lss.csv`` and, of marked segments,
``sed.csv``; plays, times of day and consent are in neither. ``config`` writes the YAML file of a webMUSHRA test.

Source: M. Schoeffler et al., "webMUSHRA: a comprehensive framework for web-based listening tests", Journal of Open
Research Software 6, 2018; its service/write.php says what the columns are.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from local import experiment
from local.listen.answers import (
    ANSWERS,
    CHOICE,
    CLIPS,
    LISTENERS,
    SEGMENT,
    Answer,
    Clip,
    Listener,
    guarded,
    read_answers,
    read_clips,
    read_listeners,
    unguarded,
    write_answers,
    write_listeners,
)  # fmt: skip
from utils.atomic import atomic_file
from utils.errors import UserError, run_main

FIRST, LAST, SEGMENTS = "session_test_id", ("trial_id", "stimuli_rating", "stimuli", "rating_time"), ("start", "end")
PLAIN = {"clip": "stimuli", "answer": "stimuli_rating", "rt_ms": "rating_time"}
NOT_RATED = "NA"
LSS, SED = "lss.csv", "sed.csv"


def main(argv: Sequence[str] | None = None) -> None:
    """Import, export, or write a test."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.listen.webmushra", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="import|export|config")
    one = commands.add_parser("import", help="files -> exp/listen/answers.csv, listeners.csv")
    one.add_argument("files", nargs="+", type=Path, metavar="FILE")
    one.add_argument("--listener", required=True, metavar="COLUMN", help="who listened")
    one.add_argument("--group", metavar="COLUMN", help="the listener's group (default: one group, 'all')")
    one.add_argument("--native", metavar="COLUMN", help="the listener's native language")
    one.add_argument("--means", action="append", default=[], metavar="RATING=EMOTION", help="what a rating means")
    two = commands.add_parser("export", help="exp/listen/answers.csv -> FOLDER/lss.csv, FOLDER/sed.csv")
    two.add_argument("folder", type=Path)
    three = commands.add_parser("config", help="exp/listen/clips.csv -> a test for webMUSHRA")
    three.add_argument("file", type=Path)
    three.add_argument("--audio", required=True, help="where webMUSHRA finds <clip>.wav, from its own root")
    for command in (one, two, three):
        experiment.add_arguments(command)
    arguments = parser.parse_args(argv)
    config = experiment.load(arguments)
    folder = config.exp / "listen"
    if arguments.command == "import":
        _import(arguments, folder, config.emotions)
    elif arguments.command == "export":
        answers, listeners = read_answers(folder / ANSWERS), read_listeners(folder / LISTENERS)
        clips = {clip.utt: clip.clip for clip in read_clips(folder / CLIPS)}
        for name, number in write(arguments.folder, answers, listeners, clips, Path.cwd().name).items():
            print(f"{arguments.folder / name}: {number} answers")
    else:
        clips = read_clips(folder / CLIPS)
        with atomic_file(arguments.file) as file:
            file.write(yaml_text(clips, config.emotions, arguments.audio, Path.cwd().name))
        print(f"{arguments.file}: a test of {len(clips)} clips")


def _import(arguments: argparse.Namespace, folder: Path, emotions: Sequence[str]) -> None:
    clips = read_clips(folder / CLIPS)
    meanings = dict(emotion.split("=", 1) if "=" in emotion else (emotion, "") for emotion in arguments.means)
    if wrong := next((word for word, meant in meanings.items() if meant not in emotions), None):
        raise UserError(f"--means {wrong}: expected RATING=EMOTION, an emotion of {', '.join(emotions)}")
    meanings = {emotion: emotion for emotion in emotions} | meanings
    answers, listeners, unrated = [], {}, 0
    for path in arguments.files:
        found, people, left = read(path, clips, meanings, arguments.listener, arguments.group, arguments.native)
        answers, unrated = answers + found, unrated + left
        for own in people:
            if listeners.setdefault(own.listener, own).group != own.group:
                raise UserError(f"{path}: {own.listener} is of the group {own.group} here, of another in other files")
    heard = [(own.listener, own.task, own.utt) for own in answers]
    if twice := next((key for place, key in enumerate(heard) if key in heard[:place]), None):
        raise UserError(f"{twice[0]} answers {twice[2]} ({twice[1]}) in two files; give it once")
    write_answers(folder / ANSWERS, answers)
    write_listeners(folder / LISTENERS, listeners.values())
    print(f"{folder / ANSWERS}: {len(answers)} answers of {len(listeners)} listeners; {unrated} clips were not rated")


def read(
    path: Path, clips: Iterable[Clip], meanings: Mapping[str, str], listener: str, group: str | None = None,
    native: str | None = None,
) -> tuple[list[Answer], list[Listener], int]:  # fmt: skip
    """Read a file of webMUSHRA, or a plain one.

    Parameters
    ----------
    path : Path
        UTF-8; spaces around cells are none of theirs.
    clips : iterable of Clip
        A stimulus is a clip's name, or its utterance.
    meanings : mapping of str to str
        What was said to its emotion.
    listener, group, native : str or None
        Names of columns.

    Returns
    -------
    tuple of (list of Answer, list of Listener, int)
        Trials count a listener's answers in the order of the file; and how many stimuli were not rated.

    Raises
    ------
    UserError
        Names the line: a row has more or fewer cells than the header, its stimulus is no clip or was answered before,
        or a value is none of its kind.
    """
    rows, header = _rows(path)
    for name in (listener, group, native):
        if name is not None and name not in header:
            raise UserError(f"{path}: there is no column '{name}'; it has {', '.join(header)}")
    known = {name: clip for clip in clips for name in (clip.clip, clip.utt)}
    extra = [name for name in header if name not in (FIRST, *LAST, *SEGMENTS, *PLAIN, "task", listener, group, native)]
    answers: dict[tuple, Answer] = {}
    people: dict[str, Listener] = {}
    unrated, trials = 0, {}
    for line, row in rows:
        who, stimulus, said = row[listener], row["stimuli"], row["stimuli_rating"]
        if not who:
            raise UserError(f"{path}:{line}: no listener in the column '{listener}'")
        if stimulus not in known:
            raise UserError(f"{path}:{line}: '{stimulus}' is no clip of {CLIPS}")
        mine = Listener(who, row[group] if group else "all", row[native] if native else "",
                        {name: row[name] for name in extra})  # fmt: skip
        if people.setdefault(who, mine) != mine:
            raise UserError(f"{path}:{line}: {who} says other things about themselves than in an earlier line")
        if said == NOT_RATED:
            unrated += 1
            continue
        if said not in meanings:
            raise UserError(f"{path}:{line}: '{said}' is none of {', '.join(meanings)}; say what it means with --means")
        start, end, time = (_number(path, line, row, name) for name in (*SEGMENTS, "rating_time"))
        if (start is None) != (end is None) or (start is not None and not 0 <= start < end):
            raise UserError(f"{path}:{line}: a segment from '{row.get('start')}' to '{row.get('end')}' s is none")
        clip, task = known[stimulus], CHOICE if start is None else SEGMENT
        if (who, task, clip.utt) in answers:
            raise UserError(f"{path}:{line}: {who} answered {stimulus} before")
        trials[who, task] = trials.get((who, task), 0) + 1
        answers[who, task, clip.utt] = Answer(
            who, mine.group, task, trials[who, task], clip.utt, clip.language, clip.emotion, meanings[said],
            rt_ms=time, start=start, end=end,
        )  # fmt: skip
    return list(answers.values()), list(people.values()), unrated


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """Read rows with their line numbers, cells without the spaces around them, by webMUSHRA's names of columns."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [unguarded(cell.strip()) for cell in row]) for row in reader if any(row)]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file ({error})") from error
    header = [PLAIN.get(name, name) for name in (lines[0][1] if lines else [])]
    if missing := [name for name in ("stimuli_rating", "stimuli") if name not in header]:
        raise UserError(f"{path}: there is no column '{missing[0]}'; expected {FIRST}, ..., {', '.join(LAST)}")
    if twice := next((name for place, name in enumerate(header) if name in header[:place]), None):
        raise UserError(f"{path}: there are two columns '{twice}'")
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise UserError(f"{path}:{line}: {len(row)} cells under a header of {len(header)}; mend the line")
    return [(line, dict(zip(header, row, strict=True))) for line, row in lines[1:]], header


def _number(path: Path, line: int, row: Mapping[str, str], name: str) -> float | None:
    try:
        return float(row[name]) if row.get(name) else None
    except ValueError:
        raise UserError(f"{path}:{line}: {name} '{row[name]}' is no number") from None


def write(
    folder: Path, answers: Sequence[Answer], listeners: Iterable[Listener], clips: Mapping[str, str], test_id: str
) -> dict[str, int]:
    """Write answers as webMUSHRA does, a listener after another.

    Parameters
    ----------
    folder : Path
        Gets ``lss.csv`` and, if segments were marked, ``sed.csv``, the same columns with ``start`` and ``end``.
    answers : sequence of Answer
        Of listeners that are among ``listeners``.
    listeners : iterable of Listener
        Their questionnaires are columns: ``listener``, ``group``, ``native_language`` and what else was asked.
    clips : mapping of str to str
        Utterance to the name of its clip.
    test_id : str
        Of the test.

    Returns
    -------
    dict of str to int
        By file, its number of answers.
    """
    listeners, made = list(listeners), {}
    more = list(dict.fromkeys(name for own in listeners for name in own.more))
    folder.mkdir(parents=True, exist_ok=True)
    for name, task in ((LSS, CHOICE), (SED, SEGMENT)):
        ends = SEGMENTS if task == SEGMENT else ()
        rows = []
        for who in listeners:
            said = [who.listener, who.group, who.native_language, *(who.more.get(one, "") for one in more)]
            about = [test_id, *map(guarded, said)]
            mine = [own for own in answers if (own.listener, own.task) == (who.listener, task)]
            for own in sorted(mine, key=lambda answer: answer.trial):
                clip = clips[own.utt]
                times = [_text(getattr(own, name)) for name in ("rt_ms", *ends)]
                rows.append([*about, clip, f" {own.answer} ", clip, *times])
        if rows:
            with atomic_file(folder / name) as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([FIRST, "listener", "group", "native_language", *more, *LAST, *ends])
                writer.writerows(rows)
            made[name] = len(rows)
    return made


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def yaml_text(clips: Iterable[Clip], emotions: Sequence[str], audio: str, test_id: str) -> str:
    """Write the YAML text of a webMUSHRA test: a page a clip in random order, a choice of emotions on each.

    Parameters
    ----------
    clips : iterable of Clip
        A page's id and its stimulus are the clip's name, which does not tell the emotion.
    emotions : sequence of str
        What can be chosen.
    audio : str
        Folder of ``<clip>.wav``, from webMUSHRA's root.
    test_id : str
        Names the folder of the results.

    Returns
    -------
    str
    """
    import yaml

    choices = [{"value": emotion, "label": emotion} for emotion in emotions]
    pages = [
        {"type": "likert_single_stimulus", "id": clip.clip, "name": "Which emotion do you hear?", "content": "",
         "mustRate": True, "mustPlayback": "processUpdate",
         "stimuli": {clip.clip: f"{audio.rstrip('/')}/{clip.clip}.wav"}, "response": choices}
        for clip in clips
    ]  # fmt: skip
    who = [{"type": "text", "label": name, "name": name} for name in ("listener", "group", "native_language")]
    finish = {"type": "finish", "name": "Thank you", "content": "", "showResults": False, "writeResults": True,
              "questionnaire": who}  # fmt: skip
    whole = {
        "testname": test_id, "testId": test_id, "bufferSize": 2048, "stopOnErrors": True,
        "showButtonPreviousPage": False, "remoteService": "service/write.php", "pages": [["random", *pages], finish],
    }  # fmt: skip

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True  # webMUSHRA's reader knows none

    return yaml.dump(whole, Dumper=Plain, sort_keys=False, allow_unicode=True)


if __name__ == "__main__":
    run_main(main)
