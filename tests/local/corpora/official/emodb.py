"""EmoDB: its folder of audio, two actors, every emotion; what else its archive holds is ignored."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("emodb",)
NAMES = (
    "03a01Fa", "03a01Nc", "03a02Wb", "03a04Ad", "03b01Lb", "03b02Na",
    "08a01Na", "08a05Ea", "08a07Ta", "08b03Lc", "08b09Wa", "08b10Fd",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"wav/{name}.wav")
    (root / "labsilb").mkdir()
    (root / "labsilb/03a01Fa.silb").write_text("0.1 d@ 0\n")
    (root / "erkennung.txt").write_text("not UTF-8, and not read: natürlich\n", encoding="latin-1")


def _rename(old: str, new: str, reason: str = "name not understood") -> Fault:
    """Say what becomes of an utterance whose file is renamed."""
    return Fault(
        f"called {new}",
        lambda root: (root / f"wav/{old}.wav").rename(root / f"wav/{new}.wav"),
        excluded={f"wav/{new}.wav": reason},
        lost=(f"emodb_{old[:2]}-{old}",),
    )


FAULTS = [
    _rename("03a01Fa", "03a01Xa", "unknown emotion 'X': say in conf/emotions.yaml what it means"),
    _rename("03a01Fa", "04a01Fa"),
    _rename("03a01Fa", "03a03Fa"),
    _rename("03a01Fa", "03a01F"),
    _rename("03a01Fa", "test"),
    Fault(
        "a second copy in a folder",
        lambda root: speech(root / "wav/copy/03a01Fa.wav"),
        excluded={"wav/copy/03a01Fa.wav": "duplicate: wav/03a01Fa.wav has the same name"},
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / "wav/03a01Fa.wav"),
        excluded={"wav/03a01Fa.wav": "truncated: its header promises more than the file holds"},
        lost=("emodb_03-03a01Fa",),
    ),
    Fault("another folder of audio", lambda root: (root / "wav").rename(root / "audio"),
          error="there is no audio in its folder wav; expected layout: wav/03a01Fa.wav"),
]  # fmt: skip
