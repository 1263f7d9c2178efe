"""BanglaSER: a folder an actor; names as in RAVDESS with other numbers of emotions."""

from __future__ import annotations

from pathlib import Path

from tests.local.corpora.official import Fault
from tests.local.corpora.trees import speech

CORPORA = ("banglaser",)
ACTORS = {
    "01": ("01-01-01-01", "02-01-02-01", "03-02-03-01", "04-02-01-02", "05-01-01-03"),  # emotion, ..., repetition
    "34": ("01-01-01-01", "02-01-01-01", "03-02-02-01", "04-02-03-03"),
}


def build(root: Path) -> None:
    """Write an actor with all emotions, and one who, as seven do, has no neutral speech."""
    for actor, names in ACTORS.items():
        for name in names:
            speech(root / f"BanglaSER/Actor {int(actor)}/03-01-{name}-{actor}.wav")


def _ravdess(root: Path) -> None:
    for emotion in range(1, 9):
        speech(root / f"Actor_01/03-01-{emotion:02d}-01-01-01-01.wav")


def _rename(before: str, after: str) -> Fault:
    folder = "BanglaSER/Actor 34"
    emotion = after[6:8]
    known = emotion in {"01", "02", "03", "04", "05"}
    reason = "name not understood" if known else f"unknown emotion '{emotion}': say in conf/emotions.yaml what it means"
    return Fault(
        f"{after} for {before}",
        lambda root: (root / folder / f"{before}.wav").rename(root / folder / f"{after}.wav"),
        excluded={f"{folder}/{after}.wav": reason},
        lost=(f"banglaser_34-{before}",),
    )


FAULTS = [
    _rename("03-01-01-01-01-01-34", "03-01-01-01-01-34"),  # a field too few
    _rename("03-01-01-01-01-01-34", "03-01-01-01-01-01-35"),  # no such actor
    _rename("03-01-01-01-01-01-34", "03-01-01-01-04-01-34"),  # no such sentence
    _rename("03-01-01-01-01-01-34", "03-01-09-01-01-01-34"),  # no such emotion
    Fault(
        "an actor's file a second time in another folder",
        lambda root: speech(root / "BanglaSER/Neutral/new/03-01-05-01-01-03-01.wav"),
        excluded={
            "BanglaSER/Neutral/new/03-01-05-01-01-03-01.wav": (
                "duplicate: BanglaSER/Actor 1/03-01-05-01-01-03-01.wav has the same name"
            )
        },
    ),
    Fault("RAVDESS in its place", _ravdess, error="the emotions 06, 07 and 08 are those of RAVDESS; expected layout"),
]
