"""EmoV-DB: OpenSLR's folders for three speakers, those of the sorted version for the fourth."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("emovdb",)
NAMES = (
    "bea_Amused/amused_1-15_0001", "bea_Angry/anger_1-28_0011", "bea_Disgusted/disgust_29-56_0029",
    "bea_Neutral/neutral_1-28_0023", "bea_Sleepy/sleepiness_1-28_0015", "jenie_Angry/anger_1-28_0012",
    "jenie_Neutral/neutral_1-28_0024", "josh_Amused/amused_1-28_0002", "josh_Sleepy/sleepiness_1-28_0006",
    "EmoV-DB_sorted/sam/Angry/anger_336-364_0349", "EmoV-DB_sorted/sam/Neutral/neutral_1-28_0001",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / f"{name}.wav", rate=44100)


def _rename(old: str, new: str, reason: str) -> Fault:
    """Say what becomes of an utterance of bea whose file is renamed or moved."""

    def spoil(root: Path) -> None:
        (root / f"{new}.wav").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{old}.wav").rename(root / f"{new}.wav")

    return Fault(
        f"called {new}", spoil, excluded={f"{new}.wav": reason}, lost=(f"emovdb_bea-{old.rpartition('/')[2]}",)
    )


ANGRY = "bea_Angry/anger_1-28_0011"
FAULTS = [
    _rename(ANGRY, "bea_Angry/neutral_1-28_0011", "folder and name disagree on the style: Angry and neutral"),
    _rename(ANGRY, "bea/Angry/sleepiness_1-28_0011", "folder and name disagree on the style: Angry and sleepiness"),
    _rename(ANGRY, "anna_Angry/anger_1-28_0011", "not in the folder of a speaker"),
    _rename(ANGRY, "anger_1-28_0011", "not in the folder of a speaker"),
    _rename(ANGRY, "bea_Angry/anger_0011", "name not understood"),
    _rename(ANGRY, "bea_Joy/joyous_1-28_0011", "unknown emotion 'joyous': say in conf/emotions.yaml what it means"),
    Fault(
        "OpenSLR's folders and the sorted ones",
        lambda root: speech(root / "EmoV-DB_sorted/bea/Angry/anger_1-28_0011.wav"),
        excluded={"EmoV-DB_sorted/bea/Angry/anger_1-28_0011.wav": f"duplicate: {ANGRY}.wav has the same name"},
    ),
]
