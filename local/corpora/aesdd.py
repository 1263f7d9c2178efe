"""Acted Emotional Speech Dynamic Database (AESDD): Greek actors, 20 utterances in each of five emotions, no neutral.

Names are ``anger/a01 (1).wav``: emotion (its first letter), utterance 01, speaker 1; a letter behind, as in
``s05 (3)b.wav``, is another take. Utterances 01 to 19 are the same for all; each actor made up one more in each
emotion, here taken to be 20. "Dynamic" means that actors are added from time to time.
Sources: https://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/; Vryzas et al., "Speech emotion
recognition for performance interaction", J. Audio Eng. Soc. 66(6), 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "anger/a01 (1).wav and the same in disgust/, fear/, happiness/, sadness/"
# The blank before the speaker is missing in some names.
_NAME = re.compile(r"([a-z])(\d\d)\s*\((\d+)\)\s*[a-z]?", re.IGNORECASE)
_EMOTIONS = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"}
_IMPROVISED = "20"


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold AESDD."""
    if not any(_NAME.fullmatch(path.stem) for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, "there is no audio file named like this")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first."""
    for path in audio_files(root):
        item = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.stem)
        if not match or not 1 <= int(match[2]) <= 20:
            yield Excluded(item, "name not understood")
            continue
        letter, number, speaker = match[1].lower(), match[2], str(int(match[3]))
        emotion, folder = _EMOTIONS.get(letter, letter), path.parent.name
        if folder.lower() in _EMOTIONS.values() and folder.lower() != emotion:
            yield Excluded(item, f"folder and name disagree on the emotion: {folder} and {match[1]}")
            continue
        improvised = number == _IMPROVISED
        yield Utterance(
            name=path.stem, speaker=speaker, path=path, emotion=emotion,
            # What an actor made up for one emotion is nobody else's prompt.
            sentence=f"{number}_{letter}_{speaker}" if improvised else number,
            delivery="improvised" if improvised else "scripted",
        )  # fmt: skip
