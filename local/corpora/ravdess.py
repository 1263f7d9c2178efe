"""Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), its speech: 24 actors, 2 sentences, English.

Names are ``03-01-05-02-01-01-12.wav``: audio only (03), speech (01), emotion, intensity, sentence, repetition, actor
(odd male, even female). The folders ``Actor_01`` ... may stand in the root, in a folder of it
(``Audio_Speech_Actors_01-24``), or deeper; copies that hold them twice are common, and the second set is excluded by
name.
Sources: https://zenodo.org/records/1188976; Livingstone & Russo, PLoS ONE 13(5), 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "Actor_01/03-01-01-01-01-01-01.wav, or the same in Audio_Speech_Actors_01-24/, however deep"
_NAME = re.compile(r"(\d\d-\d\d)-(\d\d)-0[12]-(0[12])-0[12]-(0[1-9]|1\d|2[0-4])")
_EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fearful", "07": "disgust", "08": "surprised",
}  # fmt: skip
_SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def _understand(path: Path, kind: str, emotion: str, sentence: str, actor: str) -> Utterance | str:
    if kind != "03-01":
        return "song or soundtrack of a video, not the speech recordings"
    return Utterance(
        name=path.stem, speaker=actor, path=path, emotion=_EMOTIONS.get(emotion, emotion),
        gender="m" if int(actor) % 2 else "f", text=_SENTENCES[sentence], sentence=sentence,
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand)
