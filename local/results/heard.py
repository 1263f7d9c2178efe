"""Which corpora an encoder has heard in training: how results say so, in ``meta.json`` and in columns of CSV files.

A corpus that it heard without labels stands there by its name, one whose emotions it was taught as ``name:labels``, and
one of which nobody can say as ``name:unknown``. An entry of conf/encoders.yaml names whole corpora, not parts of them:
whichever folds test, all of a corpus counts as heard.
"""

from __future__ import annotations

from collections.abc import Iterable

from local.encoders import EncoderSpec

PLAIN, LABELS, UNKNOWN = HOW = ("", "labels", "unknown")
WORDS = {PLAIN: "", LABELS: " with labels", UNKNOWN: " perhaps"}


def say(encoder: EncoderSpec, corpora: Iterable[str]) -> list[str]:
    """Say which of some corpora an encoder has heard or may have heard; nothing of the others.

    Examples
    --------
    >>> say(EncoderSpec("x", pretrained_on=["emodb", "esd"], finetuned_on=["esd"]), ["emodb", "esd", "zed"])
    ['emodb', 'esd:labels']
    >>> say(EncoderSpec("x", unlisted=True), ["zed"])
    ['zed:unknown']
    """
    found = []
    for corpus in dict.fromkeys(corpora):
        if corpus in encoder.finetuned_on:
            found.append(f"{corpus}:{LABELS}")
        elif corpus in encoder.pretrained_on:
            found.append(corpus)
        elif encoder.unlisted:
            found.append(f"{corpus}:{UNKNOWN}")
    return found


def read(said: Iterable[str]) -> dict[str, str]:
    """Read what :func:`say` said: corpus to one of :data:`HOW`."""
    parts = (one.partition(":") for one in said if one)
    return {corpus: how for corpus, _, how in parts}


def in_words(said: Iterable[str]) -> str:
    """Say it for people: ``emodb, esd with labels, zed perhaps``."""
    return ", ".join(f"{corpus}{WORDS[how]}" for corpus, how in read(said).items())


def unheard(group: str) -> str:
    """Name the group of those conditions of a group of which no compared encoder heard anything (local/score)."""
    return f"{group}, unheard"
