"""AESDD: a folder an emotion, two actors, and the deviations that its names have."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("aesdd",)
NAMES = (
    "anger/a01 (1)", "anger/a20 (1)", "disgust/d01 (1)", "fear/f19 (1)", "happiness/h01 (1)", "sadness/s05 (1)",
    "anger/a01 (2)", "anger/a20 (2)", "happiness/h03(2)", "sadness/s05 (2)", "sadness/s05 (2)b",
    "anger/a06 (5)b", "sadness/s01 (5)a",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"{name}.wav", rate=44100)
    (root / "readme.txt").write_text("not audio, and no reason to say so")


def _rename(old: str, new: str, reason: str) -> Fault:
    """Say what becomes of an utterance of speaker 1 whose file is renamed or moved."""
    return Fault(
        f"called {new}",
        lambda root: (root / f"{old}.wav").rename(root / f"{new}.wav"),
        excluded={f"{new}.wav": reason},
        lost=(f"aesdd_1-{old.split('/')[1].replace(' ', '_')}",),
    )


FAULTS = [
    _rename("anger/a01 (1)", "n01 (1)", "unknown emotion 'n': say in conf/emotions.yaml what it means"),
    _rename("fear/f19 (1)", "fear/f21 (1)", "name not understood"),
    _rename("fear/f19 (1)", "fear/f19", "name not understood"),
    _rename("fear/f19 (1)", "anger/f19 (1)", "folder and name disagree on the emotion: anger and f"),
    Fault(
        "an unreadable file, as sadness/s05 (3).wav is in the archive",
        lambda root: (root / "sadness/s05 (1).wav").write_bytes(b"RIFF, and no more"),
        excluded={"sadness/s05 (1).wav": "not readable as audio: Format not recognised"},
        lost=("aesdd_1-s05_(1)",),
    ),
]
