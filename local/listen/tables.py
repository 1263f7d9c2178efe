"""Tables that are worked out in every run: a file that would say the same is left alone, and keeps its time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from utils.atomic import write_changed


def write(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows as CSV and count them; a column that a row lacks is left empty."""
    rows, text = list(rows), io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_changed(path, text.getvalue())
    return len(rows)
