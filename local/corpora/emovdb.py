"""Emotional Voices Database (EmoV-DB), English: four speakers, neutral and four styles, sentences of CMU ARCTIC.

Names are ``anger_1-28_0011.wav``: style, range of its annotation file, sentence; they are the same for all speakers, so
the folder tells who speaks. It is ``bea_Angry``, as OpenSLR's archives are called (unpack each into a folder of its
name: they hold files only), or ``bea/Angry`` in the sorted version. Folder and name must agree on the style. Josh has
no anger and no disgust. Amusement was recorded in place of joy: the variant ``amused_as_happy`` takes it for that.
Sources: https://github.com/numediart/EmoV-DB; https://openslr.org/115; Adigwe et al., "The emotional voices database:
Towards controlling the emotion dimension in voice generation systems", arXiv 1806.09514, 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "bea_Angry/anger_1-28_0011.wav, or the same in bea/Angry/, and so on for jenie, josh and sam"
_NAME = re.compile(r"([a-z]+)_\d+-\d+_(\d{4})", re.IGNORECASE)
_FOLDER = re.compile(r"(bea|jenie|josh|sam)(?:_([a-z]+))?", re.IGNORECASE)
_GENDERS = {"bea": "f", "jenie": "f", "josh": "m", "sam": "m"}
# What the folders call the styles, in the words of the names.
_STYLES = {"amused": "amused", "angry": "anger", "disgusted": "disgust", "neutral": "neutral", "sleepy": "sleepiness"}


def _understand(path: Path, style: str, sentence: str) -> Utterance | str:
    style = style.lower()
    folder = next(filter(None, (_FOLDER.fullmatch(parent.name) for parent in path.parents)), None)
    if folder is None:
        return "not in the folder of a speaker"
    said = folder[2] or path.parent.name
    if _STYLES.get(said.lower(), style) != style:
        return f"folder and name disagree on the style: {said} and {style}"
    speaker = folder[1].lower()
    return Utterance(
        name=path.stem, speaker=speaker, path=path, emotion=style, gender=_GENDERS[speaker], sentence=sentence
    )


check, scan = by_name(LAYOUT, _NAME, _understand)
