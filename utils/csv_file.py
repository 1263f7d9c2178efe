"""CSV files with a header: read whole as text, written whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from utils.atomic import atomic_file
from utils.errors import UserError


def read(path: str | Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a file's rows, by the names in its first line.

    Raises
    ------
    UserError
        The file is missing, is not UTF-8, or a row has more or fewer fields than the header.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file ({error})") from error
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path}:{number}: has more or fewer fields than the header; make the file again")
    return rows


def write(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows and count them; a column that a row lacks is left empty."""
    rows = list(rows)
    with atomic_file(path) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)
