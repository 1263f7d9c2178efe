"""Acted Emotional Speech Dynamic Database (AESDD): Greek actors, 20 utterances in each of five emotions, no neutral.

Names are ``anger/a01 (1).wav``: emotion (its first letter), utterance 01, speaker 1; a letter behind, as in
``a06 (5)b.wav`` and ``s01 (5)a.wav``, is another take. Utterances 01 to 19 are the same for all; each actor made up
one more in each emotion, here taken to be 20. "Dynamic" means that actors are added from time to time.
Sources: https://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/; Vryzas et al., "Speech emotion
recognition for performance interaction", J. Audio Eng. Soc. 66(6), 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "anger/a01 (1).wav and the same in disgust/, fear/, happiness/, sadness/"
# The blank before the speaker is missing in some names.
_NAME = re.compile(r"([a-z])(0[1-9]|1\d|20)\s*\((\d+)\)\s*[a-z]?", re.IGNORECASE)
_EMOTIONS = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"}
_IMPROVISED = "20"


def _understand(path: Path, letter: str, number: str, speaker: str) -> Utterance | str:
    speaker, folder = str(int(speaker)), path.parent.name
    emotion = _EMOTIONS.get(letter.lower(), letter.lower())
    if folder.lower() in _EMOTIONS.values() and folder.lower() != emotion:
        return f"folder and name disagree on the emotion: {folder} and {letter}"
    improvised = number == _IMPROVISED
    return Utterance(
        name=path.stem, speaker=speaker, path=path, emotion=emotion,
        # What an actor made up for one emotion is nobody else's prompt.
        sentence=f"{number}_{letter.lower()}_{speaker}" if improvised else number,
        delivery="improvised" if improvised else "scripted",
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand)
