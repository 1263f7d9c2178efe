"""SUBESCO: one folder; its official archive has a stray bracket in one name."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("subesco",)
NAMES = [
    *(f"F_01_OISHI_S_1_{emotion}_1" for emotion in ("ANGRY", "DISGUST", "FEAR", "HAPPY", "NEUTRAL", "SAD", "SURPRISE")),
    "F_02_MONIKA_S_2_SURPRISE_3]",
    "M_01_BASHIR_S_10_ANGRY_5",
    "M_01_BASHIR_S_10_SAD_2",
]


def build(root: Path) -> None:
    """Write two speakers of the same number and one with the name that has a bracket."""
    for name in NAMES:
        speech(root / f"SUBESCO/{name}.wav", rate=48000)


FAULTS = [
    Fault(
        "a name that does not parse",
        lambda root: (root / "SUBESCO/F_01_OISHI_S_1_ANGRY_1.wav").rename(root / "SUBESCO/F_01_OISHI_ANGRY.wav"),
        excluded={"SUBESCO/F_01_OISHI_ANGRY.wav": "name not understood"},
        lost=("subesco_F_01-F_01_OISHI_S_1_ANGRY_1",),
    ),
    Fault(
        "a sentence that does not exist",
        lambda root: (root / "SUBESCO/M_01_BASHIR_S_10_SAD_2.wav").rename(root / "SUBESCO/M_01_BASHIR_S_11_SAD_2.wav"),
        excluded={"SUBESCO/M_01_BASHIR_S_11_SAD_2.wav": "name not understood"},
        lost=("subesco_M_01-M_01_BASHIR_S_10_SAD_2",),
    ),
    Fault(
        "an unknown emotion",
        lambda root: (root / "SUBESCO/M_01_BASHIR_S_10_SAD_2.wav").rename(root / "SUBESCO/M_01_BASHIR_S_10_AWE_2.wav"),
        excluded={
            "SUBESCO/M_01_BASHIR_S_10_AWE_2.wav": "unknown emotion 'AWE': say in conf/emotions.yaml what it means"
        },
        lost=("subesco_M_01-M_01_BASHIR_S_10_SAD_2",),
    ),
    Fault(
        "the file with the bracket a second time, renamed",
        lambda root: speech(root / "SUBESCO/F_02_MONIKA_S_2_SURPRISE_3.wav"),
        excluded={
            "SUBESCO/F_02_MONIKA_S_2_SURPRISE_3].wav": (
                "duplicate: SUBESCO/F_02_MONIKA_S_2_SURPRISE_3.wav has the same name"
            )
        },
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / "SUBESCO/F_01_OISHI_S_1_SAD_1.wav"),
        excluded={"SUBESCO/F_01_OISHI_S_1_SAD_1.wav": "truncated: its header promises more than the file holds"},
        lost=("subesco_F_01-F_01_OISHI_S_1_SAD_1",),
    ),
]
