"""Folds that others have published, as lists of files with their labels.

``<published_dir>/<corpus>/{train,eval,test}/*_fold<k>.csv`` have the header ``file,answer``; ``eval`` is dev. A file
means the utterance that has its stem as name. Within a list an utterance counts once; that folds repeat one
another's test utterances stays as published, and the audit counts it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

from local.corpora.writer import clean_name, name_in
from local.experiment import Split
from local.splits.data import PAIRS, Corpus, Fold
from utils.errors import UserError
from utils.table import read_text

_FOLDERS = {"train": "train", "dev": "eval", "test": "test"}
_FOLD = re.compile(r".*_fold(\d+)")


def list_files(published_dir: Path, corpus: str) -> dict[str, dict[int, Path]]:
    """Find the lists of a corpus, which is a folder in ``published_dir``: part to fold to file.

    Raises
    ------
    UserError
        There are none, or the parts do not have the same folds, numbered from 0.
    """
    found: dict[str, dict[int, Path]] = {}
    for part, folder in _FOLDERS.items():
        files = sorted((published_dir / corpus / folder).glob("*.csv"))
        matches = [(_FOLD.fullmatch(path.stem), path) for path in files]
        found[part] = {int(match[1]): path for match, path in matches if match}
        if sorted(found[part]) != list(range(len(files))) or not files:
            raise UserError(
                f"{published_dir / corpus / folder}: expected one *_fold<k>.csv for each fold from 0, found "
                f"{', '.join(path.name for path in files) or 'no .csv files'}; correct split.published_dir, or the "
                f"corpus's `published` in conf/corpora.yaml"
            )
    if len({len(files) for files in found.values()}) > 1:
        counts = ", ".join(f"{folder} {len(found[part])}" for part, folder in _FOLDERS.items())
        raise UserError(f"{published_dir / corpus}: the parts differ in their number of folds: {counts}")
    return found


def read_list(path: Path) -> list[tuple[str, str]]:
    """Read one list, a CSV file with the header ``file,answer``, in its order, repeated rows too.

    Returns
    -------
    list of (str, str)
        Name of each file without its suffix, and its label in lower case.

    Raises
    ------
    UserError
        The header or a row is not as expected.
    """
    reader = csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""))
    try:
        header = next(reader, None)
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not a CSV file ({error})") from None
    if header != ["file", "answer"]:
        raise UserError(f"{path}: expected the header 'file,answer', got {','.join(header or []) or 'nothing'!r}")
    for number, row in rows:
        if len(row) != 2 or not all(row):
            raise UserError(f"{path}:{number}: expected a file and its label, got {','.join(row)!r}")
    return [(Path(file).stem, answer.strip().lower()) for _, (file, answer) in rows]


def read_published(corpus: Corpus, split: Split, published: str) -> tuple[list[Fold], list[str]]:
    """Turn published lists into folds of a prepared corpus, with notes on repeated files, a line a list.

    ``published`` is the corpus's folder in ``split.published_dir``.

    Raises
    ------
    UserError
        The lists are not there or malformed, name utterances that the corpus does not have, label
        them otherwise than the corpus, or the parts of a fold share utterances.
    """
    if not split.published_dir:
        raise UserError("split.scheme is published: say in split.published_dir where the lists are")
    files = list_files(Path(split.published_dir), published)
    if len(files["test"]) != split.folds:
        raise UserError(
            f"{split.published_dir}/{published}: {len(files['test'])} folds are published and split.folds is "
            f"{split.folds}; set it to {len(files['test'])}"
        )
    known = _by_name(corpus)
    folds, notes = [], []
    for k in range(split.folds):
        parts = {}
        for part in _FOLDERS:
            rows = read_list(files[part][k])
            parts[part] = _find(corpus, known, files[part][k], rows)
            if len(parts[part]) < len(rows):
                notes.append(f"{files[part][k]}: names {len(rows) - len(parts[part])} files again; they are used once")
        folds.append(Fold(**{part: tuple(sorted(utterances)) for part, utterances in parts.items()}))
        _check_disjoint(Path(split.published_dir) / published, k, folds[-1])
    return folds, notes


def _by_name(corpus: Corpus) -> dict[str, str]:
    names = [(name_in(utterance, speaker), utterance) for utterance, speaker in corpus.speaker.items()]
    repeated = [name for name, count in Counter(name for name, _ in names).items() if count > 1]
    if repeated:
        raise UserError(
            f"{corpus.folder}: several utterances are called {repeated[0]}, so lists of files are ambiguous"
        )
    return dict(names)


def _find(corpus: Corpus, known: dict[str, str], path: Path, rows: list[tuple[str, str]]) -> set[str]:
    missing = [name for name, _ in rows if clean_name(name) not in known]
    if missing:
        raise UserError(
            f"{path}: names {len(missing)} of {len(rows)} utterances that {corpus.folder} does not have with one of "
            f"the emotions asked for, first {missing[0]}; is the corpus complete (see {corpus.folder}/excluded.tsv), "
            f"and are `emotions` those of the lists?"
        )
    utterances = {known[clean_name(name)] for name, _ in rows}
    labels = {known[clean_name(name)]: label for name, label in rows}
    wrong = [utterance for utterance, label in labels.items() if corpus.emotion[utterance] != label]
    if wrong:
        raise UserError(
            f"{path}: labels {len(wrong)} of {len(rows)} utterances otherwise than {corpus.folder}/utt2emo, first "
            f"{wrong[0]}: {labels[wrong[0]]} and {corpus.emotion[wrong[0]]}"
        )
    return utterances


def _check_disjoint(folder: Path, k: int, fold: Fold) -> None:
    for one, other in PAIRS:
        shared = set(getattr(fold, one)) & set(getattr(fold, other))
        if shared:
            raise UserError(
                f"{folder}: fold {k}: {len(shared)} utterances are in {one} and in {other}, first {min(shared)}"
            )
