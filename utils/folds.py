"""Fold lists: numbered folders, each with the lists ``train``, ``dev`` and ``test``; and what is left out of them.

A list is a file with an utterance a line. :data:`DIGEST` beside them is of what all lists say: what is made from folds
stays valid where they are made again and come out the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.table import read_list, read_text

if TYPE_CHECKING:
    import numpy as np

PARTS = ("train", "dev", "test")
DIGEST = "digest"


def read_folds(directory: Path, mend: str = "run the data stage again") -> list[dict[str, list[str]]]:
    """Read all folds of a scheme, ``data/<corpus>/folds/<scheme>``: for each fold, the utterances of each part.

    Raises
    ------
    UserError
        The folders are not numbered 0, 1, 2 ... (``mend`` says what to do), or a list is missing or malformed.
    """
    numbers = sorted(int(path.name) for path in directory.glob("*") if path.is_dir() and path.name.isdecimal())
    if not numbers or numbers != list(range(len(numbers))):
        raise UserError(f"{directory}: expected folds 0, 1, 2 ..., found {numbers or 'none'}; {mend}")
    return [{part: read_list(directory / str(number) / part) for part in PARTS} for number in numbers]


def count(directory: Path) -> int:
    """Count the folds of a scheme; none if it has not been cut."""
    return sum(path.name.isdecimal() for path in directory.glob("*"))


def write_folds(directory: Path, folds: Iterable[Mapping[str, Iterable[str]]]) -> None:
    """Write folds (the utterances of each part, sorted) as :func:`read_folds` reads them; make their folders."""
    whole = hashlib.sha256()
    for number, fold in enumerate(folds):
        folder = directory / str(number)
        folder.mkdir(parents=True)
        for part in PARTS:
            lines = "".join(f"{utterance}\n" for utterance in sorted(fold[part])).encode()
            (folder / part).write_bytes(lines)
            whole.update(f"{number} {part} {len(lines)}\n".encode() + lines)
    (directory / DIGEST).write_text(f"{whole.hexdigest()}\n")


def read_excluded(path: Path) -> set[str]:
    """Read which utterances an encoder could not take: the column ``item`` of a table that need not be there."""
    if not path.is_file():
        return set()
    header, *lines = read_text(path).removesuffix("\n").split("\n")
    if header.split("\t")[0] != "item":
        raise UserError(f"{path}: expected the header 'item<tab>reason'; run the features stage again")
    return {line.split("\t")[0] for line in lines}


def indices(directory: Path, lists: Iterable[dict[str, list[str]]], utts: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """Turn fold lists, which are from a directory (for messages), into indices of utterances; others are passed over.

    Returns
    -------
    list of dict of str to ndarray of int64
        For each fold, the indices into ``utts`` of each part.

    Raises
    ------
    UserError
        A part is empty or overlaps another of its fold.
    """
    import numpy as np

    place = {utt: index for index, utt in enumerate(utts)}
    folds = []
    for number, fold in enumerate(lists):
        own = {part: [place[utt] for utt in fold[part] if utt in place] for part in PARTS}
        for part in PARTS:
            if not own[part]:
                raise UserError(f"{directory}/{number}/{part}: no utterances; choose another split or fewer folds")
        train, dev, test = (set(own[part]) for part in PARTS)
        overlap = train & (dev | test) | dev & test
        if overlap:
            raise UserError(f"{directory}/{number}: {utts[min(overlap)]} is in two of train, dev and test")
        folds.append({part: np.array(rows, dtype=np.int64) for part, rows in own.items()})
    return folds
