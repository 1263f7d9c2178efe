"""THAI SER: 200 actors in 80 studio and 20 Zoom sessions, five emotions, scripted and improvised, Thai.

Names are ``s001_con_actor001_script1_2_3b.flac`` and ``s001_con_actor001_impro4_17.flac``: session (s: studio, z:
Zoom), microphone, actor, then for scripted speech the sentence (of three), repetition, emotion asked for (1 neutral,
2 angry, 3 happy, 4 sad, 5 frustrated) and intensity (a normal, b strong), for improvised speech the scenario and turn.
Two actors share a session. ``emotion_label.json`` gives for every utterance, by the name of its recording with ``con``
(studio) or ``mic`` (Zoom), the emotion asked for, the one that most annotators heard, and how many of them did;
``actor_demography.json`` gives the actors' sex. The zip files may be unpacked with or without a folder of their own.

In studios up to three microphones record the same utterance. A corpus takes one; the recordings of the others are not
part of it, and are not listed among what is excluded. Zoom sessions have only one, which is always taken.

Options of the entry in conf/corpora.yaml:

- ``microphone``: ``con`` (condenser, the default), ``clip`` (on the actor) or ``middle`` (one for both actors, which
  not every session has);
- ``label``: ``majority_emo`` (what annotators heard, the default) or ``assigned_emo`` (what the actor was asked for);
- ``agreement``: least share of annotators that must have heard the same emotion; the makers' own experiments use 0.71,
  the default is 0.

Sources: https://github.com/vistec-AI/dataset-releases/releases/tag/v1; Wongpithayadisai et al., "THAI Speech Emotion
Recognition (THAI-SER) corpus", arXiv:2507.09618, 2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, gender, wrong_root
from utils.errors import UserError
from utils.table import read_json

LAYOUT = (
    "emotion_label.json, actor_demography.json and studio001/con/s001_con_actor001_impro1_1.flac, "
    "or the same in studio1-10/"
)
_NAME = re.compile(r"([sz])(\d{3})_(con|clip|middle|mic)_actor(\d{3})_(script|impro)(\d+)(_\w+)")
_SESSIONS = {"s": "studio", "z": "zoom"}
_LABELLED = {"s": "con", "z": "mic"}
_DELIVERY = {"script": "scripted", "impro": "improvised"}
_NO_EMOTION = {"none": "no majority among the annotators", "other": "majority for an emotion other than the five"}
_CHOICES = {"microphone": ("con", "clip", "middle"), "label": ("majority_emo", "assigned_emo")}


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold THAI SER."""
    if not (root / "emotion_label.json").is_file():
        raise wrong_root(root, LAYOUT, "there is no emotion_label.json")
    if not any(_NAME.fullmatch(path.stem) for path in root.rglob("*")):
        raise wrong_root(root, LAYOUT, "there is no audio with such a name")
    _options(spec)


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of one microphone, then the labels that no file of it has."""
    microphone, label, agreement = _options(spec)
    labels = {Path(name).stem: (name, entry) for name, entry in _read(root / "emotion_label.json").items()}
    genders = {}
    if (root / "actor_demography.json").is_file():
        genders = _genders(_read(root / "actor_demography.json"))
    else:
        yield Excluded("actor_demography.json", "no such file, so that no actor's gender is known")
    seen = set()
    for path in audio_files(root):
        match = _NAME.fullmatch(path.stem)
        if not match:
            yield Excluded(path.relative_to(root).as_posix(), "name not understood")
            continue
        place, number, recorder, actor, kind, prompt, rest = match.groups()
        if recorder != (microphone if place == "s" else "mic"):
            continue
        labelled = f"{place}{number}_{_LABELLED[place]}_actor{actor}_{kind}{prompt}{rest}"
        seen.add(labelled)
        emotion, reason = _emotion(labels[labelled][1], label, agreement) if labelled in labels else ("", "no label")
        if reason:
            yield Excluded(path.relative_to(root).as_posix(), reason)
            continue
        yield Utterance(
            name=path.stem, speaker=actor, path=path, emotion=emotion, gender=genders.get(actor, ""),
            # Improvised speech is prompted by its scenario.
            sentence=f"{kind}{prompt}", session=f"{_SESSIONS[place]}{number}", delivery=_DELIVERY[kind],
        )  # fmt: skip
    for labelled, (name, _) in labels.items():
        if labelled not in seen:
            yield Excluded(f"emotion_label.json {name}", "label without a recording of the microphone chosen")


def _emotion(entry: Any, label: str, least: float) -> tuple[str, str]:
    """Give an utterance's emotion, or else why it has none."""
    try:
        word, agreement = entry[0][label], float(entry[0]["agreement"])
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return "", "label not understood"
    word = str(word)
    if word.casefold() in _NO_EMOTION:
        return "", _NO_EMOTION[word.casefold()]
    return (word, "") if agreement >= least else ("", f"too few annotators agree: {agreement:g}")


def _options(spec: CorpusSpec) -> tuple[str, str, float]:
    options = {"microphone": "con", "label": "majority_emo", "agreement": 0.0} | spec.options
    place = f"conf/corpora.yaml: {spec.name}.options"
    for key, value in options.items():
        if key == "agreement":
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise UserError(f"{place}: agreement is {value!r}, expected a number from 0 to 1")
        elif value not in _CHOICES.get(key, ()):
            expected = ", ".join(_CHOICES.get(key, ())) or "only microphone, label and agreement"
            raise UserError(f"{place}: {key} is {value!r}, expected {expected}")
    return options["microphone"], options["label"], options["agreement"]


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object; get it again")
    return content


def _genders(content: dict[str, Any]) -> dict[str, str]:
    rows = content.get("data")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {str(row.get("Actor's ID", "")).zfill(3): gender(str(row.get("Sex", ""))) or "" for row in rows}
