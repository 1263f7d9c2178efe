"""SAVEE as its archive holds it: ``AudioData/DC/a01.wav``."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("savee",)
NAMES = ("a01", "d15", "f02", "h03", "n01", "n30", "sa04", "su05")


def build(root: Path) -> None:
    """Write the tree."""
    for speaker in ("DC", "KL"):
        for name in NAMES:
            # Noise depends on the name, which speakers share.
            made = speech(root / f"AudioData/{speaker}_{name}.wav")
            (root / "AudioData" / speaker).mkdir(exist_ok=True)
            made.rename(root / f"AudioData/{speaker}/{name}.wav")
    (root / "AudioData/Info.txt").write_text("'DC', 'JE', 'JK' and 'KL' are four male speakers\n")


def _flatten(root: Path) -> None:
    for path in sorted((root / "AudioData").glob("*/*.wav")):
        speech(root / f"ALL/{path.parent.name}_{path.name}")
        path.unlink()


FAULTS = [
    Fault("all files in one folder, which is not a fault", _flatten),
    Fault(
        "both archives in one folder",
        lambda root: speech(root / "ALL/DC_a01.wav"),
        excluded={"AudioData/DC/a01.wav": "duplicate: ALL/DC_a01.wav has the same name"},
    ),
    Fault(
        "an unknown emotion",
        lambda root: speech(root / "AudioData/DC/c01.wav"),
        excluded={"AudioData/DC/c01.wav": "unknown emotion 'c': say in conf/emotions.yaml what it means"},
    ),
    Fault(
        "a speaker, a sentence and a name that SAVEE has not",
        lambda root: [speech(root / f"AudioData/{name}.wav") for name in ("XX/a01", "DC/a16", "DC/n31", "KL/angry1")],
        excluded={
            f"AudioData/{name}.wav": "name not understood" for name in ("XX/a01", "DC/a16", "DC/n31", "KL/angry1")
        },
    ),
]
