"""What systems from outside the repository are scored: the section ``outside`` of an experiment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from utils.config_fields import one_of


@dataclass
class Outside:
    """A system from outside, of which nothing is known but what it says of utterances (docs/outside.md)."""

    name: str  # how tables call it; an encoder has another name
    file: str  # what it says, a .csv, .tsv or .jsonl of the recipe
    corpora: list[str] = field(default_factory=list)  # corpora that the file is of; all where none is named
    words: dict[str, str] = field(default_factory=dict)  # its words for emotions, and ours: {joy: happy}
    # What becomes of a test utterance of which it says nothing: refuse stops; leave_out: it is tested on the others,
    # and compared on what both were tested on.
    missing: str = one_of("refuse", "leave_out")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", self.name):
            raise ValueError(f"outside: the name '{self.name}' is not of letters, digits, '_', '.' and '-'")
