"""CASIA: the folders as they circulate, a copy by emotion beside them, and the part that is left out."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import cut_short, speech

CORPORA = ("casia",)
FIRST = "CASIA database/liuchanhg/angry/201.wav"
LOST = ("casia_liuchanhg-201-angry-liuchanhg",)
NAMES = (
    *(f"CASIA database/liuchanhg/{word}/201.wav" for word in ("angry", "fear", "happy", "neutral", "sad", "surprise")),
    "CASIA database/ZhaoZuoxiang/angry/201.wav",
    "CASIA database/ZhaoZuoxiang/sad/250.wav",
    "6/fear/202-fear-wangzhe.wav",
    "6/happy/250-happy-wangzhe.wav",
)


def build(root: Path) -> None:
    """Write two speakers by speaker and one by emotion."""
    for name in NAMES:
        speech(root / name)


def _first(name: str, to: str, reason: str) -> Fault:
    def move(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / FIRST).rename(root / to)

    return Fault(name, move, excluded={to: reason}, lost=LOST)


FAULTS = [
    _first("a name that does not parse", "CASIA database/liuchanhg/angry/a201.wav", "name not understood"),
    _first("an unknown speaker", "CASIA database/zhaoyan/angry/201.wav", "name not understood"),
    _first("an unknown speaker in a name", "6/angry/201-angry-zhaoyan.wav", "name not understood"),
    _first("a folder of no emotion", "CASIA database/liuchanhg/awe/201.wav",
           "unknown emotion 'awe': say in conf/emotions.yaml what it means"),
    _first("a name and a folder of two emotions", "6/sad/201-angry-liuchanhg.wav",
           "folder and name disagree on the emotion: sad and angry"),
    _first("the part with sentences for each emotion", "不同文本100/Chang.Liu/angry/201.wav",
           "sentence of one emotion only"),
    Fault(
        "a file in both forms",
        lambda root: speech(root / "6/angry/201-angry-liuchanhg.wav"),
        excluded={FIRST: "duplicate: 6/angry/201-angry-liuchanhg.wav has the same name"},
    ),
    Fault(
        "a truncated file",
        lambda root: cut_short(root / FIRST),
        excluded={FIRST: "truncated: its header promises more than the file holds"},
        lost=LOST,
    ),
]  # fmt: skip
