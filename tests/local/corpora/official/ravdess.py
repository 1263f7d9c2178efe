"""RAVDESS, speech: two actors, every emotion; songs, soundtracks and copies are planted as faults."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("ravdess",)
NAMES = (
    "03-01-01-01-01-01-01", "03-01-02-01-02-02-01", "03-01-03-02-01-01-01", "03-01-05-02-01-01-01",
    "03-01-02-01-01-01-12", "03-01-04-01-01-02-12", "03-01-06-02-02-01-12", "03-01-07-01-01-01-12",
    "03-01-08-02-02-02-12",
)  # fmt: skip
KEPT = "Actor_01/03-01-05-02-01-01-01.wav"
COPY = f"audio_speech_actors_01-24/{KEPT}"
OTHER = "song or soundtrack of a video, not the speech recordings"


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"Actor_{name[-2:]}/{name}.wav", rate=48000)


def _copy(root: Path) -> None:
    (root / COPY).parent.mkdir(parents=True)
    shutil.copy(root / KEPT, root / COPY)


def _stray(name: str, reason: str) -> Fault:
    """Say what is said of a further file."""
    return Fault(
        f"a file called {name}",
        lambda root: speech(root / f"Actor_01/{name}.wav"),
        excluded={f"Actor_01/{name}.wav": reason},
    )


FAULTS = [
    Fault("the actors' folders twice", _copy, excluded={COPY: f"duplicate: {KEPT} has the same name"}),
    _stray("03-02-05-02-01-01-01", OTHER),
    _stray("01-01-05-02-01-01-01", OTHER),
    _stray("03-01-05-02-03-01-01", "name not understood"),
    _stray("03-01-05-02-01-01-25", "name not understood"),
    _stray("03-01-09-02-01-01-01", "unknown emotion '09': say in conf/emotions.yaml what it means"),
    _stray("notes", "name not understood"),
    Fault(
        "an empty file",
        lambda root: (root / KEPT).write_bytes(b""),
        excluded={KEPT: "the file is empty"},
        lost=("ravdess_01-03-01-05-02-01-01-01",),
    ),
]
