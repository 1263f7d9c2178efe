"""CREMA-D as its repository holds it: ``AudioWAV/1001_DFA_ANG_XX.wav`` and who the actors are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("cremad",)
# Copied from the official table.
TABLE = '''"ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1002,21,"Female","Caucasian","Not Hispanic"
1040,42,"Male","Caucasian","Not Hispanic"
1076,25,"Female","Caucasian","Not Hispanic"
'''
CLIPS = (
    "1001_DFA_ANG_XX", "1001_IEO_DIS_LO", "1001_IEO_FEA_HI", "1001_ITH_HAP_XX", "1001_ITS_NEU_XX", "1001_MTI_SAD_XX",
    "1002_DFA_ANG_XX", "1002_IEO_DIS_MD", "1002_TIE_FEA_XX", "1002_IWL_HAP_XX", "1002_IWW_NEU_XX", "1002_ITH_SAD_XX",
    "1040_ITH_SAD_X", "1076_TAI_ANG_XX", "1076_MTI_SAD_XX",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in CLIPS:
        speech(root / f"AudioWAV/{name}.wav")
    (root / "VideoDemographics.csv").write_text(TABLE)


def _swap(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / "VideoDemographics.csv").write_text(TABLE.replace(old, new))


OF_1076 = {"AudioWAV/1076_TAI_ANG_XX.wav": "actor not in VideoDemographics.csv: 1076"}
FAULTS = [
    Fault(
        "no table of actors",
        lambda root: (root / "VideoDemographics.csv").unlink(),
        error="there is no VideoDemographics.csv, which https://github.com/CheyneyComputerScience/CREMA-D has",
    ),
    Fault("table without the column Sex", _swap('"Sex"', '"Gender"'), error="expected a header with the columns"),
    Fault(
        "an actor who is not in the table",
        _swap('1076,25,"Female","Caucasian","Not Hispanic"\n', ""),
        excluded=OF_1076,
        lost=("cremad_1076-1076_TAI_ANG_XX",),
    ),
    Fault(
        "a row with a value too few",
        _swap('1076,25,"Female",', '1076,"Female",'),
        excluded=OF_1076 | {"VideoDemographics.csv:5": "row not understood"},
        lost=("cremad_1076-1076_TAI_ANG_XX",),
    ),
    Fault(
        "an actor twice",
        _swap("1076,25", '1002,21,"Male","Caucasian","Not Hispanic"\n1076,25'),
        excluded={"VideoDemographics.csv:5": "second row of an actor: 1002"},
    ),
    Fault(
        "an actor without clips",
        _swap("1076,25", '1003,21,"Female","Caucasian","Not Hispanic"\n1076,25'),
        excluded={"VideoDemographics.csv:5": "actor without clips: 1003"},
    ),
    Fault(
        "an unknown emotion",
        lambda root: speech(root / "AudioWAV/1001_TSI_SUR_XX.wav"),
        excluded={
            "AudioWAV/1001_TSI_SUR_XX.wav": "unknown emotion 'SUR': say in conf/emotions.yaml what it means",
        },
    ),
    Fault(
        "an unknown sentence, and a name of another form",
        lambda root: [speech(root / f"AudioWAV/{name}.wav") for name in ("1001_ABC_SAD_XX", "1001_TSI_SAD")],
        excluded={
            "AudioWAV/1001_ABC_SAD_XX.wav": "name not understood",
            "AudioWAV/1001_TSI_SAD.wav": "name not understood",
        },
    ),
]
