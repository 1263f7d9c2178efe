"""URDU: spontaneous Urdu from television talk shows, four emotions, 400 utterances.

Names are ``Angry/SM1_F10_A010.wav``: speaker SM1 (S, gender, number), file 10 of the speaker, emotion A, file 010 of
the emotion. Its makers count 38 speakers; the names hold 29.
Sources: https://github.com/siddiquelatif/URDU-Dataset; Latif et al., "Cross lingual speech emotion recognition: Urdu
vs. Western languages", FIT 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "Angry/SM1_F10_A010.wav and the same in Happy/, Neutral/, Sad/"
_NAME = re.compile(r"(S([FM])\d+)_F\d+_([A-Z])\d+")


def _understand(path: Path, speaker: str, gender: str, letter: str) -> Utterance | str:
    folder = path.parent.name
    if letter != folder[0]:
        return f"folder and name disagree on the emotion: {folder} and {letter}"
    return Utterance(name=path.stem, speaker=speaker, path=path, emotion=folder.lower(), gender=gender.lower())


check, scan = by_name(LAYOUT, _NAME, _understand)
