"""CASIA Chinese emotional corpus: four Mandarin speakers, six emotions; of it, the 1,200 utterances that circulate.

Names are ``liuchanhg/angry/201.wav``: speaker, emotion, sentence. The sentences 201 to 250 are the same for all
speakers and emotions. Copies by emotion call the same file ``angry/201-angry-liuchanhg.wav``, which is its name here in
both cases, since a number alone names no utterance. The corpus as sold has 9,600 utterances, a quarter of them
with sentences that differ between emotions and hint at them; that part, in a folder ``不同文本100``, is left out.
Sources: http://www.chineseldc.org/resource_info.php?rid=76; Institute of Automation, Chinese Academy of Sciences.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import NOT_UNDERSTOOD, by_name

LAYOUT = "liuchanhg/angry/201.wav or angry/201-angry-liuchanhg.wav, in the root or in folders of it"
_NAME = re.compile(r"(\d{1,3})(?:-([a-z]+)-([a-z]+))?", re.IGNORECASE)
_SPEAKERS = {"liuchanhg": "f", "wangzhe": "m", "zhaoquanyin": "f", "ZhaoZuoxiang": "m"}
_SPELLING = {speaker.casefold(): speaker for speaker in _SPEAKERS}
_OTHER_SENTENCES = "不同文本"
_EMOTIONS = {"angry", "fear", "happy", "neutral", "sad", "surprise"}


def _understand(path: Path, sentence: str, emotion: str | None, speaker: str | None) -> Utterance | str:
    folder = path.parent.name.casefold()
    emotion, speaker = (emotion or folder).casefold(), (speaker or path.parent.parent.name).casefold()
    if any(parent.name.startswith(_OTHER_SENTENCES) for parent in path.parents):
        return "sentence of one emotion only"
    if speaker not in _SPELLING:
        return NOT_UNDERSTOOD
    if "-" in path.stem and folder in _EMOTIONS and folder != emotion:
        return f"folder and name disagree on the emotion: {folder} and {emotion}"
    speaker = _SPELLING[speaker]
    return Utterance(
        name=f"{sentence}-{emotion}-{speaker}", speaker=speaker, path=path, emotion=emotion, gender=_SPEAKERS[speaker],
        sentence=sentence,
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand, f"there is no audio of {', '.join(_SPEAKERS)}")
