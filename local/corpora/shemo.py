"""Sharif Emotional Speech Database (ShEMO): 87 speakers of Persian radio plays, five emotions and neutral.

Names are ``female/F01A02.wav``: speaker F01 (F or M, number), emotion A, the speaker's utterance 02 of this emotion.
Twelve listeners gave the emotions. ``shemo.json`` has the transcripts, either as a list or by name; before it there
was one file an utterance, ``F01A02.ort``. Both may be missing. Names of audio and transcripts do not all agree: 121 of
2,838 transcripts with the name of a recording belong to another one. ``modified_shemo.json`` says which belongs to
which, as speech recognition found, and where it stands in the root, it alone gives the transcripts. By it, 163
transcripts stand under another emotion than the recording. ``options: {contested: exclude}`` leaves such utterances
out by name, ``relabel`` takes the transcript's emotion, ``keep`` the recording's.
Sources: https://github.com/pariajm/sharif-emotional-speech-dataset; https://github.com/aliyzd95/modified_shemo; Mohamad
Nezami et al., "ShEMO: a large-scale validated database for Persian speech emotion detection", Language Resources and
Evaluation 53, 2019.
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

LAYOUT = "female/F01A01.wav, male/M01A01.wav and (for transcripts) shemo.json or modified_shemo.json"
MATCH, ANNOTATION = "modified_shemo.json", "shemo.json"
_CONTESTED = ("exclude", "relabel", "keep")
_NAME = re.compile(r"([FM])(\d\d)([A-Z])\d+", re.IGNORECASE)
# The words of shemo.json.
_EMOTIONS = {"A": "angry", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad", "W": "surprised"}
# Those of modified_shemo.json.
_WORDS = {"anger": "angry", "fear": "fearful", "happiness": "happy", "sadness": "sad", "surprise": "surprised"}


class _Note(NamedTuple):
    file: str
    place: str
    text: str
    emotion: str


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold ShEMO."""
    if not any(_NAME.fullmatch(path.stem) for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, "there is no audio file named like this")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first, then the transcripts without audio."""
    contested = _contested(spec)
    notes = _match(root) or _orthography(root) | _annotations(root)
    seen = set()
    for path in audio_files(root):
        item, name = path.relative_to(root).as_posix(), path.stem.upper()
        match = _NAME.fullmatch(name)
        if not match:
            yield Excluded(item, "name not understood")
            continue
        seen.add(name)
        note = notes.get(name, _Note("", "", "", ""))
        gender, number, letter = match.groups()
        emotion = _EMOTIONS.get(letter, letter)
        if note.emotion and note.emotion != emotion:
            if contested == "exclude":
                reason = f"name and {note.file} disagree on the emotion: {letter} and {note.emotion}"
                yield Excluded(item, reason)
                continue
            emotion = note.emotion if contested == "relabel" else emotion
        yield Utterance(
            name=name, speaker=f"{gender}{number}", path=path, emotion=emotion, gender=gender.lower(),
            text=note.text,
        )  # fmt: skip
    for name, note in notes.items():
        if name not in seen:
            yield Excluded(note.place, "transcript without an audio file")


def _contested(spec: CorpusSpec) -> str:
    contested = str(spec.options.get("contested", _CONTESTED[0]))
    if contested not in _CONTESTED:
        raise UserError(f"corpus '{spec.name}': options.contested is '{contested}'; expected {', '.join(_CONTESTED)}")
    return contested


def _match(root: Path) -> dict[str, _Note]:
    """Read which transcript belongs to which recording, by the recording's name."""
    content = read_json(root / MATCH) if (root / MATCH).is_file() else {}
    try:
        return {entry["speech_name"].upper(): _note(MATCH, entry["text_name"], entry) for entry in content.values()}
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{root / MATCH}: expected speech_name, text_name, emotion and transcript of every utterance; "
            f"download it again"
        ) from error


def _annotations(root: Path) -> dict[str, _Note]:
    path = root / ANNOTATION
    if not path.is_file():
        return {}
    content = read_json(path)
    try:
        entries = content.items() if isinstance(content, dict) else [(entry["id"], entry) for entry in content]
        return {name.upper(): _note(ANNOTATION, name, entry) for name, entry in entries}
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected id, emotion and transcript of every utterance; download it again") from error


def _note(file: str, name: str, entry: dict[str, str]) -> _Note:
    return _Note(file, f"{file} {name}", _clean(entry["transcript"]), _WORDS.get(entry["emotion"], entry["emotion"]))


def _orthography(root: Path) -> dict[str, _Note]:
    return {
        path.stem.upper(): _Note("", path.relative_to(root).as_posix(), _clean(read_text(path)), "")
        for path in sorted(root.rglob("*.ort"))
    }


def _clean(text: str) -> str:
    # Some transcripts begin with a byte order mark, within the JSON too.
    return text.replace("\ufeff", "").strip()
