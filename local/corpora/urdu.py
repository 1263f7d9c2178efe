"""URDU: spontaneous Urdu from television talk shows, four emotions, 400 utterances.

Names are ``Angry/SM1_F10_A010.wav``: speaker SM1 (S, gender, number), file 10 of the speaker, emotion A, file 010 of
the emotion. Its makers count 38 speakers; the names hold 29.
Sources: https://github.com/siddiquelatif/URDU-Dataset; Latif et al., "Cross lingual speech emotion recognition: Urdu
vs. Western languages", FIT 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, wrong_root

LAYOUT = "Angry/SM1_F10_A010.wav and the same in Happy/, Neutral/, Sad/"
_NAME = re.compile(r"(S([FM])\d+)_F\d+_([A-Z])\d+")
_FOLDERS = ("Angry", "Happy", "Neutral", "Sad")


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold URDU."""
    if not any((root / folder).is_dir() for folder in _FOLDERS):
        raise wrong_root(root, LAYOUT, f"there is none of the folders {', '.join(_FOLDERS)}")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances."""
    for path in audio_files(root):
        item = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.stem)
        if not match:
            yield Excluded(item, "name not understood")
        elif match[3] != path.parent.name[0]:
            yield Excluded(item, f"folder and name disagree on the emotion: {path.parent.name} and {match[3]}")
        else:
            yield Utterance(
                name=path.stem, speaker=match[1], path=path, emotion=path.parent.name.lower(),
                gender=match[2].lower(),
            )  # fmt: skip
