"""Your own corpus, described by a table. From a folder of recordings to a prepared corpus in three steps:

1. Write a table with a header, one row an utterance: ``mycorpus.tsv`` (tab-separated) or ``mycorpus.csv``.

   =============  ==================================================================================
   ``path``       audio file, absolute or relative to the table's folder; any format libsndfile reads
   ``speaker``    who speaks; the same person, the same word (folds are cut by it)
   ``emotion``    any word of ``labels`` in conf/emotions.yaml, or of your own list there
   ``person``     optional: who that is in all corpora, where a person speaks in several (in another corpus, somebody
                  without this column is ``<corpus>_<speaker>``)
   ``language``   ISO 639-1 code; leave the column out when the entry below names the language
   ``gender``     optional: f, m, or empty
   ``text``       optional: transcript
   ``sentence``   optional: name of the prompt; the same prompt, the same name
   ``session``    optional: recording session
   ``start``      optional: where the utterance begins in the file, in seconds
   ``end``        optional: where it ends
   ``utterance``  optional: its name; the default is the file's name, with start and end if given
   =============  ==================================================================================

2. Name it in ``conf/corpora.yaml`` of your recipe (``egs/<recipe>/conf/corpora.yaml``)::

       mycorpus:
         module: table
         language: it
         root: /data/mycorpus/mycorpus.tsv

   and, when your words for emotions are not understood, say what they mean in ``conf/emotions.yaml`` there::

       labels:
         mycorpus: {rabbia: angry, gioia: happy, neutra: neutral, tristezza: sad}

3. Put ``mycorpus`` into ``corpora`` of the recipe's ``conf/experiment.yaml`` and run it.

``root`` may also be a folder that holds ``metadata.tsv`` or ``metadata.csv``; with ``--db-root DIR`` and no ``root``
it is ``DIR/mycorpus``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import gender, read_rows, short_names, wrong_root

LAYOUT = "a table (.tsv or .csv) with the columns path, speaker and emotion, or a folder with metadata.tsv or .csv"
_COLUMNS = ("path", "speaker", "emotion")


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root is not a table with the columns it must have."""
    required = _COLUMNS if spec.language != "mul" else (*_COLUMNS, "language")
    next(read_rows(_table(root), required), None)


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances, in the order of the table."""
    table = _table(root)
    rows = list(read_rows(table, _COLUMNS))
    # Joining keeps an absolute path as it is.
    paths = [os.path.join(table.parent, row["path"]) if row else "" for _, row in rows]
    names = short_names(path for path in paths if path)
    for (line, row), path in zip(rows, paths, strict=True):
        item = f"{table.name}:{line}"
        if not row or not all(row[column] for column in _COLUMNS):
            yield Excluded(item, "row without path, speaker or emotion, or with too many or too few columns")
            continue
        said, start, end = gender(row.get("gender", "")), _seconds(row, "start", 0.0), _seconds(row, "end", None)
        if said is None:
            yield Excluded(item, f"gender not understood: {row['gender']}")
        elif isinstance(start, str) or isinstance(end, str):
            yield Excluded(item, f"time not understood: start {row.get('start')}, end {row.get('end')}")
        else:
            times = [] if start == 0 and end is None else [start] if end is None else [start, end]
            name = "_".join([names[path], *(f"{round(1000 * time):07d}" for time in times)])
            yield Utterance(
                name=row.get("utterance") or name, speaker=row["speaker"], person=row.get("person", ""),
                path=Path(path), emotion=row["emotion"], language=row.get("language", ""), gender=said,
                text=row.get("text", ""), sentence=row.get("sentence", ""), session=row.get("session", ""),
                start=start, end=end,
            )  # fmt: skip


def _table(root: Path) -> Path:
    if root.is_file():
        return root
    found = [root / name for name in ("metadata.tsv", "metadata.csv") if (root / name).is_file()]
    if len(found) != 1:
        raise wrong_root(root, LAYOUT, "there is " + ("no table" if not found else "more than one table"))
    return found[0]


def _seconds(row: dict[str, str], column: str, default: float | None) -> float | str | None:
    word = row.get(column, "")
    if not word:
        return default
    try:
        value = float(word)
    except ValueError:
        return word
    return value if 0 <= value < math.inf else word
