"""PAVOQUE: one recording and one annotation file a style, with prompts as they are called there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("pavoque",)
# Prompt and text; every utterance is half a second long.
STYLES = {
    "angry": [("spike0036", "Wieso?"), ("m0001", "Faye Dunaway war zweimal verheiratet.")],
    "happy": [
        ("poppy0043", "Wieso?"),
        ("m0001", "Faye Dunaway war zweimal verheiratet."),
        ("m0007", "t - Grand Menhir Brisé;"),
        ("poker_f0003", "Ich habe ein Paar."),
    ],
    "neutral": [("a0001", "Armand hatte noch zwei Schwestern."), ("prudence0001", "Nein")],
    "poker": [("m0001", "Faye Dunaway war zweimal verheiratet.")],
    "sad": [("obadiah0044", "Wieso?"), ("m0005", "'Als Interieur bezeichnet man:'")],
}
# Phones that a careless reader of YAML stumbles over.
PHONES = "  segments:\n" + "".join(f"  - {{lab: {phone}, end: 0.1}}\n" for phone in ("H#", "'@'", "y", "n", "'{'"))


def build(root: Path) -> None:
    """Write the tree."""
    for style, prompts in STYLES.items():
        speech(root / f"pavoque-{style}.flac", len(prompts) / 2, rate=44100, subtype="PCM_24")
        entries = [
            f"- prompt: {prompt}\n  text: {text}\n  style: {style}\n  start: {n / 2}\n  end: {n / 2 + 0.5}\n{PHONES}"
            for n, (prompt, text) in enumerate(prompts)
        ]
        (root / f"pavoque-{style}.yaml").write_text("".join(entries), encoding="utf-8")
    # As in the repository: takes that were not used, of all styles.
    outtakes = "- file: ./pavoque/StefanNeutral/wav/nonfinal/a0014a.wav\n  style: neutral\n"
    outtakes += "- prompt: m0017b\n  file: ./pavoque/StefanPoppy/wav/nonfinal/m0017b.wav\n  style: happy\n"
    (root / "pavoque-outtakes.yaml").write_text(outtakes, encoding="utf-8")


def _edit(old: str, new: str, style: str = "happy") -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / f"pavoque-{style}.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    return spoil


SAD = ("pavoque_stefan-obadiah0044-sad", "pavoque_stefan-m0005-sad")
M0007 = ("pavoque_stefan-m0007-happy",)
FAULTS = [
    Fault(
        "an annotation file is missing",
        lambda root: (root / "pavoque-sad.yaml").unlink(),
        excluded={"pavoque-sad.flac": "audio without an annotation of its own"},
        lost=SAD,
    ),
    Fault(
        "a recording is missing",
        lambda root: (root / "pavoque-sad.flac").unlink(),
        excluded={"pavoque-sad.yaml": "annotation without audio: there is no pavoque-sad.flac"},
        lost=SAD,
    ),
    Fault("the outtakes are there to be heard", lambda root: speech(root / "pavoque-outtakes.flac")),
    Fault(
        "utterances cut out beside the recordings",
        lambda root: speech(root / "build/wav/m0001-happy.wav"),
        excluded={"build/wav/m0001-happy.wav": "audio without an annotation of its own"},
    ),
    Fault(
        "an utterance of no length",
        _edit("start: 1.0\n  end: 1.5", "start: 1.5\n  end: 1.5"),
        excluded={"pavoque-happy.yaml entry 3": "times not understood: m0007 from 1.5 to 1.5"},
        lost=M0007,
    ),
    Fault(
        "an utterance that ends before it begins",
        _edit("start: 1.0\n  end: 1.5", "start: 1.0\n  end: 0.5"),
        excluded={"pavoque-happy.yaml entry 3": "times not understood: m0007 from 1.0 to 0.5"},
        lost=M0007,
    ),
    Fault(
        "an utterance that begins before the recording",
        _edit("start: 1.0\n", "start: -1.0\n"),
        excluded={"pavoque-happy.yaml entry 3": "times not understood: m0007 from -1.0 to 1.5"},
        lost=M0007,
    ),
    Fault(
        "a time that is no number",
        _edit("end: 1.5", "end: later"),
        excluded={"pavoque-happy.yaml entry 3": "times not understood: m0007 from 1.0 to later"},
        lost=M0007,
    ),
    Fault(
        "an utterance past the end of the recording",
        _edit("end: 2.0\n", "end: 2.5\n"),
        excluded={"pavoque-happy.flac poker_f0003-happy": "times outside the recording: 1.5-2.5 s of 2 s"},
        lost=("pavoque_stefan-poker_f0003-happy",),
    ),
    Fault(
        "an entry without a prompt",
        _edit("prompt: m0007\n  text", "text"),
        excluded={"pavoque-happy.yaml entry 3": "entry without prompt, style, start or end"},
        lost=M0007,
    ),
    Fault(
        "an entry in another style's file",
        _edit("text: t - Grand Menhir Brisé;\n  style: happy", "text: t - Grand Menhir Brisé;\n  style: sad"),
        excluded={"pavoque-happy.yaml entry 3": "style differs from the recording's: m0007 in sad"},
        lost=M0007,
    ),
    Fault(
        "a prompt twice",
        _edit("prompt: m0007", "prompt: m0001"),
        excluded={"pavoque-happy.flac m0001-happy": "duplicate: pavoque-happy.flac m0001-happy has the same name"},
        lost=M0007,
    ),
    Fault(
        "an annotation that is no YAML",
        lambda root: (root / "pavoque-happy.yaml").write_text("- {prompt: m0001\n", encoding="utf-8"),
        error="pavoque-happy.yaml: not valid YAML",
    ),
    Fault(
        "an annotation that is no list",
        lambda root: (root / "pavoque-happy.yaml").write_text("version: 0.2\n", encoding="utf-8"),
        error="pavoque-happy.yaml: expected a list of utterances, each with prompt, style, start, end",
    ),
]
