"""Toronto emotional speech set (TESS): two actresses, 200 words, seven emotions, Canadian English.

Names are ``OAF_back_angry.wav``: speaker (OAF is 64 years old, YAF 26), word, emotion (``ps`` is pleasant surprise);
all say "Say the word back." One name lacks a letter in older copies, ``OA_bite_neutral.wav``; in current ones it is
``OAF_bite_neutral.wav``. The files stand in one folder, or in one a speaker and emotion (``OAF_Fear``,
``YAF_pleasant_surprised``). The copy on Kaggle holds them all twice, one set in a folder of the other; the more nested
set is excluded by name.
Sources: https://doi.org/10.5683/SP2/E8H2MF; Dupuis & Pichora-Fuller, "Recognition of emotional speech for younger and
older talkers: Behavioural findings from the Toronto emotional speech set", Canadian Acoustics 39(3), 2011.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "OAF_back_angry.wav, or OAF_angry/OAF_back_angry.wav"
_NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)", re.IGNORECASE)
_FOLDER = re.compile(r"(OAF|YAF)_([a-z]+)(?:_surprised?)?", re.IGNORECASE)
_SPEAKERS = {"oa": "OAF", "oaf": "OAF", "yaf": "YAF"}
_EMOTIONS = {"ps": "pleasant surprise", "pleasant": "pleasant surprise"}  # the others are words already


def _understand(path: Path, speaker: str, word: str, emotion: str) -> Utterance | str:
    label, word = _label(speaker, emotion), word.lower()
    folder = _FOLDER.fullmatch(path.parent.name)
    if folder and _label(*folder.groups()) != label:
        return f"folder and name disagree: {path.parent.name}"
    return Utterance(
        name=path.stem, speaker=label[0], path=path, emotion=label[1], gender="f", text=f"Say the word {word}.",
        sentence=word,
    )  # fmt: skip


def _label(speaker: str, emotion: str) -> tuple[str, str]:
    return _SPEAKERS[speaker.lower()], _EMOTIONS.get(emotion.lower(), emotion.lower())


check, scan = by_name(LAYOUT, _NAME, _understand)
