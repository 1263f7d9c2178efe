"""JL corpus: recordings and texts in the folder that its copy on Kaggle has; two speakers, every primary emotion."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("jl_corpus",)
FOLDER = "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)"
NAMES = (
    "female1_angry_10a_1", "female1_excited_10a_1", "female1_happy_1b_2", "female1_neutral_15a_1", "female1_sad_2a_2",
    "female1_anxious_10a_1", "male2_angry_10b_2", "male2_neutral_1a_1", "male2_apologetic_1a_1",
)  # fmt: skip


def build(root: Path) -> None:
    """Write the tree."""
    for name in NAMES:
        speech(root / FOLDER / f"{name}.wav", rate=44100)
        number = name.split("_")[2][:-1]
        (root / FOLDER / f"{name}.txt").write_text(f"Sentence {number}.\r\n")
    (root / "README.md").write_text("not audio")


FAULTS = [
    Fault("no texts", lambda root: [path.unlink() for path in (root / FOLDER).glob("*.txt")]),
    Fault(
        "an unknown emotion",
        lambda root: speech(root / FOLDER / "male1_smug_1a_1.wav"),
        excluded={f"{FOLDER}/male1_smug_1a_1.wav": "unknown emotion 'smug': say in conf/emotions.yaml what it means"},
    ),
    Fault(
        "names that are not the corpus's",
        lambda root: [speech(root / f"{name}.wav") for name in ("male3_sad_1a_1", "male1_sad_1_1", "male1_sad_1a")],
        excluded={f"{name}.wav": "name not understood" for name in ("male3_sad_1a_1", "male1_sad_1_1", "male1_sad_1a")},
    ),
    Fault(
        "a copy of the recordings",
        lambda root: speech(root / FOLDER / "copy/male2_neutral_1a_1.wav"),
        excluded={
            f"{FOLDER}/copy/male2_neutral_1a_1.wav": f"duplicate: {FOLDER}/male2_neutral_1a_1.wav has the same name"
        },
    ),
]
