"""Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), its speech: 24 actors, 2 sentences, English.

Names are ``03-01-05-02-01-01-12.wav``: audio only (03), speech (01), emotion, intensity, sentence, repetition, actor
(odd male, even female). The folders ``Actor_01`` ... may stand in the root or in a folder of it; copies that hold
them twice are common, and the second set is excluded by name.
Sources: https://zenodo.org/records/1188976; Livingstone & Russo, PLoS ONE 13(5), 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "Actor_01/03-01-01-01-01-01-01.wav, or the same in audio_speech_actors_01-24/"
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(0[12])-(0[12])-(0[12])-(\d\d)")
_EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fearful", "07": "disgust", "08": "surprised",
}  # fmt: skip
_SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold RAVDESS."""
    if not any(root.glob("Actor_*/")) and not any(root.glob("*/Actor_*/")):
        raise wrong_root(root, LAYOUT, "there is no folder Actor_*")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first."""
    for path in audio_files(root):
        item = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.stem)
        if not match or not 1 <= int(match[7]) <= 24:
            yield Excluded(item, "name not understood")
        elif match[1] != "03" or match[2] != "01":
            yield Excluded(item, "song or soundtrack of a video, not the speech recordings")
        else:
            yield Utterance(
                name=path.stem, speaker=match[7], path=path, emotion=_EMOTIONS.get(match[3], match[3]),
                gender="m" if int(match[7]) % 2 else "f", text=_SENTENCES[match[5]], sentence=match[5],
            )  # fmt: skip
