"""CREMA-D: 91 actors, twelve sentences, six acted emotions, American English.

Names are ``1001_IEO_ANG_HI.wav``: actor 1001, sentence IEO, emotion ANG, level HI (LO, MD, HI or XX, unspecified; in
older copies one name ends in X). The emotion is the one that was acted, not the one that the crowd heard.
``VideoDemographics.csv`` says who is a man; copies of ``AudioWAV`` alone lack it, the official repository has it. Four
clips that are known to be faulty are excluded by name.
Sources: https://github.com/CheyneyComputerScience/CREMA-D; Cao et al., "CREMA-D: Crowd-sourced emotional multimodal
actors dataset", IEEE Transactions on Affective Computing 5(4), 2014.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, gender, read_rows, wrong_root

LAYOUT = "VideoDemographics.csv and AudioWAV/1001_DFA_ANG_XX.wav"
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(?:LO|MD|HI|XX?)")
_COLUMNS = ("ActorID", "Sex")
_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_FAULTY = {
    "1064_IEO_DIS_MD": "several takes and emotions in one file",
    "1064_TIE_SAD_XX": "nearly empty",
    "1076_MTI_NEU_XX": "nearly empty",
    "1076_MTI_SAD_XX": "no speech",
}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold CREMA-D."""
    if not audio_files(root / "AudioWAV"):
        raise wrong_root(root, LAYOUT, "there is no audio in its folder AudioWAV")
    if not (root / "VideoDemographics.csv").is_file():
        raise wrong_root(root, LAYOUT, f"there is no VideoDemographics.csv, which {spec.source} has")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the clips, then the rows of VideoDemographics.csv that cannot be used."""
    genders: dict[str, str] = {}
    rows: list[Excluded] = []
    lines: dict[str, str] = {}
    for line, row in read_rows(root / "VideoDemographics.csv", _COLUMNS):
        item = f"VideoDemographics.csv:{line}"
        said = gender(row["Sex"]) if row else None
        if not row or said is None or not row["ActorID"]:
            rows.append(Excluded(item, "row not understood"))
        elif row["ActorID"] in genders:
            rows.append(Excluded(item, f"second row of an actor: {row['ActorID']}"))
        else:
            genders[row["ActorID"]], lines[row["ActorID"]] = said, item
    for path in audio_files(root / "AudioWAV"):
        item = path.relative_to(root).as_posix()
        match = _NAME.fullmatch(path.stem)
        actor, sentence, code = match.groups() if match else ("", "", "")
        lines.pop(actor, None)
        if sentence not in _SENTENCES:
            yield Excluded(item, "name not understood")
        elif path.stem in _FAULTY:
            yield Excluded(item, f"known to be faulty: {_FAULTY[path.stem]}")
        elif actor not in genders:
            yield Excluded(item, f"actor not in VideoDemographics.csv: {actor}")
        else:
            yield Utterance(
                name=path.stem, speaker=actor, path=path, emotion=_EMOTIONS.get(code, code), gender=genders[actor],
                text=_SENTENCES[sentence], sentence=sentence,
            )  # fmt: skip
    yield from rows
    for actor, item in lines.items():
        yield Excluded(item, f"actor without clips: {actor}")
