"""EMOVO: the folders of its archive, two actors, every emotion and every kind of sentence."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("emovo",)
NAMES = (
    "dis-f1-b1", "gio-f1-l3", "pau-f1-n5", "rab-f1-d2", "neu-f1-b1",
    "sor-m3-d1", "tri-m3-l1", "neu-m3-b1", "RAB-m3-n1",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"EMOVO/{name.split('-')[1]}/{name}.wav", rate=48000)
    (root / "EMOVO/documents").mkdir()
    (root / "EMOVO/documents/LA STRUTTURA DI EMOVO.pdf").write_bytes(b"not audio, and no reason to say so")


def _rename(old: str, new: str) -> Fault:
    """Say what becomes of an utterance of actor f1 whose file is renamed."""
    reasons = {"xyz-f1-b1": "unknown emotion 'xyz': say in conf/emotions.yaml what it means"}
    return Fault(
        f"called {new}",
        lambda root: (root / f"EMOVO/f1/{old}.wav").rename(root / f"EMOVO/f1/{new}.wav"),
        excluded={f"EMOVO/f1/{new}.wav": reasons.get(new, "name not understood")},
        lost=(f"emovo_f1-{old}",),
    )


FAULTS = [
    _rename("dis-f1-b1", "xyz-f1-b1"),
    _rename("dis-f1-b1", "dis-f4-b1"),
    _rename("dis-f1-b1", "dis-f1-b9"),
    _rename("dis-f1-b1", "dis_f1_b1"),
    Fault(
        "a second copy of an actor",
        lambda root: speech(root / "EMOVO/old/f1/dis-f1-b1.wav"),
        excluded={"EMOVO/old/f1/dis-f1-b1.wav": "duplicate: EMOVO/f1/dis-f1-b1.wav has the same name"},
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / "EMOVO/f1/dis-f1-b1.wav"),
        excluded={"EMOVO/f1/dis-f1-b1.wav": "truncated: its header promises more than the file holds"},
        lost=("emovo_f1-dis-f1-b1",),
    ),
]
