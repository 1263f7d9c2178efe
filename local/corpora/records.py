"""The records that corpus modules yield: small, immutable, and free of any audio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one utterance that carries one emotion.

    Attributes
    ----------
    start, duration : float
        Seconds, from the utterance's beginning.
    emotion : str
        The corpus's own word.
    """

    start: float
    duration: float
    emotion: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance as a corpus describes it; nothing about it has been checked.

    Attributes
    ----------
    name : str
        What the corpus calls it, unique within the corpus; published fold lists go by it.
    speaker : str
        What the corpus calls who speaks.
    path : Path
        The audio file.
    emotion : str
        The corpus's own word, which ``conf/emotions.yaml`` translates.
    language : str
        ISO 639-1 code; empty for the language of the corpus's entry in ``conf/corpora.yaml``.
    gender : str
        ``f``, ``m``, or empty where it is not known.
    text : str
        Transcript; empty where there is none.
    sentence : str
        Names the prompt: the same prompt has the same name whoever speaks it. Empty where not known.
    session : str
        Names the recording session; empty where there is none.
    delivery : str
        How it was brought about, where a corpus has several ways: ``scripted``, ``improvised``.
    start, end : float, float or None
        Where in the file, in seconds; the default is the whole file.
    spans : tuple of Span
        Where the emotion is known to the second, which makes a segment-level corpus.
    """

    name: str
    speaker: str
    path: Path
    emotion: str
    language: str = ""
    gender: str = ""
    text: str = ""
    sentence: str = ""
    session: str = ""
    delivery: str = ""
    start: float = 0.0
    end: float | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that a corpus holds and that will not be used.

    Attributes
    ----------
    item : str
        What: a file relative to the corpus's root, or a line of an annotation file.
    reason : str
        Why: a kind, which exclusions are counted by, and perhaps after ``": "`` the details.
    """

    item: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details."""
        return self.reason.partition(": ")[0]
