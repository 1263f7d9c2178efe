"""Choose a listening test's clips: data/<corpus> with folds -> exp/listen/{clips.csv,practice.csv,audit.json,audio/}.

    cd egs/<recipe> && python3 -m local.listen.clips

``listen.each`` clips of every emotion and language for each of the two tasks, and further ones to practise on, in turn
from speakers and sentences, drawn by what they hold and not by their names; or those that ``listen.clips`` names. They
come from test lists alone, so that what models say of them is out-of-fold. ``audit.json`` says of every clip which fold
tests it, and the command stops where that fold's training or dev lists, of any corpus, hold the clip or the same audio.
Clips are 16 kHz, as models hear them, under names that say nothing; with ``listen.loudness`` all are equally loud.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from local import experiment
from local.encoders import registry as encoders
from local.listen import sound
from local.listen.answers import CHOICE, CLIPS, SEGMENT, Clip, read_clips, write_clips
from local.results import heard
from utils import stamp
from utils.atomic import write_changed
from utils.data_dir import UNKNOWN, content_keys, read_persons, read_utt2
from utils.errors import UserError, run_main
from utils.folds import count, read_folds

PRACTICE = "practice.csv"
_LETTER = {CHOICE: "c", SEGMENT: "s"}  # a clip's name begins with its task's
_KNEW = ("train", "dev")


@dataclass(frozen=True)
class Folder:
    """What is known of a prepared corpus."""

    name: str
    pool: list[str]  # utterances that may become clips
    test: dict[str, int]  # the first fold that tests each of them; empty where nothing is trained on the corpus
    folds: list[dict[str, list[str]]]
    content: dict[str, str]
    digest: dict[str, str]
    person: dict[str, str]
    tables: dict[str, dict[str, str]]  # emo, lang, spk and, where they are known, sent


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args()))


def run(settings: experiment.Experiment) -> None:
    """Choose the clips of an experiment, if it has a listening test."""
    if not (settings.listen.corpora or settings.listen.segments):
        print("listen.corpora and listen.segments are empty: no listening test")
        return
    make(settings.exp / "listen", settings)


def make(folder: Path, settings: experiment.Experiment) -> None:
    """Choose, check and write the clips, unless they are there, and say so in a line.

    Raises
    ------
    UserError
        A corpus is not prepared or has too few utterances, a clip would be known to a model that is tested on it, or
        there are answers already, to other clips.
    """
    read = {name: read_folder(name, settings) for name in dict.fromkeys([*settings.corpora, *_asked(settings)])}
    main_clips, practice = choose(read, settings)
    found = audit([*main_clips, *practice], read, settings)
    known = folder / CLIPS
    if any((folder / "sessions").glob("*.jsonl")) and (not known.is_file() or read_clips(known) != main_clips):
        raise UserError(
            f"{folder}/sessions: holds answers to other clips than these settings choose; give the same settings, or "
            f"keep the new test apart (--tag NAME)"
        )
    write_clips(known, main_clips)
    write_clips(folder / PRACTICE, practice)
    write_changed(folder / "audit.json", f"{json.dumps(found, indent=1, ensure_ascii=False)}\n")
    again = sound.write(folder / sound.AUDIO, [*main_clips, *practice], settings.listen.loudness)
    cells = Counter((_task(clip), clip.language) for clip in main_clips)
    told = ", ".join(f"{number} {task} {language}" for (task, language), number in cells.items())
    print(f"{folder}: {len(main_clips)} clips ({told}), {len(practice)} to practise on; {again}")


def read_folder(name: str, settings: experiment.Experiment) -> Folder:
    """Read a prepared corpus; what may be heard of it are the test lists' utterances, or all where it has no folds."""
    data = Path("data", name)
    if not (data / stamp.NAME).is_file():
        raise UserError(f"{data}: not prepared; run the data stage (python3 -m local.corpora.prepare) first")
    lists = data / "folds" / settings.split.scheme
    folds = read_folds(lists) if count(lists) else []
    tables = {what: read_utt2(data, what) for what in ("emo", "lang", "spk")}
    tables["sent"] = read_utt2(data, "sent") if (data / "utt2sent").is_file() else {}
    test: dict[str, int] = {}
    for number, fold in enumerate(folds):
        for utterance in fold["test"]:
            test.setdefault(utterance, number)
    pool = [utt for utt, own in tables["emo"].items() if own in settings.emotions and (not folds or utt in test)]
    digest = read_utt2(data, "digest") if (data / "utt2digest").is_file() else {}
    return Folder(name, pool, test, folds, content_keys(data), digest, read_persons(data), tables)


