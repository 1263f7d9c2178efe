"""ShEMO: its two folders and ``shemo.json``; two speakers, every emotion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("shemo",)
TRANSCRIPTS = {
    "F01A01": ("angry", "دیگه نمی\u200eتونم تحمل کنم."),
    "F01F02": ("fearful", "تو داری می\u200eمیری"),
    "F01H01": ("happy", "منبعش موثقه."),
    "M02N14": ("neutral", "چی می\u200eخوای بگی؟"),
    "M02S01": ("sad", "\ufeffآخه دردش می\u200cآد."),
    "M02W09": ("surprised", "فرانسه؟"),
}
FOLDERS = {"F": "female", "M": "male"}


def build(root: Path) -> None:
    """Write the tree."""
    for name in TRANSCRIPTS:
        speech(root / FOLDERS[name[0]] / f"{name}.wav", rate=44100)
    entries = [
        {"id": name, "gender": FOLDERS[name[0]], "emotion": emotion, "transcript": text, "ipa": "-"}
        for name, (emotion, text) in TRANSCRIPTS.items()
    ]
    (root / "shemo.json").write_text(json.dumps(entries, indent=4))


def _edit(change: Callable[[list[dict]], object]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        entries = json.loads((root / "shemo.json").read_text())
        (root / "shemo.json").write_text(json.dumps(change(entries) or entries))

    return spoil


def _rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda root: (root / f"female/{old}.wav").rename(root / f"female/{new}.wav")


FAULTS = [
    Fault("no shemo.json", lambda root: (root / "shemo.json").unlink()),
    Fault("an utterance is not in shemo.json", _edit(lambda entries: entries.pop(0) and None)),
    Fault(
        "a transcript has no audio",
        lambda root: (root / "female/F01A01.wav").unlink(),
        excluded={"shemo.json F01A01": "transcript without an audio file"},
        lost=("shemo_F01-F01A01",),
    ),
    Fault(
        "shemo.json says another emotion",
        _edit(lambda entries: entries[0].update(emotion="sad")),
        excluded={"female/F01A01.wav": "name and shemo.json disagree on the emotion: A and sad"},
        lost=("shemo_F01-F01A01",),
    ),
    Fault(
        "an unknown letter for the emotion",
        _rename("F01A01", "F01X01"),
        excluded={
            "female/F01X01.wav": "unknown emotion 'X': say in conf/emotions.yaml what it means",
            "shemo.json F01A01": "transcript without an audio file",
        },
        lost=("shemo_F01-F01A01",),
    ),
    Fault(
        "a name that says nothing",
        _rename("F01A01", "track 1"),
        excluded={
            "female/track 1.wav": "name not understood",
            "shemo.json F01A01": "transcript without an audio file",
        },
        lost=("shemo_F01-F01A01",),
    ),
    Fault("entries without transcripts", _edit(lambda entries: entries[0].pop("transcript") and None),
          error=r"shemo\.json: expected id, emotion and transcript of every utterance"),
    Fault("a shemo.json cut short", lambda root: (root / "shemo.json").write_text('[\n{"id": "F01A01",'),
          error=r"shemo\.json:2: not valid JSON"),
]  # fmt: skip
