"""Make listeners up, for synthetic corpora: sessions as the server would have kept them, marked as simulated.

    cd egs/<recipe> && python3 -m local.listen.simulate --set listen.simulated=4

They stand in exp/listen/sessions/ as ``simulated_<group>01`` and so on; every table says that nobody heard anything.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from pathlib import Path

from local import experiment
from local.corpora import registry
from local.listen import sessions, trials
from local.listen.answers import CLIPS, SEGMENT, Clip, read_clips
from local.listen.clips import PRACTICE
from local.listen.sound import AUDIO
from utils import audio
from utils.errors import UserError, run_main

# How often they hear what is true, where the group is called after the clip's language and elsewhere; else they guess.
AT_HOME, ABROAD = 0.8, 0.5
_TIME = "2000-01-01T00:00:00Z"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args()))


def run(settings: experiment.Experiment) -> None:
    """Make up the listeners that an experiment asks for, if it has a listening test."""
    if settings.listen.simulated and (settings.listen.corpora or settings.listen.segments):
        print(make(settings.exp / "listen", settings))


def make(folder: Path, settings: experiment.Experiment) -> str:
    """Write the sessions that are not there, and tell how many there are.

    Raises
    ------
    UserError
        A corpus was spoken by people: answers to it must be people's.
    """
    listen = settings.listen
    for name in [*listen.corpora, *listen.segments]:
        if not registry.spec(name).synthetic:
            raise UserError(f"listen.simulated: people spoke {name}: listeners are made up for synthetic speech only")
    clips, practice = read_clips(folder / CLIPS), read_clips(folder / PRACTICE)
    known = {clip.clip: clip for clip in [*clips, *practice]}
    seconds = {name: audio.info(folder / AUDIO / f"{name}.wav").duration for name in known}
    number = 0
    for group in listen.groups:
        for own in range(1, listen.simulated + 1):
            session = sessions.read(folder, f"simulated_{group}{own:02d}")
            if not session.ended:
                session.path.unlink(missing_ok=True)
                plan = trials.plan(number, clips, practice, listen, settings.emotions)
                _answer(sessions.Session(session.path), group, plan, known, seconds, f"{listen.seed} {group} {own}")
            number += 1
    return f"{folder}: {number} listeners are made up"


def _answer(
    session: sessions.Session, group: str, plan: list[dict], known: Mapping[str, Clip], seconds: Mapping[str, float],
    seed: str,
) -> None:  # fmt: skip
    rng = random.Random(seed)
    session.add({"event": sessions.START, "time": _TIME, "group": group, "language": "en", "consent": "simulated",
                 "simulated": True, "plan": plan})  # fmt: skip
    session.add({"event": sessions.SAVE, "key": "q", "time": _TIME, "data": {"native_language": group}})
    emotions = {task: trials.choices(task, list(known.values()), sorted({own.emotion for own in known.values()}))
                for task in {trial["task"] for trial in plan}}  # fmt: skip
    for trial in plan:
        clip, length = known[trial["clip"]], seconds[trial["clip"]]
        hears = rng.random() < (AT_HOME if clip.language == group else ABROAD)
        answer = trial["say"] or (clip.emotion if hears else rng.choice(emotions[trial["task"]]))
        data = {"answer": answer, "plays": rng.choice([1, 1, 1, 2]), "rt_ms": round(rng.uniform(1500, 6000), 1)}
        if trial["task"] == SEGMENT:
            first, last = sorted(rng.uniform(0, length) for _ in range(2))
            data |= {"start": round(first, 4), "end": round(max(last, first + 0.05), 4)}
        session.add({"event": sessions.SAVE, "key": trial["key"], "time": _TIME, "data": data})


if __name__ == "__main__":
    run_main(main)
