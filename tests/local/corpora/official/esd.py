"""ESD: both releases' folders, and transcripts as mixed in encoding and form as those of the first release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("esd", "esd_en")
TOP = "Emotion Speech Dataset"
FILES = (
    "0001/Neutral/0001_000001",
    "0001/Angry/0001_000351",
    "0001/Happy/0001_000701",
    "0001/Sad/0001_001051",
    "0001/Surprise/0001_001401",
    "0010/Neutral/train/0010_000350",
    "0010/Angry/evaluation/0010_000352",
    "0010/Surprise/test/0010_001750",
    "0011/Neutral/0011_000002",
    "0011/Happy/0011_000702",
    "0016/Angry/0016_000352",
    "0016/Sad/0016_001400",
)
CHINESE = (
    "0001_000001\t打远一看，它们的确很是美丽，\t中立",
    "0001_000351\t打远一看，它们的确很是美丽，\t生气",
    "0001_000701\t打远一看，它们的确很是美丽，\t快乐",
    "0001_001051\t打远一看，它们的确很是美丽，\t伤心",
    "0001_001401\t打远一看，它们的确很是美丽，\t惊喜",
)
TRANSCRIPTS = {
    "0001": ("gb2312", "\r\n", CHINESE),
    "0010": ("utf-16", "\r\n", ("0010_000350\t好。\t中立", "0010_000352\t走吧。\t生气", "", "0010_001750\t好。\t惊喜")),
    "0011": ("utf-8-sig", "\n", ("0011_000002\tThey went home.\tNeutral", "0011_000702 They went home. Happy")),
    # An English text typed on a Chinese keyboard; the second row lacks its emotion.
    "0016": ("gb2312", "\n", ("0016_000352\tThey’re home.\tAngry", "0016_001400\tIt’s late.")),
}


def build(root: Path) -> None:
    """Write two speakers of each half."""
    for name in FILES:
        speech(root / TOP / f"{name}.wav")
    for speaker in TRANSCRIPTS:
        _write(root, speaker)


def _write(root: Path, speaker: str, rows: tuple[str, ...] | None = None) -> None:
    encoding, end, whole = TRANSCRIPTS[speaker]
    text = end.join(whole if rows is None else rows) + end
    (root / TOP / speaker / f"{speaker}.txt").write_bytes(text.encode(encoding))


def _edit(old: str, new: str) -> Callable[[Path], None]:
    """Change the rows of speaker 0001."""
    return lambda root: _write(root, "0001", tuple(row.replace(old, new) for row in CHINESE))


def _move(old: str, new: str) -> Callable[[Path], None]:
    """Rename a file or folder of the tree."""

    def move(root: Path) -> None:
        (root / TOP / new).parent.mkdir(parents=True, exist_ok=True)
        (root / TOP / old).rename(root / TOP / new)

    return move


FIRST = "0001/Neutral/0001_000001.wav"
LOST = ("esd_0001-0001_000001",)
ROW = f"{TOP}/0001/0001.txt:1"
NO_FILE = "no audio file: 0001_000001"


def _first(name: str, to: str, reason: str, row: bool = True) -> Fault:
    """Say what becomes of the first file when it is moved, and of its row if no file has its name any more."""
    return Fault(
        name, _move(FIRST, to), excluded={f"{TOP}/{to}": reason} | ({ROW: NO_FILE} if row else {}), lost=LOST
    )


FAULTS = [
    Fault(
        "a half that is not there",
        lambda root: [_move(speaker, f"further {speaker}")(root) for speaker in ("0011", "0016")],
        error="there is no folder of a speaker 0011 to 0020; expected layout: 0001/0001.txt",
        corpus="esd_en",
    ),
    Fault(
        "a speaker without a transcript",
        lambda root: (root / TOP / "0001/0001.txt").unlink(),
        excluded={f"{TOP}/0001/0001.txt": "utterances without text: 5 of 5, no such file"},
    ),
    Fault(
        "a transcript in an unknown encoding",
        lambda root: (root / TOP / "0001/0001.txt").write_bytes(b"0001_000001\t\xff\xff\tNeutral\n"),
        excluded={f"{TOP}/0001/0001.txt": "utterances without text: 5 of 5, encoding unknown"},
    ),
    Fault(
        "a file that is in no row",
        lambda root: _write(root, "0001", CHINESE[1:]),
        excluded={f"{TOP}/0001/0001.txt": "utterances without text: 1 of 5, first 0001_000001"},
    ),
    Fault(
        "a row without a text",
        _edit("\t打远一看，它们的确很是美丽，\t中立", "\t中立"),
        excluded={f"{TOP}/0001/0001.txt": "utterances without text: 1 of 5, first 0001_000001"},
    ),
    Fault("a row without an emotion", _edit("\t中立", "")),
    Fault(
        "a row that is none",
        _edit("0001_000001\t", "0001\t"),
        excluded={
            ROW: "row not understood",
            f"{TOP}/0001/0001.txt": "utterances without text: 1 of 5, first 0001_000001",
        },
    ),
    Fault(
        "a row that comes twice",
        lambda root: _write(root, "0001", (*CHINESE, CHINESE[0])),
        excluded={f"{TOP}/0001/0001.txt:6": "row repeated: 0001_000001"},
    ),
    Fault(
        "a row without a file",
        lambda root: (root / TOP / FIRST).unlink(),
        excluded={ROW: NO_FILE},
        lost=LOST,
    ),
    Fault(
        "an unknown emotion in a row",
        _edit("中立", "害怕"),
        excluded={f"{TOP}/{FIRST}": "emotion in the transcript not understood: 害怕"},
        lost=LOST,
    ),
    Fault(
        "a row of another emotion",
        _edit("中立", "伤心"),
        excluded={f"{TOP}/{FIRST}": "folder and transcript disagree on the emotion: neutral and 伤心"},
        lost=LOST,
    ),
    _first("a file in another emotion's folder", "0001/Sad/0001_000001.wav",
           "folder and number disagree on the emotion: sad and neutral", row=False),
    _first("a folder of no emotion", "0001/Fear/0001_000001.wav", "not in the folder of an emotion", row=False),
    _first("a file in no emotion's folder", "0001/0001_000001.wav", "not in the folder of an emotion", row=False),
    _first("a folder in an emotion's folder", "0001/Neutral/old/0001_000001.wav",
           "not in the folder of an emotion", row=False),
    _first("a name that does not parse", "0001/Neutral/0001_1.wav", "name not understood"),
    _first("a number beyond the last", "0001/Neutral/0001_001751.wav", "name not understood"),
    _first("a file of another speaker", "0001/Neutral/0002_000001.wav",
           "folder and name disagree on the speaker: 0001 and 0002"),
    _first("a file beside the speakers", "0001_000001.wav", "not in the folder of a speaker"),
    Fault(
        "both releases in one folder",
        lambda root: speech(root / TOP / "0001/Neutral/train/0001_000001.wav"),
        excluded={f"{TOP}/0001/Neutral/train/0001_000001.wav": f"duplicate: {TOP}/{FIRST} has the same name"},
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / TOP / FIRST),
        excluded={f"{TOP}/{FIRST}": "truncated: its header promises more than the file holds"},
        lost=LOST,
    ),
]  # fmt: skip
