"""Emotional Speech Database (ESD): 350 sentences in 5 emotions by each of 10 Mandarin and 10 English speakers.

Names are ``0003_001041.wav``: speaker 0003 (0001 to 0010 speak Mandarin, 0011 to 0020 English), utterance 1041 of
1750. Utterances come in blocks of 350 (neutral, angry, happy, sad, surprise), and the place in the block is the
sentence, the same for all emotions and all speakers of a language: 1041 is sentence 341, happy. The speaker's folder
holds ``Happy/0003_001041.wav``, in the first release ``Happy/train/0003_001041.wav``, and the transcript
``0003.txt``, a line ``name<TAB>text<TAB>emotion`` an utterance, with the emotion in Chinese or English. In the first
release transcripts are in GB 2312, UTF-16 or UTF-8, and some lines have blanks for tabs or lack a column. Folder,
number and transcript must agree on the emotion; a transcript that says nothing costs the text only.
``options: {half: mandarin}`` or ``{half: english}`` says which of the two halves an entry means.
Sources: https://github.com/HLTSingapore/Emotional-Speech-Data (encodings: its issue 1); Zhou et al., "Emotional voice
conversion: Theory, databases and ESD", Speech Communication 137, 2022.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, decode, wrong_root
from utils.errors import UserError

LAYOUT = "0001/0001.txt and 0001/Angry/0001_000351.wav or 0001/Angry/train/0001_000351.wav, up to two folders below"
_NAME = re.compile(r"(\d{4})_(\d{6})")
_ROW = re.compile(r"(\d{4}_\d{6})\s+(.*)")
_HALVES = {"mandarin": range(1, 11), "english": range(11, 21)}
_WOMEN = {1, 2, 3, 7, 9, 15, 16, 17, 18, 19}
_BLOCKS = ("neutral", "angry", "happy", "sad", "surprise")
_BLOCK = 350
_PARTS = {"", "train", "evaluation", "test"}
_WORDS = {word: word for word in _BLOCKS} | {
    "中立": "neutral", "生气": "angry", "快乐": "happy", "伤心": "sad", "惊喜": "surprise",
}  # fmt: skip


class _Row(NamedTuple):
    line: int
    text: str
    word: str  # for the emotion; empty where there is none


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold the entry's half of ESD."""
    half = _half(spec)
    if not any(int(folder.name) in half for folder in _folders(root)):
        raise wrong_root(root, LAYOUT, f"there is no folder of a speaker {half[0]:04d} to {half[-1]:04d}")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of one half; files of the other half's speakers are no part of this corpus."""
    half = _half(spec)
    files: dict[Path, list[Path]] = {folder: [] for folder in _folders(root)}
    for path in audio_files(root):
        folder = next((parent for parent in path.parents if parent in files), None)
        if folder:
            files[folder].append(path)
        else:
            yield Excluded(path.relative_to(root).as_posix(), "not in the folder of a speaker")
    for folder, paths in files.items():
        if int(folder.name) in half:
            yield from _speaker(root, folder, paths)


def _half(spec: CorpusSpec) -> range:
    half = str(spec.options.get("half"))
    if half not in _HALVES:
        raise UserError(f"corpus '{spec.name}': options.half is '{half}'; expected {' or '.join(_HALVES)}")
    return _HALVES[half]


def _folders(root: Path) -> list[Path]:
    found = (path for below in ("", "*/", "*/*/") for path in sorted(root.glob(f"{below}00[0-2][0-9]")))
    return [path for path in found if path.is_dir() and 1 <= int(path.name) <= 20]


def _speaker(root: Path, folder: Path, paths: list[Path]) -> Iterator[Utterance | Excluded]:
    path = folder / f"{folder.name}.txt"
    item = path.relative_to(root).as_posix()
    content = decode(path.read_bytes()) if path.is_file() else ""
    rows, problems = _rows(item, content or "")
    found = [_utterance(root, folder, audio, rows.get(audio.stem)) for audio in paths]
    utterances = [one for one in found if isinstance(one, Utterance)]
    without = [one.name for one in utterances if not one.text]
    if without:
        why = "encoding unknown" if content is None else f"first {without[0]}" if path.is_file() else "no such file"
        problems.append(Excluded(item, f"utterances without text: {len(without)} of {len(utterances)}, {why}"))
    stems = {audio.stem for audio in paths}
    missing = [name for name in rows if name not in stems]
    problems += [Excluded(f"{item}:{rows[name].line}", f"no audio file: {name}") for name in missing]
    yield from found
    yield from problems


def _rows(item: str, content: str) -> tuple[dict[str, _Row], list[Excluded]]:
    rows: dict[str, _Row] = {}
    problems = []
    for number, line in enumerate(re.split(r"\r\n?|\n", content), 1):
        match = _ROW.fullmatch(line.strip())
        if match and match[1] not in rows:
            rows[match[1]] = _Row(number, *_text_and_word(match[2]))
        elif line.strip():
            reason = f"row repeated: {match[1]}" if match else "row not understood"
            problems.append(Excluded(f"{item}:{number}", reason))
    return rows, problems


def _text_and_word(rest: str) -> tuple[str, str]:
    text, tab, word = rest.rpartition("\t")
    if tab:
        return text.strip(), word.strip()
    # Without a tab the last word is the emotion if it can be one, and otherwise text.
    *before, word = rest.rsplit(None, 1)
    return ("".join(before), word) if word.casefold() in _WORDS else (rest, "")


def _utterance(root: Path, folder: Path, path: Path, row: _Row | None) -> Utterance | Excluded:
    match = _NAME.fullmatch(path.stem)
    block, place = divmod(int(match[2]) - 1, _BLOCK) if match else (-1, 0)
    label, _, part = path.relative_to(folder).parent.as_posix().casefold().partition("/")
    word = row.word if row else ""
    reason = ""
    if not 0 <= block < len(_BLOCKS):
        reason = "name not understood"
    elif match[1] != folder.name:
        reason = f"folder and name disagree on the speaker: {folder.name} and {match[1]}"
    elif label not in _BLOCKS or part not in _PARTS:
        reason = "not in the folder of an emotion"
    elif label != _BLOCKS[block]:
        reason = f"folder and number disagree on the emotion: {label} and {_BLOCKS[block]}"
    elif word and word.casefold() not in _WORDS:
        reason = f"emotion in the transcript not understood: {word}"
    elif word and _WORDS[word.casefold()] != label:
        reason = f"folder and transcript disagree on the emotion: {label} and {word}"
    if reason:
        return Excluded(path.relative_to(root).as_posix(), reason)
    return Utterance(
        name=path.stem, speaker=folder.name, path=path, emotion=label, text=row.text if row else "",
        gender="f" if int(folder.name) in _WOMEN else "m", sentence=f"{place + 1:03d}",
    )  # fmt: skip
