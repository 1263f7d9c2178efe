"""BanglaSER: 34 non-professional actors, 3 sentences, 5 emotions, 3 takes, Bangla, recorded with phones and laptops.

Names are ``03-01-03-02-01-01-12.wav``: audio only (03), scripted (01), emotion (03, angry), intensity (02, strong),
sentence, repetition, actor (odd male, even female). They look like those of RAVDESS, but the emotions have other
numbers, and there are three sentences and repetitions; a folder that holds RAVDESS is refused. Seven actors have no
neutral speech. Where the folders of the actors stand, and what they are called, does not matter.
Sources: https://data.mendeley.com/datasets/t9h6p943xy/5; Das et al., "BanglaSER: A speech emotion recognition dataset
for the Bangla language", Data in Brief 42, 2022.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, by_name, wrong_root

LAYOUT = "BanglaSER/Actor 1/03-01-01-01-01-01-01.wav, or the same under other folders"
_NAME = re.compile(r"03-01-(\d\d)-0[12]-(0[1-3])-0[1-3]-(0[1-9]|[12]\d|3[0-4])")
_EMOTIONS = {"01": "happy", "02": "sad", "03": "angry", "04": "surprise", "05": "neutral"}
_RAVDESS_ONLY = {"06", "07", "08"}
_SENTENCES = {"01": "১২টা বেজে গেছে", "02": "আমি জানতাম এমন কিছু হবে", "03": "এ কেমন উপহার"}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold BanglaSER."""
    _check(root, spec)
    if {path.stem[6:8] for path in audio_files(root) if _NAME.fullmatch(path.stem)} >= _RAVDESS_ONLY:
        raise wrong_root(root, LAYOUT, "the emotions 06, 07 and 08 are those of RAVDESS")


def _understand(path: Path, emotion: str, sentence: str, actor: str) -> Utterance:
    return Utterance(
        name=path.stem, speaker=actor, path=path, emotion=_EMOTIONS.get(emotion, emotion),
        gender="m" if int(actor) % 2 else "f", text=_SENTENCES[sentence], sentence=sentence,
    )  # fmt: skip


_check, scan = by_name(LAYOUT, _NAME, _understand)