def choose(read: dict[str, Folder], settings: experiment.Experiment) -> tuple[list[Clip], list[Clip]]:
    """Choose the clips of the test and those to practise on, named in an order that says nothing of them.

    Clips are those that ``listen.clips`` names, or drawn: then every emotion of a language has as many. Of all that are
    left, the next one is of the speaker, then the sentence, then the corpus that has been chosen least often for this
    emotion and then at all; chance, seeded by what the utterances hold, decides between equals.

    Raises
    ------
    UserError
        A language has fewer utterances of an emotion than are asked for, or a clip that is named cannot be heard.
    """
    listen = settings.listen
    chosen: list[Clip] = []
    practice: list[Clip] = []
    for task, names in ((CHOICE, listen.corpora), (SEGMENT, listen.segments)):
        candidates = {_draw(listen.seed, task, place, read[name].content[utt]): _clip(read[name], utt)
                      for place, name in enumerate(names) for utt in read[name].pool}  # fmt: skip
        named = [clip for clip in candidates.values() if clip.utt in listen.clips]
        own = named or _drawn(candidates, listen.each, "+".join(names))
        left = {key: clip for key, clip in candidates.items() if clip not in own}
        extra = _balanced(left, min(listen.practice + listen.attention, len(left)), own)
        # c01, c02 ... in the order of a draw, so that a number tells neither language nor emotion.
        key_of = {clip: key for key, clip in candidates.items()}
        own.sort(key=key_of.__getitem__)
        chosen += [replace(clip, clip=f"{_LETTER[task]}{number:03d}") for number, clip in enumerate(own, 1)]
        practice += [replace(clip, clip=f"{_LETTER[task]}p{number:02d}") for number, clip in enumerate(extra, 1)]
    if missing := sorted(set(listen.clips) - {clip.utt for clip in chosen}):
        raise UserError(
            f"listen.clips: '{missing[0]}' is in no test list of {', '.join(_asked(settings))}; name others, or its "
            f"corpus in listen.corpora or listen.segments"
        )
    return chosen, practice


def _drawn(candidates: dict[str, Clip], each: int, names: str) -> list[Clip]:
    """Draw as many clips of every emotion in every language."""
    own: list[Clip] = []
    for language, emotion in sorted({(clip.language, clip.emotion) for clip in candidates.values()}):
        kind = (language, emotion)
        cell = {key: clip for key, clip in candidates.items() if (clip.language, clip.emotion) == kind}
        if len(cell) < each:
            raise UserError(
                f"{names}: {len(cell)} utterances in {language} are {emotion}, listen.each asks for {each}; ask for "
                f"fewer, or add corpora"
            )
        own += _balanced(cell, each, own)
    return own


def audit(clips: Iterable[Clip], read: dict[str, Folder], settings: experiment.Experiment) -> dict:
    """Check that no model which is tested on a clip was trained on it, and say who else knows what.

    Raises
    ------
    UserError
        The fold that tests a clip trains or develops on it or on the same audio, in its corpus or another.
    """
    known = functools.cache(lambda name, fold: _known(read[name], fold))
    rows = []
    for clip in clips:
        own = read[clip.corpus]
        fold, digest = own.test.get(clip.utt), own.digest.get(clip.utt, UNKNOWN)
        voices = set()
        for name in read:
            parts, audio, people = known(name, fold)
            same = clip.utt if name == clip.corpus and clip.utt in parts else audio.get(digest)
            if same:
                raise UserError(
                    f"data/{name}/folds/{settings.split.scheme}: {parts[same]} of the fold that tests {clip.utt} "
                    f"holds {'it' if same == clip.utt else f'the same audio as {same}'}; choose another split.scheme, "
                    f"or leave it out"
                )
            if own.person[clip.utt] in people:
                voices.add(name)
        rows.append({"clip": clip.clip, "utt": clip.utt, "fold": fold, "voice_trains_in": sorted(voices)})
    specs = [encoders.spec(name) for name in settings.encoders]
    knew = {spec.name: said for spec in specs if (said := heard.say(spec, _asked(settings)))}
    return {
        "scheme": settings.split.scheme, "clips": rows, "in_training_lists": 0,
        "voices_in_training_lists": sum(bool(row["voice_trains_in"]) for row in rows),
        "encoders_that_heard_the_corpora": knew,
    }  # fmt: skip


def _known(folder: Folder, fold: int | None) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Say what models that are tested by a fold know of a corpus: the part of every utterance, audio, people.

    Fold k of one corpus is paired with fold k of every other; what is in no fold (None) is tested by all of them.
    """
    lists = folder.folds if fold is None else folder.folds[fold : fold + 1]
    parts = {utt: part for own in lists for part in _KNEW for utt in own[part]}
    audio = {folder.digest[utt]: utt for utt in parts if folder.digest.get(utt, UNKNOWN) != UNKNOWN}
    return parts, audio, {folder.person[utt] for utt in parts}


def _asked(settings: experiment.Experiment) -> list[str]:
    return list(dict.fromkeys([*settings.listen.corpora, *settings.listen.segments]))


def _task(clip: Clip) -> str:
    return next(task for task, letter in _LETTER.items() if clip.clip.startswith(letter))


def _draw(*what: object) -> str:
    return hashlib.sha256(" ".join(map(str, what)).encode()).hexdigest()


def _clip(folder: Folder, utt: str) -> Clip:
    emotion, language, speaker = (folder.tables[what][utt] for what in ("emo", "lang", "spk"))
    return Clip("", utt, folder.name, language, speaker, folder.tables["sent"].get(utt, ""), emotion)


def _balanced(cell: dict[str, Clip], wanted: int, before: Sequence[Clip]) -> list[Clip]:
    """Take clips in turn from speakers, sentences and corpora; ``before`` are those of other emotions and languages."""
    chosen: list[Clip] = []
    what = ("speaker", "sentence", "corpus")
    here: Counter = Counter()
    there = Counter((name, getattr(clip, name)) for clip in before for name in what)

    def often(clip: Clip) -> list[int]:
        return [group[name, getattr(clip, name)] for name in what for group in (here, there)]

    left = dict(sorted(cell.items()))
    while len(chosen) < wanted:
        key = min(left, key=lambda key: (often(left[key]), key))
        chosen.append(left.pop(key))
        here.update((name, getattr(chosen[-1], name)) for name in what)
    return chosen


if __name__ == "__main__":
    run_main(main)
