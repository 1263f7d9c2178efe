"""Surrey Audio-Visual Expressed Emotion (SAVEE), its audio: four Englishmen, seven acted emotions.

Names are ``AudioData/DC/sa03.wav``: speaker DC, emotion sa (sadness), its third sentence; copies that hold all files in
one folder (``ALL``) call it ``DC_sa03.wav``. An emotion has 15 sentences, neutral 30. Three sentences are common to all
emotions and twelve more are neutral as well, but the numbers do not say which: no utterance's sentence is named here,
as one under seven names would be worse than none.
Sources: http://kahlan.eps.surrey.ac.uk/savee; Haq & Jackson, "Speaker-dependent audio-visual emotion recognition",
AVSP 2009.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import NOT_UNDERSTOOD, by_name

LAYOUT = "AudioData/DC/a01.wav, or ALL/DC_a01.wav, or either without the first folder"
_NAME = re.compile(r"(?:([A-Z]{2})_)?([a-z]{1,2})(\d\d)", re.IGNORECASE)
_SPEAKERS = ("DC", "JE", "JK", "KL")
_EMOTIONS = {
    "a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness", "su": "surprise",
}  # fmt: skip


def _understand(path: Path, speaker: str | None, code: str, number: str) -> Utterance | str:
    speaker, code = (speaker or path.parent.name).upper(), code.lower()
    if speaker not in _SPEAKERS or not 1 <= int(number) <= (30 if code == "n" else 15):
        return NOT_UNDERSTOOD
    return Utterance(
        name=f"{speaker}_{code}{number}", speaker=speaker, path=path, emotion=_EMOTIONS.get(code, code), gender="m"
    )


check, scan = by_name(LAYOUT, _NAME, _understand, f"there is no audio of the speakers {', '.join(_SPEAKERS)}")
