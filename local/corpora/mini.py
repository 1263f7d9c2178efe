"""The bundled corpus of synthetic speech (egs/mini/make_corpus.py): each language is a corpus of its own.

``metadata.tsv`` says where in which voice's recording every utterance is. With ``options: {changes: true}`` it is
``sed.tsv`` instead, utterances of all languages whose emotion changes, and ``sed.rttm`` says when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Span, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import read_rows, wrong_root
from utils.errors import UserError
from utils.table import read_text

LAYOUT = "metadata.tsv, sed.tsv, sed.rttm and de/de1.ogg"
_COLUMNS = ("recording", "utterance", "speaker", "gender", "language", "emotion", "start", "end")


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold the bundled corpus."""
    for name in ("metadata.tsv", "sed.tsv", "sed.rttm"):
        if not (root / name).is_file():
            raise wrong_root(root, LAYOUT, f"there is no {name}; make the corpus with egs/mini/make_corpus.py")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of the entry's language, or those whose emotion changes."""
    changes = bool(spec.options.get("changes"))
    table = root / ("sed.tsv" if changes else "metadata.tsv")
    spans = _spans(root / "sed.rttm") if changes else {}
    for line, row in read_rows(table, _COLUMNS):
        try:
            start, end = (float(row["start"]), float(row["end"])) if row else (0.0, 0.0)
        except ValueError:
            row = None
        if not row:
            yield Excluded(f"{table.name}:{line}", "row not understood")
        elif changes and row["utterance"] not in spans:
            yield Excluded(f"{table.name}:{line}", "not in sed.rttm")
        elif changes or row["language"] == spec.language:
            yield Utterance(
                name=row["utterance"], speaker=row["speaker"], emotion=row["emotion"], language=row["language"],
                path=root / row["language"] / f"{row['recording']}.ogg", gender=row["gender"],
                text=row.get("text", ""), sentence=row.get("sentence", ""), start=start, end=end,
                spans=tuple(spans.get(row["utterance"], ())),
            )  # fmt: skip


def _spans(path: Path) -> dict[str, list[Span]]:
    spans = defaultdict(list)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            _, utterance, _, start, duration, _, _, emotion, _, _ = line.split()
            spans[utterance].append(Span(float(start), float(duration), emotion))
        except ValueError:
            raise UserError(f"{path}:{number}: not a line of RTTM: {line!r}") from None
    return spans
