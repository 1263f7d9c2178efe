"""nEMO: its table and its folder of audio, two actors, every emotion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("nemo",)
HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"
# The speakers stand behind blanks in the table as it is published.
ROWS = (
    'EB0_anger_1.wav\tanger\tLubię "czytać".\tlubię czytać\t        EB0\tfemale\t27',
    "EB0_happiness_12.wav\thappiness\tMój teść.\tmój teść\t        EB0\tfemale\t27",
    "EB0_neutral_90.wav\tneutral\tTo.\tto\t        EB0\tfemale\t27",
    "MP0_fear_2.wav\tfear\tTak.\ttak\t        MP0\tmale\t24",
    'MP0_sadness_1.wav\tsadness\tLubię "czytać".\tlubię czytać\t        MP0\tmale\t24',
    "MP0_surprised_12.wav\tsurprised\tMój teść.\tmój teść\t        MP0\tmale\t24",
)


def build(root: Path) -> None:
    """Write the tree."""
    for row in ROWS:
        speech(root / "samples" / row.partition("\t")[0], rate=24000)
    _write(root, (HEADER, *ROWS))


def _write(root: Path, lines: tuple[str, ...]) -> None:
    (root / "data.tsv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig", newline="")


def _edit(old: str, new: str) -> Callable[[Path], None]:
    """Change the first row."""
    return lambda root: _write(root, (HEADER, ROWS[0].replace(old, new), *ROWS[1:]))


def _row(name: str, old: str, new: str, reason: str, *further: tuple[str, str]) -> Fault:
    """Say what becomes of the first utterance, on line 2 of the table, when its row is spoilt."""
    return Fault(
        name, _edit(old, new), excluded={"data.tsv:2": reason, **dict(further)}, lost=("nemo_EB0-EB0_anger_1",)
    )


FILE = "samples/EB0_anger_1.wav"
NO_ROW = (FILE, "not in data.tsv")
FAULTS = [
    Fault("no table", lambda root: (root / "data.tsv").unlink(),
          error="there is no data.tsv; expected layout: data.tsv and samples/EB0_anger_1.wav"),
    Fault("no audio", lambda root: (root / "samples").rename(root / "wav"),
          error="there is no audio in its folder samples"),
    Fault(
        "a table without its columns",
        lambda root: _write(root, ("file_id\temotion", "EB0_anger_1.wav\tanger")),
        error=r"data\.tsv: expected a header with the columns file_id, .* has file_id, emotion;",
    ),
    Fault(
        "a file that is not there",
        lambda root: (root / "samples/MP0_fear_2.wav").unlink(),
        excluded={"samples/MP0_fear_2.wav": "no such audio file"},
        lost=("nemo_MP0-MP0_fear_2",),
    ),
    Fault(
        "a file that is in no row",
        lambda root: speech(root / "samples/KD0_sadness_9.wav"),
        excluded={"samples/KD0_sadness_9.wav": "not in data.tsv"},
    ),
    _row("a row cut short", ROWS[0], "EB0_anger_1.wav\tanger\tTo.", "row not understood", NO_ROW),
    _row("a row with an unknown gender", "EB0\tfemale\t27", "EB0\tnobody\t27", "row not understood", NO_ROW),
    _row("a row without a text", 'Lubię "czytać".', "", "row not understood", NO_ROW),
    _row("a row of another emotion than its name", "EB0_anger_1.wav\tanger", "EB0_anger_1.wav\tfear",
         "name not understood or not as its row says: EB0_anger_1.wav"),
    _row("a row of another speaker than its name", ROWS[0], ROWS[0].replace("        EB0", "KD0"),
         "name not understood or not as its row says: EB0_anger_1.wav"),
    _row("a name that says nothing", "EB0_anger_1.wav", "1.wav",
         "name not understood or not as its row says: 1.wav", NO_ROW),
    Fault(
        "an unknown emotion",
        lambda root: (
            _edit("EB0_anger_1.wav\tanger", "EB0_rage_1.wav\trage")(root),
            (root / FILE).rename(root / "samples/EB0_rage_1.wav"),
        ),
        excluded={"samples/EB0_rage_1.wav": "unknown emotion 'rage': say in conf/emotions.yaml what it means"},
        lost=("nemo_EB0-EB0_anger_1",),
    ),
]  # fmt: skip
