"""nEMO: nine Polish actors, 90 sentences, six emotions, read in a studio.

Names are ``EB0_anger_1.wav``: speaker, emotion, sentence. ``data.tsv`` says the same, with text and gender.
Sources: https://github.com/amu-cai/nEMO; Christop, "nEMO: Dataset of emotional speech in Polish", LREC-COLING 2024.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from local.corpora.sources import audio_files, gender, read_rows, wrong_root

LAYOUT = "data.tsv and samples/EB0_anger_1.wav"
_NAME = re.compile(r"(\w+)_([a-z]+)_(\d+)\.wav")
_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


def check(root: Path, spec: CorpusSpec) -> None:
    """Raise a UserError when the root does not hold nEMO."""
    if not (root / "data.tsv").is_file():
        raise wrong_root(root, LAYOUT, "there is no data.tsv")
    if not audio_files(root / "samples"):
        raise wrong_root(root, LAYOUT, "there is no audio in its folder samples")


def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
    """Yield the utterances of data.tsv, then the files that it does not name."""
    named = set()
    for line, row in read_rows(root / "data.tsv", _COLUMNS):
        said = gender(row["gender"]) if row else None
        if not row or not said or not all(row[column] for column in _COLUMNS):
            yield Excluded(f"data.tsv:{line}", "row not understood")
            continue
        named.add(row["file_id"])
        match = _NAME.fullmatch(row["file_id"])
        if not match or match[1] != row["speaker_id"] or match[2] != row["emotion"]:
            yield Excluded(f"data.tsv:{line}", f"name not understood or not as its row says: {row['file_id']}")
            continue
        yield Utterance(
            name=Path(row["file_id"]).stem, speaker=row["speaker_id"], path=root / "samples" / row["file_id"],
            emotion=row["emotion"], gender=said, text=row["raw_text"], sentence=match[3],
        )  # fmt: skip
    for path in audio_files(root / "samples"):
        if path.name not in named:
            yield Excluded(path.relative_to(root).as_posix(), "not in data.tsv")
