"""The records that corpus modules yield: small, immutable, and free of any audio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one utterance that carries one emotion; times in seconds, from the utterance's beginning."""

    start: float
    duration: float
    emotion: str  # the corpus's own word


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance as a corpus describes it; nothing about it has been checked. What is not known is empty."""

    name: str  # what the corpus calls it, unique within the corpus; published fold lists go by it
    speaker: str  # what the corpus calls who speaks
    path: Path  # the audio file
    emotion: str  # the corpus's own word, which conf/emotions.yaml translates
    person: str = ""  # names who speaks in all corpora, where a corpus can say; else its entry's `persons` counts
    language: str = ""  # ISO 639-1 code; empty for the language of the corpus's entry in conf/corpora.yaml
    gender: str = ""  # f or m
    text: str = ""  # transcript
    sentence: str = ""  # names the prompt: the same prompt has the same name whoever speaks it
    session: str = ""  # names the recording session
    delivery: str = ""  # how it was brought about, where a corpus has several ways: scripted, improvised
    start: float = 0.0  # where in the file, in seconds
    end: float | None = None  # None for the end of the file
    spans: tuple[Span, ...] = ()  # where the emotion is known to the second, which makes a segment-level corpus


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that a corpus holds and that will not be used."""

    item: str  # a file relative to the corpus's root, or a line of an annotation file
    reason: str  # a kind, which exclusions are counted by, and perhaps after ": " the details

    @property
    def kind(self) -> str:
        """The reason without its details."""
        return self.reason.partition(": ")[0]
