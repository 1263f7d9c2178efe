"""Which corpora there are: ``conf/corpora.yaml``, and what their words for emotions mean: ``conf/emotions.yaml``.

A recipe's own ``conf/corpora.yaml`` and ``conf/emotions.yaml`` (in the folder it runs in) add corpora and
words to the repository's, or change single fields of them. To add a corpus, write
``local/corpora/<module>.py`` with the two functions that every corpus module has,

    check(root: Path, spec: CorpusSpec) -> None
        Raise a UserError that shows the expected layout when ``root`` is not this corpus.
    scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]
        Yield every utterance, and everything that looks like one but cannot be understood. Reads names
        and annotations, never audio: durations and damaged files are found by local/corpora/prepare.py.

and give it an entry in ``conf/corpora.yaml``. Where files' names say everything, :func:`local.corpora.sources.by_name`
makes both functions; words for emotions that ``conf/emotions.yaml`` does not know go there.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from local import labels
from utils import registry
from utils.errors import UserError

LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class Expected:
    """What the whole corpus holds, as its makers say; zero or empty where they do not."""

    speakers: int = 0
    utterances: int = 0
    hours: float = 0.0
    emotions: dict[str, int] = field(default_factory=dict)  # the corpus's own word: utterances


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus's entry in ``conf/corpora.yaml``."""

    name: str  # the entry's key, and the name of its data directory
    module: str = ""  # local/corpora/<module>.py reads it; the default is the entry's name
    language: str = ""  # ISO 639-1 code; mul where utterances differ
    title: str = ""  # full name, for people
    licence: str = ""  # as stated
    source: str = ""  # official page
    access: str = "download"  # how one gets it: download, or who must be asked
    download: list[dict[str, Any]] = field(default_factory=list)  # items of local/corpora/download.py
    country: str = ""  # where its speakers are from, as far as its makers say
    style: str = ""  # how the emotions came about: acted, elicited, natural, or several of them
    segment_level: bool = False  # whether it says when within an utterance the emotion is heard
    studies: list[str] = field(default_factory=list)  # which of the studies in the README use it: A, B, C
    tried_on: str = ""  # on how much of its real audio this repository's recipes have been run; empty for none
    synthetic: bool = False  # whether nobody spoke it, which every table must say
    # Where it is; empty for <--db-root>/<name>. A relative one starts at the folder that holds the entry's conf folder.
    root: str = ""
    # Corpora with the same word here have the same people: a speaker's name means one person in all of them.
    persons: str = ""
    published: str = ""  # its folder in split.published_dir; the default is the entry's name
    emobox: str = ""  # its folder in EmoBox's data; empty where EmoBox does not have it
    options: dict[str, Any] = field(default_factory=dict)  # what only its module understands
    expected: Expected = field(default_factory=Expected)  # counts of the whole corpus


def names(recipe: str | Path = ".") -> list[str]:
    """List the corpora that a recipe may name, sorted."""
    return sorted(_entries(recipe))


def spec(name: str, recipe: str | Path = ".") -> CorpusSpec:
    """Look a corpus up by its name, as in ``corpora`` of an experiment; ``recipe`` is the recipe's folder.

    Raises
    ------
    UserError
        There is no such corpus (the nearest name is suggested), or its entry is malformed.
    """
    place, _, entry = registry.look_up(_entries(recipe), name, "corpus")
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise UserError(f"{place}: the name of the corpus '{name}' may hold letters, digits and '_' only")
    expected = registry.fill(Expected, entry.pop("expected", None) or {}, f"{place}: {name}.expected")
    result = registry.fill(CorpusSpec, entry, f"{place}: {name}", name=name, expected=expected)
    if not LANGUAGE.fullmatch(result.language):
        raise UserError(f"{place}: {name}.language is '{result.language}', expected an ISO 639-1 code such as 'de'")
    return dataclasses.replace(result, module=result.module or name, published=result.published or name)


def module(corpus: CorpusSpec) -> ModuleType:
    """Import the module that reads a corpus."""
    if not (Path(__file__).parent / f"{corpus.module}.py").is_file():
        raise UserError(f"corpus '{corpus.name}': there is no local/corpora/{corpus.module}.py; correct its 'module'")
    return importlib.import_module(f"local.corpora.{corpus.module}")


def emotion_words(corpus: CorpusSpec, variants: Iterable[str] = (), recipe: str | Path = ".") -> dict[str, str]:
    """Tell what a corpus's own words for emotions mean (:func:`local.labels.words`).

    The words listed for its name count before those listed for its module, and those before ``common``.
    """
    return labels.words(("common", corpus.module, corpus.name), variants, recipe)


def root_of(corpus: CorpusSpec, db_root: Path | None, recipe: str | Path = ".", there: bool = True) -> Path:
    """Tell where a corpus is, an absolute path: ``root`` of its entry, else its name in ``db_root``.

    Raises
    ------
    UserError
        Nobody says where it is, or ``there`` and it is not there.
    """
    if corpus.root:
        entry = _entries(recipe)[corpus.name]
        root, said = entry.base / corpus.root, f"{entry.place}: {corpus.name}.root"
    elif db_root:
        root, said = db_root / corpus.name, f"--db-root {db_root}"
    else:
        raise UserError(
            f"corpus '{corpus.name}': say where it is: --db-root DIR when it is at DIR/{corpus.name}, "
            f"or 'root' of its entry in the recipe's conf/corpora.yaml"
        )
    root = root.absolute()
    if there and not root.exists():
        source = f"; get it from {corpus.source}" if corpus.source else ""
        source += "; or run with --stage download" if corpus.download else ""
        raise UserError(f"{said}: there is no {root}{source}")
    return root


def _entries(recipe: str | Path) -> dict[str, registry.Entry]:
    return registry.read("corpora.yaml", "root", recipe)
