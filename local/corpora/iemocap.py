"""IEMOCAP: ten American actors in five sessions of two, scripted and improvised dialogues, English.

Names are ``Ses01F_script01_2_M008``: session 1, the woman wears the motion-capture markers, script 1 part 2, said by
the man. Who speaks is thus the session with the last letter, Ses01M; dialogues are ``script...`` or ``impro...``.
Labels are what most of at least three listeners chose, in ``dialog/EmoEvaluation``. Utterances without a majority
(``xxx``), and those that most called "other" (``oth``), are excluded by name. Excited (``exc``) stays apart from happy;
the variant ``exc_as_happy`` of ``conf/emotions.yaml`` merges them. All sessions play the same scripts, but turns are
numbered as they were cut, so that no number means one line of the script: utterances have a text and no sentence.
Sources: https://sail.usc.edu/iemocap/; Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture database",
Language Resources and Evaluation 42, 2008.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root
from utils.table import read_text

LAYOUT = (
    "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav and "
    "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt, or the same in IEMOCAP_full_release/"
)
_NAME = re.compile(r"(Ses0([1-5]))[FM]_(impro|script)\w+_([FM])\d+")
_LABEL = re.compile(r"\[[\d.]+ *- *[\d.]+\]\s+(\w+)\s+(\w+)\s+\[.*\]")
_TURN = re.compile(r"(\w+)\s+\[[^\]]*\]:(.*)")
_DELIVERIES = {"impro": "improvised", "script": "scripted"}
_EMOTIONS = {
    "ang": "anger", "hap": "happiness", "sad": "sadness", "neu": "neutral", "exc": "excited",
    "fru": "frustration", "sur": "surprise", "fea": "fear", "dis": "disgust",
}  # fmt: skip
_NO_EMOTION = {"xxx": "no majority label", "oth": "majority label is none of the emotions"}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold IEMOCAP."""
    sessions = _sessions(root)
    if not any((session / "sentences/wav").is_dir() for session in sessions):
        raise wrong_root(root, LAYOUT, "there is no folder Session*/sentences/wav")
    if not any((session / "dialog/EmoEvaluation").is_dir() for session in sessions):
        raise wrong_root(root, LAYOUT, "there is no folder Session*/dialog/EmoEvaluation")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of session after session, then those that are labelled and have no audio."""
    for session in _sessions(root):
        labels: dict[str, str] = {}
        lines: dict[str, str] = {}  # name to where it is labelled
        for path in sorted((session / "dialog/EmoEvaluation").glob("Ses*.txt")):
            # Other lines are the single listeners' judgements.
            for number, line in _lines(path, "["):
                item = f"{path.relative_to(root).as_posix()}:{number}"
                match = _LABEL.fullmatch(line)
                if not match:
                    yield Excluded(item, "line not understood")
                elif labels.setdefault(match[1], match[2]) != match[2]:
                    yield Excluded(item, f"labelled differently before: {match[1]}, {labels[match[1]]} and {match[2]}")
                else:
                    lines.setdefault(match[1], item)
        texts = {}
        for path in sorted((session / "dialog/transcriptions").glob("Ses*.txt")):
            turns = [_TURN.fullmatch(line) for _, line in _lines(path, "Ses")]
            texts |= {turn[1]: turn[2].strip() for turn in turns if turn}
        for path in audio_files(session / "sentences/wav"):
            lines.pop(path.stem, None)
            found = _utterance(path, session, labels, texts)
            yield Excluded(path.relative_to(root).as_posix(), found) if isinstance(found, str) else found
        for name, item in lines.items():
            yield Excluded(item, f"label without audio: {name}")


def _sessions(root: Path) -> list[Path]:
    found = [*root.glob("Session[1-5]"), *root.glob("*/Session[1-5]")]
    return sorted(path for path in found if path.is_dir())


def _lines(path: Path, start: str) -> list[tuple[int, str]]:
    lines = enumerate(read_text(path).removeprefix("\ufeff").split("\n"), 1)
    return [(number, line.strip()) for number, line in lines if line.startswith(start)]


def _utterance(path: Path, session: Path, labels: dict[str, str], texts: dict[str, str]) -> Utterance | str:
    """Turn a file into an utterance, or say why it cannot be."""
    match = _NAME.fullmatch(path.stem)
    if not match:
        return "name not understood"
    name, number, delivery, letter = match[1], match[2], match[3], match[4]
    if session.name != f"Session{number}":
        return f"folder and name disagree on the session: {session.name} and {name}"
    label = labels.get(path.stem)
    if label is None or label in _NO_EMOTION:
        return f"{_NO_EMOTION[label]}: {label}" if label else "not in dialog/EmoEvaluation"
    return Utterance(
        name=path.stem, speaker=f"{name}{letter}", path=path, emotion=_EMOTIONS.get(label, label),
        gender=letter.lower(), text=texts.get(path.stem, ""), session=name, delivery=_DELIVERIES[delivery],
    )  # fmt: skip
