"""IEMOCAP: two sessions, dialogues with every label, and what else stands in its annotation files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("iemocap",)
TURNS = {
    "Ses01F_impro01": [("F000", "neu", "Excuse me."), ("M000", "xxx", "Your forms?"), ("M001", "exc", "Yeah.")],
    "Ses01M_script01_1b": [("F004", "ang", "No, no."), ("M012", "fru", "What?"), ("M013", "dis", "[LAUGHTER]")],
    "Ses05F_impro05a": [("F001", "hap", "Good."), ("M001", "sad", "I know."), ("M002", "oth", "Hm: so.")],
    "Ses05F_script02_2": [("F010", "sur", "Oh!"), ("M020", "fea", "Stop.")],
}  # fmt: skip
_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def build(root: Path) -> None:
    """Write the tree."""
    for dialogue, turns in TURNS.items():
        session = root / f"Session{dialogue[4]}"
        labels, texts = _HEADER, ""
        for n, (turn, label, text) in enumerate(turns):
            name = f"{dialogue}_{turn}"
            speech(session / f"sentences/wav/{dialogue}/{name}.wav")
            labels += f"[{n}.2901 - {n}.9357]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n"
            labels += "C-E2:\tNeutral state;\t()\nC-E4:\tNeutral;\t(calm)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
            texts += f"{name} [00{n}.2901-00{n}.9357]: {text}\n"
        for folder, content in (("EmoEvaluation", labels), ("transcriptions", texts + "F: <BREATHING>\n")):
            path = session / f"dialog/{folder}/{dialogue}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    # A single listener's judgements, and what a Mac leaves behind in an archive.
    folder = root / "Session1/dialog/EmoEvaluation"
    (folder / "Categorical").mkdir()
    (folder / "Categorical/Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Anger; ()\n")
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07\xff")


def _edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (root / path).write_text(text.replace(old, new), encoding="utf-8")

    return spoil


LABELS = "Session5/dialog/EmoEvaluation/Ses05F_script02_2.txt"
WAVS = "Session5/sentences/wav/Ses05F_script02_2/"
F010 = ("iemocap_Ses05F-Ses05F_script02_2_F010",)
FAULTS = [
    Fault(
        "a dialogue's labels are missing",
        lambda root: (root / LABELS).unlink(),
        excluded={f"{WAVS}Ses05F_script02_2_{turn}.wav": "not in dialog/EmoEvaluation" for turn in ("F010", "M020")},
        lost=(*F010, "iemocap_Ses05M-Ses05F_script02_2_M020"),
    ),
    Fault(
        "an utterance without a label",
        _edit(LABELS, "[0.2901 - 0.9357]\tSes05F_script02_2_F010\tsur\t[2.5000, 2.5000, 2.5000]\n", ""),
        excluded={f"{WAVS}Ses05F_script02_2_F010.wav": "not in dialog/EmoEvaluation"},
        lost=F010,
    ),
    Fault(
        "a label without an utterance",
        lambda root: (root / f"{WAVS}Ses05F_script02_2_F010.wav").unlink(),
        excluded={f"{LABELS}:3": "label without audio: Ses05F_script02_2_F010"},
        lost=F010,
    ),
    Fault(
        "a line that is cut off",
        _edit(LABELS, "\tsur\t[2.5000, 2.5000, 2.5000]", "\tsur"),
        excluded={
            f"{LABELS}:3": "line not understood",
            f"{WAVS}Ses05F_script02_2_F010.wav": "not in dialog/EmoEvaluation",
        },
        lost=F010,
    ),
    Fault(
        "an unknown label",
        _edit(LABELS, "\tsur\t", "\tbor\t"),
        excluded={
            f"{WAVS}Ses05F_script02_2_F010.wav": "unknown emotion 'bor': say in conf/emotions.yaml what it means"
        },
        lost=F010,
    ),
    Fault(
        "labelled twice, and not alike",
        _edit(LABELS, "[1.2901 -", "[0.2901 - 0.9357]\tSes05F_script02_2_F010\tneu\t[2.5, 2.5, 2.5]\n[1.2901 -"),
        excluded={f"{LABELS}:8": "labelled differently before: Ses05F_script02_2_F010, sur and neu"},
    ),
    Fault(
        "a name that says nothing",
        lambda root: (root / f"{WAVS}Ses05F_script02_2_F010.wav").rename(root / f"{WAVS}psno1_sur_s010_orgn.wav"),
        excluded={
            f"{WAVS}psno1_sur_s010_orgn.wav": "name not understood",
            f"{LABELS}:3": "label without audio: Ses05F_script02_2_F010",
        },
        lost=F010,
    ),
    Fault(
        "a file in another session's folder",
        lambda root: speech(root / "Session1/sentences/wav/Ses05F_script02_2/Ses05F_script02_2_F010.wav"),
        excluded={
            "Session1/sentences/wav/Ses05F_script02_2/Ses05F_script02_2_F010.wav": (
                "folder and name disagree on the session: Session1 and Ses05"
            )
        },
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / f"{WAVS}Ses05F_script02_2_F010.wav"),
        excluded={f"{WAVS}Ses05F_script02_2_F010.wav": "truncated: its header promises more than the file holds"},
        lost=F010,
    ),
    Fault(
        "no labels at all",
        lambda root: [(root / f"Session{n}/dialog/EmoEvaluation").rename(root / f"Session{n}/labels") for n in (1, 5)],
        error="there is no folder Session\\*/dialog/EmoEvaluation",
    ),
]
