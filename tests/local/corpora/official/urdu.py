"""URDU: its four folders, a woman and a man; no text and no sentences, as it has none."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("urdu",)
NAMES = (
    "Angry/SM1_F10_A010", "Happy/SM1_F2_H02", "Neutral/SM1_F3_N03", "Sad/SM1_F4_S04",
    "Angry/SF12_F2_A012", "Neutral/SF12_F1_N01", "Sad/SF12_F1_S01",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"{name}.wav", rate=44100)
    (root / "README.md").write_text("not audio, and no reason to say so")


def _rename(old: str, new: str, reason: str) -> Fault:
    """Say what becomes of an utterance of speaker SM1 whose file is renamed or moved."""

    def spoil(root: Path) -> None:
        (root / new).parent.mkdir(exist_ok=True)
        (root / f"{old}.wav").rename(root / f"{new}.wav")

    return Fault(f"called {new}", spoil, excluded={f"{new}.wav": reason}, lost=(f"urdu_SM1-{Path(old).name}",))


FAULTS = [
    _rename("Angry/SM1_F10_A010", "Happy/SM1_F10_A010", "folder and name disagree on the emotion: Happy and A"),
    _rename("Angry/SM1_F10_A010", "Angry/SX1_F10_A010", "name not understood"),
    _rename("Angry/SM1_F10_A010", "Angry/010", "name not understood"),
    _rename("Angry/SM1_F10_A010", "Rage/SM1_F10_R010",
            "unknown emotion 'rage': say in conf/emotions.yaml what it means"),
    Fault(
        "a second copy in a folder",
        lambda root: speech(root / "old/Angry/SM1_F10_A010.wav"),
        excluded={"old/Angry/SM1_F10_A010.wav": "duplicate: Angry/SM1_F10_A010.wav has the same name"},
    ),
]  # fmt: skip
