"""THAI SER: two studio sessions and a Zoom session, three microphones, scripted and improvised speech."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("thai_ser",)
LABELS = {  # as in emotion_label.json: assigned, majority, share of annotators
    "s001_con_actor001_impro1_1": ("Neutral", "Neutral", 1.0),
    "s001_con_actor001_script1_1_2b": ("Angry", "Angry", 0.8),
    "s001_con_actor002_impro1_1": ("Frustrated", "Frustrated", 0.75),
    "s001_con_actor002_script3_2_3a": ("Happy", "Happy", 0.6),
    "s019_con_actor037_impro15_12": ("Sad", "Sad", 1.0),
    "s019_con_actor037_script2_1_4a": ("Sad", "Neutral", 0.5),
    "s019_con_actor038_impro15_13": ("Sad", "None", 0.33),
    "s019_con_actor038_script2_1_5b": ("Frustrated", "Other", 0.5),
    "z020_mic_actor199_impro2_3": ("Happy", "Happy", 0.9),
    "z020_mic_actor200_script1_2_1a": ("Neutral", "Neutral", 1.0),
}
FOLDERS = {"s001": "studio1-10/studio001", "s019": "studio11-20/studio019", "z020": "zoom020"}


def _file(root: Path, name: str) -> Path:
    session, microphone, _ = name.split("_", 2)
    return root / FOLDERS[session] / microphone / f"{name}.flac"


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def build(root: Path) -> None:
    """Write ten labelled utterances, and four of them with the other microphones of their studio."""
    for name in LABELS:
        speech(_file(root, name), rate=44100)
    for microphone in ("clip", "middle"):
        for name in list(LABELS)[: 4 if microphone == "clip" else 2]:
            speech(_file(root, name.replace("_con_", f"_{microphone}_")), rate=44100)
    rows = {
        f"{name}.flac": [{"annotated": [[heard]], "assigned_emo": asked, "majority_emo": heard, "agreement": share}]
        for name, (asked, heard, share) in LABELS.items()
    }
    _dump(root / "emotion_label.json", rows)
    actors = {"001": "Male", "002": "Female", "037": "Female", "038": "Male", "199": "Female", "200": "Female"}
    rows = [{"Actor's ID": actor, "Age": 30, "Sex": sex} for actor, sex in actors.items()]
    _dump(root / "actor_demography.json", {"data": rows})


def _edit(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / "emotion_label.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        _dump(path, content)

    return spoil


FIRST = "s001_con_actor001_impro1_1"
FIRST_FILE = f"studio1-10/studio001/con/{FIRST}.flac"
LOST = (f"thai_ser_001-{FIRST}",)
FAULTS = [
    Fault(
        "no labels",
        lambda root: (root / "emotion_label.json").unlink(),
        error="there is no emotion_label.json; expected layout: emotion_label.json, actor_demography.json and ",
    ),
    Fault(
        "labels cut short",
        lambda root: (root / "emotion_label.json").write_text('{"s001'),
        error=r"emotion_label\.json:1: not valid JSON \(.*\); get it again",
    ),
    Fault(
        "no demography",
        lambda root: (root / "actor_demography.json").unlink(),
        excluded={"actor_demography.json": "no such file, so that no actor's gender is known"},
    ),
    Fault(
        "an utterance without a label",
        _edit(lambda content: content.pop(f"{FIRST}.flac")),
        excluded={FIRST_FILE: "no label"},
        lost=LOST,
    ),
    Fault(
        "a label without a recording",
        lambda root: (root / FIRST_FILE).unlink(),
        excluded={f"emotion_label.json {FIRST}.flac": "label without a recording of the microphone chosen"},
        lost=LOST,
    ),
    Fault(
        "a label without its fields",
        _edit(lambda content: content[f"{FIRST}.flac"][0].pop("majority_emo")),
        excluded={FIRST_FILE: "label not understood"},
        lost=LOST,
    ),
    Fault(
        "an unknown emotion",
        _edit(lambda content: content[f"{FIRST}.flac"][0].update(majority_emo="Awe")),
        excluded={FIRST_FILE: "unknown emotion 'Awe': say in conf/emotions.yaml what it means"},
        lost=LOST,
    ),
    Fault(
        "a name that does not parse",
        lambda root: speech(root / "studio1-10/studio001/con/s001_con_001_impro1_2.flac"),
        excluded={"studio1-10/studio001/con/s001_con_001_impro1_2.flac": "name not understood"},
    ),
    Fault(
        "a session unpacked twice",
        lambda root: speech(root / f"studio001/con/{FIRST}.flac"),
        excluded={FIRST_FILE: f"duplicate: studio001/con/{FIRST}.flac has the same name"},
    ),
]
