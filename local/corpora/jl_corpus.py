"""JL corpus: four actors, New Zealand English, five primary and five secondary emotions.

Names are ``female1_angry_10a_1.wav``: speaker, emotion, sentence with a letter for the repetition, session. The primary
emotions share 15 sentences, each secondary emotion has its own. A text of the same name (``female1_angry_10a_1.txt``)
holds the sentence. The copy on Kaggle has them all in ``Raw JL corpus (unchecked and unannotated)/JL(wav+txt)``.
Sources: https://www.kaggle.com/datasets/tli725/jl-corpus; James, Tian & Watson, "An open source emotional speech
corpus for human robot interaction applications", Interspeech 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import by_name, decode

LAYOUT = "female1_angry_10a_1.wav (and .txt), the same of female2, male1 and male2, in any folder"
_NAME = re.compile(r"((?:fe)?male[12])_([a-z]+)_(\d+)[ab]_([12])", re.IGNORECASE)
_PRIMARY = {"angry", "sad", "neutral", "happy", "excited"}


def _understand(path: Path, speaker: str, emotion: str, number: str, session: str) -> Utterance:
    speaker, emotion = speaker.lower(), emotion.lower()
    text = path.with_suffix(".txt")
    return Utterance(
        name=path.stem.lower(), speaker=speaker, path=path, emotion=emotion, gender=speaker[0],
        text=" ".join((decode(text.read_bytes()) or "").split()) if text.is_file() else "",
        sentence=number if emotion in _PRIMARY else f"{emotion}_{number}", session=f"{speaker}_{session}",
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand)
