"""PAVOQUE: one German actor in four expressive styles (angry, happy, sad, poker) and, the larger half, neutral.

Each style is one long recording, ``pavoque-happy.flac``, whose utterances ``pavoque-happy.yaml`` lists, with prompt,
text, style, start and end. An utterance is called ``m0001-happy``: prompt and style, as its makers name the files they
cut. The prompts m0001-m0400 are the same in the expressive styles; others recur word for word under several
names ("Wieso?" is spike0036 and poppy0043), so an utterance's sentence is the first prompt with its text.
``pavoque-outtakes.yaml`` lists takes that were not used, of all styles; they are excluded as such.
The poker style (cool, laid-back) is none of the harmonised emotions: ``conf/emotions.yaml`` does not have its word, so
it is excluded by name. A recipe that takes it for calm, say, has ``labels: {pavoque: {poker: calm}}`` in its own.
Sources: https://github.com/marytts/pavoque-data; Steiner, Schröder & Klepp, "The PAVOQUE corpus as a resource for
analysis and synthesis of expressive speech", Phonetik & Phonologie 9, 2013.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root
from utils.errors import UserError
from utils.table import read_text

OUTTAKES = "pavoque-outtakes"
LAYOUT = "pavoque-happy.yaml and pavoque-happy.flac, and the same for angry, neutral, sad (and poker)"
_SPEAKER = "stefan"
_FIELDS = ("prompt", "style", "start", "end")
# Phones are nine tenths of an annotation file, and nothing here needs them: what stands below `segments:`, up to
# the next line that is indented as little.
_PHONES = re.compile(r"^( *)segments:[ \r]*\n(?:\1(?: |- ).*\n?)*", re.MULTILINE)


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold PAVOQUE."""
    if not _annotations(root):
        raise wrong_root(root, LAYOUT, "there is no pavoque-<style>.yaml")
    if not any(path.stem.casefold().startswith("pavoque-") for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, "there is no pavoque-<style>.flac; the audio is a download of its own")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of every annotated recording, then the audio files that no annotation belongs to."""
    audio, annotations = audio_files(root), _annotations(root)
    recordings: dict[str, Path] = {}
    for path in audio:
        recordings.setdefault(path.stem.casefold(), path)
    first: dict[str, str] = {}  # text to the first prompt with it
    annotated = set()
    for path in annotations:
        item, recording = path.relative_to(root).as_posix(), recordings.get(path.stem.casefold())
        if path.stem.casefold() == OUTTAKES:
            annotated.add(recording)
            yield from (Excluded(f"{item} entry {number}", _outtake(entry)) for number, entry in _numbered(path))
            continue
        if recording is None:
            yield Excluded(item, f"annotation without audio: there is no {path.stem}.flac")
            continue
        annotated.add(recording)
        for number, entry in _numbered(path):
            found = _utterance(entry, recording, first)
            yield Excluded(f"{item} entry {number}", found) if isinstance(found, str) else found
    for path in audio:
        if path not in annotated:
            yield Excluded(path.relative_to(root).as_posix(), "audio without an annotation of its own")


def _annotations(root: Path) -> list[Path]:
    return sorted(root.rglob("pavoque-*.yaml"), key=lambda path: (len(path.parts), path.as_posix()))


def _numbered(path: Path) -> Iterator[tuple[int, Any]]:
    import yaml

    # BaseLoader leaves values as they are written: no prompt "0012" becomes 10, and no text "Nein" a truth value.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        entries = yaml.load(_PHONES.sub("", read_text(path)), loader)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise UserError(f"{path}: expected a list of utterances, each with {', '.join(_FIELDS)}")
    return enumerate(entries, 1)


def _outtake(entry: Any) -> str:
    """Say that an entry is an outtake, and which: of those, some have no prompt and none has times."""
    named = entry if isinstance(entry, dict) else {}
    which = named.get("prompt") or Path(str(named.get("file") or "")).stem
    return f"outtake: {which}" if which else "outtake"


def _utterance(entry: Any, recording: Path, first: dict[str, str]) -> Utterance | str:
    """Turn an entry into an utterance, or say why it cannot be."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) and entry[key] for key in _FIELDS):
        return f"entry without {', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}"
    prompt, style, start, end = (entry[key] for key in _FIELDS)
    if style.casefold() != recording.stem.casefold().removeprefix("pavoque-"):
        return f"style differs from the recording's: {prompt} in {style}"
    try:
        times = float(start), float(end)
    except ValueError:
        times = math.nan, math.nan
    # That the end is in the recording is found out where durations are known.
    if not 0 <= times[0] < times[1] < math.inf:
        return f"times not understood: {prompt} from {start} to {end}"
    text = " ".join(str(entry.get("text") or "").split())
    return Utterance(
        name=f"{prompt}-{style}", speaker=_SPEAKER, path=recording, emotion=style, gender="m", text=text,
        sentence=first.setdefault(text, prompt) if text else prompt, start=times[0], end=times[1],
    )  # fmt: skip
