"""ZED: ``ZED.json`` and the files that it names, with ids as the module takes them: speaker, ``_``, number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("zed",)


def _entry(name: str, *events: tuple[str, float, float], text: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "wav": f"datafolder/{name}.wav",
        "duration": 2.0,
        "emotion": [{"emo": emotion, "start": start, "end": end} for emotion, start, end in events],
    }
    return entry | ({"transcription": text} if text else {})


ENTRIES = {
    "s01_1": _entry("s01_1", ("happy", 0.5, 1.25), text="That is a surprise."),  # neutral before and after
    "s01_2": _entry("s01_2", ("angry", 0.0, 1.5)),
    "s02_1": _entry("s02_1", ("sad", 1.1, 2.0)),
    "s02_2": _entry("s02_2", ("sad", 0.0, 2.0)),  # no neutral
    "s03_1": _entry("s03_1", ("angry", 1.5, 1.9), ("happy", 0.2, 1.0)),  # two emotions, of which one is longer
    "s03_2": _entry("s03_2", ("happy", 0.0, 0.5), ("angry", 0.5, 1.0)),  # equally long
    "talk": _entry("talk", ("happy", 0.0, 1.9996)),  # no prefix; its end is the file's, rounded
}


def build(root: Path) -> None:
    """Write the tree."""
    for name in ENTRIES:
        speech(root / f"{name}.wav", 2.0)
    _write(root, ENTRIES)


def _write(root: Path, entries: dict[str, Any]) -> None:
    (root / "ZED.json").write_text(json.dumps(entries, indent=2))


def _with(name: str, **fields: Any) -> Callable[[Path], None]:
    return lambda root: _write(root, ENTRIES | {name: ENTRIES[name] | fields})


def _moved(root: Path) -> None:
    for path in root.glob("*.wav"):
        (root / "datafolder").mkdir(exist_ok=True)
        path.rename(root / "datafolder" / path.name)


NOT_UNDERSTOOD = {"ZED.json s01_2": "entry not understood, or its times are not in order"}
LOST = ("zed_s01-s01_2",)
FAULTS = [
    Fault("audio in a folder named datafolder, which is not a fault", _moved),
    Fault("no annotation", lambda root: (root / "ZED.json").unlink(), error="there is no ZED.json"),
    Fault("annotation cut short", lambda root: (root / "ZED.json").write_text('{"s01_1":\n'), error="ZED.json:2: not"),
    Fault("annotation of another shape", lambda root: (root / "ZED.json").write_text("[]"), error="expected an object"),
    Fault(
        "a file that the annotation does not name",
        lambda root: speech(root / "s09_1.wav"),
        excluded={"s09_1.wav": "not in ZED.json"},
    ),
    Fault(
        "an entry without a file",
        lambda root: (root / "s01_2.wav").unlink(),
        excluded={"s01_2.wav": "no such audio file"},
        lost=LOST,
    ),
    Fault("an entry without times", _with("s01_2", emotion=["angry"]), excluded=NOT_UNDERSTOOD, lost=LOST),
    Fault("an entry without a file's name", _with("s01_2", wav=None),
          excluded=NOT_UNDERSTOOD | {"s01_2.wav": "not in ZED.json"}, lost=LOST),  # fmt: skip
    Fault(
        "overlapping emotions",
        _with("s01_2", emotion=_entry("", ("angry", 0.0, 1.5), ("sad", 1.0, 2.0))["emotion"]),
        excluded=NOT_UNDERSTOOD,
        lost=LOST,
    ),
    Fault(
        "an emotion that ends before it begins",
        _with("s01_2", emotion=_entry("", ("angry", 1.5, 1.0))["emotion"]),
        excluded=NOT_UNDERSTOOD,
        lost=LOST,
    ),
    Fault(
        "an emotion beyond the end of the file",
        _with("s01_2", emotion=_entry("", ("angry", 1.5, 2.5))["emotion"]),
        excluded={"s01_2.wav": "emotional spans outside the utterance"},
        lost=LOST,
    ),
    Fault(
        "an unknown emotion",
        _with("s01_2", emotion=_entry("", ("bewildered", 0.0, 1.5))["emotion"]),
        excluded={"s01_2.wav": "unknown emotion 'bewildered': say in conf/emotions.yaml what it means"},
        lost=LOST,
    ),
]
