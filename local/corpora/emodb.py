"""Berlin Database of Emotional Speech (EmoDB): ten actors, ten sentences, seven emotions, German.

Names are ``03a01Fa.wav``: speaker 03, sentence a01, emotion F (the first letter of its German name), version a.
Sources: http://emodb.bilderbar.info; Burkhardt et al., "A database of German emotional speech", Interspeech 2005.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import NOT_UNDERSTOOD, by_name

LAYOUT = "wav/03a01Fa.wav"
_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])[a-z]")
_MEN = {"03", "10", "11", "12", "15"}
_WOMEN = {"08", "09", "13", "14", "16"}
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


def _understand(path: Path, speaker: str, sentence: str, letter: str) -> Utterance | str:
    if speaker not in _MEN | _WOMEN or sentence not in _SENTENCES:
        return NOT_UNDERSTOOD
    return Utterance(
        name=path.stem, speaker=speaker, path=path, emotion=_EMOTIONS.get(letter, letter),
        gender="m" if speaker in _MEN else "f", text=_SENTENCES[sentence], sentence=sentence,
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand, "there is no audio in its folder wav", "wav")
