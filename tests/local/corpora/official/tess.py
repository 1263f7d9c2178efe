"""TESS as Kaggle has it: a folder a speaker and emotion, one misspelt name, and a second copy of it all within."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("tess",)
FOLDERS = {
    "angry": "angry", "disgust": "disgust", "fear": "Fear", "happy": "happy", "neutral": "neutral",
    "ps": "Pleasant_surprise", "sad": "Sad",
}  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for folder in (root, root / "TESS Toronto emotional speech set data"):
        for emotion, name in FOLDERS.items():
            speech(folder / f"OAF_{name}/OAF_back_{emotion}.wav")
            young = "pleasant_surprised" if emotion == "ps" else emotion
            speech(folder / f"YAF_{young}/YAF_back_{emotion}.wav")
    speech(root / "OAF_neutral/OA_bite_neutral.wav")


def _flatten(root: Path) -> None:
    """Make of it what the official archive holds: all files in one folder."""
    for path in sorted(root.glob("?AF_*/*.wav")):
        path.rename(root / path.name)


NESTED = "TESS Toronto emotional speech set data"
FAULTS = [
    Fault(
        "no folders, and so the duplicates are of files in the root",
        _flatten,
        excluded={
            f"{NESTED}/{folder}/{name}.wav": f"duplicate: {name}.wav has the same name"
            for emotion, word in FOLDERS.items()
            for folder, name in (
                (f"OAF_{word}", f"OAF_back_{emotion}"),
                (f"YAF_{'pleasant_surprised' if emotion == 'ps' else emotion}", f"YAF_back_{emotion}"),
            )
        },
    ),
    Fault(
        "an unknown emotion",
        lambda root: speech(root / "YAF_back_rage.wav"),
        excluded={"YAF_back_rage.wav": "unknown emotion 'rage': say in conf/emotions.yaml what it means"},
    ),
    Fault(
        "a file in another emotion's folder",
        lambda root: speech(root / "YAF_sad/YAF_bean_happy.wav"),
        excluded={"YAF_sad/YAF_bean_happy.wav": "folder and name disagree: YAF_sad"},
    ),
    Fault(
        "names that are not TESS's",
        lambda root: [speech(root / f"{name}.wav") for name in ("OAF_back", "MAF_back_sad")],
        excluded={"OAF_back.wav": "name not understood", "MAF_back_sad.wav": "name not understood"},
    ),
]
