"""What stage 7 may be told: the section ``listen`` of an experiment."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from utils.config_fields import some_of


@dataclass
class Listen:
    """A listening test (stage 7, docs/listening.md); none while ``corpora`` and ``segments`` are empty."""

    corpora: list[str] = field(default_factory=list)  # whose clips are heard for their emotion, the one of `emotions`
    # Corpora of whose clips, besides, the part that shows the emotion most is marked.
    segments: list[str] = field(default_factory=list)
    each: int = 3  # clips of each emotion and language, in each of the two tasks
    # Utterances that are heard instead of those drawn; of a task whose corpora have none of them, clips are drawn.
    clips: list[str] = field(default_factory=list)
    # Listeners are invited in groups of these names: by native language, say, as study A's.
    groups: list[str] = field(default_factory=lambda: ["listeners"])
    listeners: int = 6  # invited into each group: one link each
    # What the page can be read in, the first at first: languages that conf/listen/<language>.yaml has words for.
    languages: list[str] = some_of(["en"], "de", "zh")
    # What is asked at the beginning, beside the agreement to take part; every answer may be left out.
    questions: list[str] = some_of(["native_language", "other_languages", "age", "gender"])
    headphones: int = 6  # tones of a headphone check (Woods et al. 2017), 0 for none
    practice: int = 2  # clips before each task whose answers do not count
    attention: int = 2  # clips in each task for which the page says what to answer
    rest: int = 24  # clips after which a break is offered
    plays: int = 0  # a clip can be played so many times; 0: as often as one likes
    loudness: float | None = None  # all clips are brought to so many LUFS (ITU-R BS.1770-4); null leaves them
    seed: int = 0  # of clips and orders
    port: int = 8650  # of the server, on this machine alone: 127.0.0.1
    address: str = ""  # what links begin with where another server stands before this one: https://listen.example.org
    simulated: int = 0  # listeners made up in each group, marked in every table; for synthetic corpora only

    def __post_init__(self) -> None:
        if min(self.each, self.listeners, self.rest) < 1 or not 0 < self.port < 65536:
            raise ValueError("listen.each, listeners and rest must be positive, port between 1 and 65535")
        if min(self.headphones, self.practice, self.attention, self.plays, self.simulated) < 0:
            raise ValueError("listen.headphones, practice, attention, plays and simulated must be 0 or more")
        if twice := [utt for utt, number in Counter(self.clips).items() if number > 1]:
            raise ValueError(f"listen.clips: '{twice[0]}' is there twice")
        if not self.groups or not self.languages:
            raise ValueError("listen.groups and languages must not be empty")
        for name in self.groups:
            if not re.fullmatch(r"\w+", name, re.ASCII):
                raise ValueError(f"listen.groups: '{name}': expected letters, digits and _")
