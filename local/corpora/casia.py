"""CASIA Chinese emotional corpus: four Mandarin speakers, six emotions; of it, the 1,200 utterances that circulate.

Names are ``liuchanhg/angry/201.wav``: speaker, emotion, sentence. The sentences 201 to 250 are the same for all
speakers and emotions. Copies by emotion call the same file ``angry/201-angry-liuchanhg.wav``, which is its name here in
both cases, since a number alone names no utterance. The corpus as sold has 9,600 utterances, a quarter of them
with sentences that differ between emotions and hint at them; that part, in a folder ``不同文本100``, is left out.
Sources: http://www.chineseldc.org/resource_info.php?rid=76; Institute of Automation, Chinese Academy of Sciences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "liuchanhg/angry/201.wav or angry/201-angry-liuchanhg.wav, in the root or in folders of it"
_NAME = re.compile(r"(\d{1,3})(?:-([a-z]+)-([a-z]+))?", re.IGNORECASE)
_SPEAKERS = {"liuchanhg": "f", "wangzhe": "m", "zhaoquanyin": "f", "ZhaoZuoxiang": "m"}
_SPELLING = {speaker.casefold(): speaker for speaker in _SPEAKERS}
_OTHER_SENTENCES = "不同文本"
_EMOTIONS = {"angry", "fear", "happy", "neutral", "sad", "surprise"}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold the CASIA corpus."""
    if not any(_parse(path)[2] in _SPELLING for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, f"there is no audio of {', '.join(_SPEAKERS)}")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances."""
    for path in audio_files(root):
        item = path.relative_to(root).as_posix()
        sentence, emotion, speaker = _parse(path)
        folder = path.parent.name.casefold()
        if any(part.startswith(_OTHER_SENTENCES) for part in item.split("/")):
            yield Excluded(item, "sentence of one emotion only")
        elif not sentence or speaker not in _SPELLING:
            yield Excluded(item, "name not understood")
        elif "-" in path.stem and folder in _EMOTIONS and folder != emotion:
            yield Excluded(item, f"folder and name disagree on the emotion: {folder} and {emotion}")
        else:
            speaker = _SPELLING[speaker]
            yield Utterance(
                name=f"{sentence}-{emotion}-{speaker}", speaker=speaker, path=path, emotion=emotion,
                gender=_SPEAKERS[speaker], sentence=sentence,
            )  # fmt: skip


def _parse(path: Path) -> tuple[str, str, str]:
    match = _NAME.fullmatch(path.stem)
    sentence, emotion, speaker = match.groups() if match else ("", "", "")
    if sentence and not speaker:
        emotion, speaker = path.parent.name, path.parent.parent.name
    return sentence, emotion.casefold(), speaker.casefold()
