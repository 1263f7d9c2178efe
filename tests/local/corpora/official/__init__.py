"""Small trees under the names that corpora really use, one module a corpus module, and faults planted in them.

``tests/local/corpora/official/<module>.py`` has

    CORPORA: tuple[str, ...]
        The entries of ``conf/corpora.yaml`` that its tree serves.
    build(root: Path) -> None
        Write the tree: a few utterances a speaker and emotion.
    FAULTS: list[Fault]
        What is done to a whole tree, and what must be said of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A fault planted in a tree.

    Attributes
    ----------
    name : str
        What is wrong, in a few words.
    spoil : callable
        Plants it, given the root.
    error : str
        Regular expression of the error that must come; empty if the rest of the corpus must still be prepared.
    excluded : dict of str to str
        What ``excluded.tsv`` must hold beyond what it holds for the whole tree: item to reason.
    lost : tuple of str
        Ids of the utterances that the data directory must lack against the whole tree's; all others must stay.
    corpus : str
        The entry to prepare; the default is the first of the module's ``CORPORA``.
    """

    name: str
    spoil: Callable[[Path], None]
    error: str = ""
    excluded: dict[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    corpus: str = ""
