"""Toronto emotional speech set (TESS): two actresses, 200 words, seven emotions, Canadian English.

Names are ``OAF_back_angry.wav``: speaker (OAF is 64 years old, YAF 26), word, emotion (``ps`` is pleasant surprise);
all say "Say the word back." One name in every copy lacks a letter, ``OA_bite_neutral.wav``. The files stand in one
folder, or in one a speaker and emotion (``OAF_Fear``, ``YAF_pleasant_surprised``). The copy on Kaggle holds them all
twice, one set in a folder of the other; the more nested set is excluded by name.
Sources: https://doi.org/10.5683/SP2/E8H2MF; Dupuis & Pichora-Fuller, "Recognition of emotional speech for younger and
older talkers: Behavioural findings from the Toronto emotional speech set", Canadian Acoustics 39(3), 2011.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "OAF_back_angry.wav, or OAF_angry/OAF_back_angry.wav"
_NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)", re.IGNORECASE)
_FOLDER = re.compile(r"(OAF|YAF)_([a-z]+)(?:_surprised?)?", re.IGNORECASE)
_SPEAKERS = {"oa": "OAF", "oaf": "OAF", "yaf": "YAF"}
_EMOTIONS = {"ps": "pleasant surprise", "pleasant": "pleasant surprise"}  # the others are words already


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold TESS."""
    if not any(_NAME.fullmatch(path.stem) for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, "there are no files OAF_*.wav or YAF_*.wav")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first."""
    for path in audio_files(root):
        item = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.stem)
        if not match:
            yield Excluded(item, "name not understood")
            continue
        speaker, emotion = _label(match[1], match[3])
        folder = _FOLDER.fullmatch(path.parent.name)
        if folder and _label(folder[1], folder[2]) != (speaker, emotion):
            yield Excluded(item, f"folder and name disagree: {path.parent.name}")
            continue
        word = match[2].lower()
        yield Utterance(
            name=path.stem, speaker=speaker, path=path, emotion=emotion, gender="f", text=f"Say the word {word}.",
            sentence=word,
        )  # fmt: skip


def _label(speaker: str, emotion: str) -> tuple[str, str]:
    return _SPEAKERS[speaker.lower()], _EMOTIONS.get(emotion.lower(), emotion.lower())
