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
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "AudioData/DC/a01.wav, or ALL/DC_a01.wav, or either without the first folder"
_NAME = re.compile(r"(?:([A-Z]{2})_)?([a-z]{1,2})(\d\d)", re.IGNORECASE)
_SPEAKERS = {"DC", "JE", "JK", "KL"}
_EMOTIONS = {
    "a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness", "su": "surprise",
}  # fmt: skip


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold SAVEE."""
    if not any(_parse(path) for path in audio_files(root)):
        raise wrong_root(root, LAYOUT, f"there is no audio of the speakers {', '.join(sorted(_SPEAKERS))}")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, those of the least nested folders first."""
    for path in audio_files(root):
        parsed = _parse(path)
        if not parsed:
            yield Excluded(path.relative_to(root).as_posix(), "name not understood")
            continue
        speaker, code, number = parsed
        yield Utterance(
            name=f"{speaker}_{code}{number}", speaker=speaker, path=path, emotion=_EMOTIONS.get(code, code), gender="m"
        )


def _parse(path: Path) -> tuple[str, str, str] | None:
    """Tell speaker, letters of the emotion and number; None for a file that is none of SAVEE's."""
    match = _NAME.fullmatch(path.stem)
    if not match:
        return None
    speaker, code, number = (match[1] or path.parent.name).upper(), match[2].lower(), match[3]
    last = 30 if code == "n" else 15
    return (speaker, code, number) if speaker in _SPEAKERS and 1 <= int(number) <= last else None
