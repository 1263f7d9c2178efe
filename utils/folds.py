"""Fold lists: numbered folders, each with the lists ``train``, ``dev`` and ``test``."""

from __future__ import annotations

from pathlib import Path

from utils.errors import UserError
from utils.table import read_list

PARTS = ("train", "dev", "test")


def read_folds(directory: Path) -> list[dict[str, list[str]]]:
    """Read all folds of a scheme.

    Parameters
    ----------
    directory : Path
        ``data/<corpus>/folds/<scheme>``.

    Returns
    -------
    list of dict of str to list of str
        For each fold, the utterances of each part.

    Raises
    ------
    UserError
        The folders are not numbered 0, 1, 2 ..., or a list is missing or malformed.
    """
    numbers = sorted(int(path.name) for path in directory.glob("*") if path.is_dir() and path.name.isdecimal())
    if not numbers or numbers != list(range(len(numbers))):
        raise UserError(f"{directory}: expected folds 0, 1, 2 ..., found {numbers or 'none'}; run the data stage again")
    return [{part: read_list(directory / str(number) / part) for part in PARTS} for number in numbers]
