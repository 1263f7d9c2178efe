"""Sharif Emotional Speech Database (ShEMO): 87 speakers of Persian radio plays, five emotions and neutral.

Names are ``female/F01A02.wav``: speaker F01 (F or M, number), emotion A, the speaker's utterance 02 of this emotion.
Twelve listeners gave the emotions. ``shemo.json`` has the transcripts, either as a list or by name; before it there
was one file an utterance, ``F01A02.ort``. Both may be missing. The names of audio and transcripts do not all agree.
Sources: https://github.com/pariajm/sharif-emotional-speech-dataset; Mohamad Nezami et al., "ShEMO: a large-scale
validated database for Persian speech emotion detection", Language Resources and Evaluation 53, 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root
from utils.errors import UserError
from utils.table import read_json, read_text

LAYOUT = "female/F01A01.wav, male/M01A01.wav and (for transcripts) shemo.json"
_NAME = re.compile(r"([FM])(\d\d)([A-Z])\d+", re.IGNORECASE)
# The words of shemo.json.
_EMOTIONS = {"A": "angry", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad", "W": "surprised"}


class _Note(NamedTuple):
    place: str
    text: str
    emotion: str


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold ShEMO."""
    if not any(_NAME.fullmatch(path.stem) for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, "there is no audio file named like this")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first, then the transcripts without audio."""
    notes = _orthography(root) | _annotations(root)
    seen = set()
    for path in audio_files(root):
        item, name = path.relative_to(root).as_posix(), path.stem.upper()
        match = _NAME.fullmatch(name)
        if not match:
            yield Excluded(item, "name not understood")
            continue
        seen.add(name)
        note = notes.get(name, _Note("", "", ""))
        gender, number, letter = match.groups()
        emotion = _EMOTIONS.get(letter, letter)
        if note.emotion and note.emotion != emotion:
            yield Excluded(item, f"name and shemo.json disagree on the emotion: {letter} and {note.emotion}")
            continue
        yield Utterance(
            name=name, speaker=f"{gender}{number}", path=path, emotion=emotion, gender=gender.lower(),
            text=note.text,
        )  # fmt: skip
    for name, note in notes.items():
        if name not in seen:
            yield Excluded(note.place, "transcript without an audio file")


def _annotations(root: Path) -> dict[str, _Note]:
    path = root / "shemo.json"
    if not path.is_file():
        return {}
    content = read_json(path)
    try:
        entries = content.items() if isinstance(content, dict) else [(entry["id"], entry) for entry in content]
        return {
            name.upper(): _Note(f"shemo.json {name}", _clean(entry["transcript"]), entry["emotion"])
            for name, entry in entries
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected id, emotion and transcript of every utterance; download it again") from error


def _orthography(root: Path) -> dict[str, _Note]:
    return {
        path.stem.upper(): _Note(path.relative_to(root).as_posix(), _clean(read_text(path)), "")
        for path in sorted(root.rglob("*.ort"))
    }


def _clean(text: str) -> str:
    # Some transcripts begin with a byte order mark, within the JSON too.
    return text.replace("\ufeff", "").strip()
