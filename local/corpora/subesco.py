"""SUST Bangla Emotional Speech Corpus (SUBESCO): 20 actors, 10 sentences, 7 emotions, 5 takes, Bangla.

Names are ``F_01_OISHI_S_10_ANGRY_3.wav``: gender, number and name of the speaker, sentence, emotion, take. Women and
men are numbered separately, so that a speaker is ``F_01``. The official archive holds one folder, ``SUBESCO``; one of
its files has a stray bracket, ``F_02_MONIKA_S_2_SURPRISE_3].wav``, and is read as if it had none.
Sources: https://zenodo.org/records/4526477; Sultana et al., "SUST Bangla Emotional Speech Corpus (SUBESCO): An
audio-only emotional speech corpus for Bangla", PLoS ONE 16(4), 2021.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name

LAYOUT = "F_01_OISHI_S_1_ANGRY_1.wav, or the same in SUBESCO/"
_NAME = re.compile(r"(([FM])_(?:0[1-9]|10))_[A-Z]+_S_([1-9]|10)_([A-Z]+)_[1-5]\]?", re.IGNORECASE)
_SENTENCES = {
    "1": "মৌমাছির চাক দেখে কুকুরটি ঘেউঘেউ করছে",
    "2": "তুমি সব উলটপালট করে দিয়েছ",
    "3": "সে কোনকিছু না বলেই চলে গেছে",
    "4": "তোমাকে এখনই আমার সাথে যেতে হবে",
    "5": "তোমার কাজটা করা ঠিক হয়নি",
    "6": "ইঁদুর ছানাটা হারিয়ে গেল",
    "7": "এখন প্রশ্ন করা যাবে না",
    "8": "দরজার বাইরে কুকুরটি দাঁড়িয়ে আছে",
    "9": "একদিন পরেই তার বিয়ে",
    "10": "ডাকাতেরা ঢাল তলোয়ার নিয়ে এল",
}


def _understand(path: Path, speaker: str, gender: str, sentence: str, emotion: str) -> Utterance:
    return Utterance(
        name=path.stem.removesuffix("]"), speaker=speaker.upper(), path=path, emotion=emotion, gender=gender.lower(),
        text=_SENTENCES[sentence], sentence=sentence,
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand)
