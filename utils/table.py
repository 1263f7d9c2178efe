"""Kaldi's tables: text files of lines ``<key> <value>``, sorted as in the C locale, each key once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from utils.errors import UserError

T = TypeVar("T")


def read_text(path: str | Path) -> str:
    """Read a file as UTF-8; a missing file or a line with other bytes is a UserError."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise UserError(f"{path}:{line}: the byte 0x{byte:02x} is not UTF-8; convert the file with iconv") from None


def read_json(path: str | Path) -> Any:
    """Read a JSON file that somebody else wrote, with or without a byte order mark.

    Raises
    ------
    UserError
        The file is missing, not UTF-8, or not JSON, or more deeply nested than anybody would.
    """
    try:
        return json.loads(read_text(path).removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON ({error.msg}); get it again") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets by the thousand
        raise UserError(f"{path}: not readable as JSON ({str(error)[:80]}); get it again") from None


def parse_table(path: str | Path, text: str, dropped: list[int] | None = None) -> dict[str, str]:
    """Turn the text of a table into a mapping, in the order of the file.

    Parameters
    ----------
    path : str or Path
        The file, for messages; only in ``text`` (or ``text.*``) may a value be empty.
    text : str
        Its content. Key and value are separated by spaces or tabs.
    dropped : list of int, optional
        When given, blank lines, and all but the first of several lines with one key, are skipped and
        their numbers appended here; otherwise they are errors.

    Raises
    ------
    UserError
        A line has no key or no value, or a key occurs twice.
    """
    path = Path(path)
    may_be_empty = path.stem == "text"
    table: dict[str, str] = {}
    # Not splitlines(), which also splits at characters that may stand in a transcript (U+2028, U+0085).
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        key, _, value = line.partition(" ")
        if "\t" in key:
            key, _, value = line.partition("\t")
        key = key.rstrip("\r")
        value = value.strip(" \t\r")
        if dropped is not None and (key in table or not line.strip()):
            dropped.append(number)
        elif not key or not (value or may_be_empty):
            raise UserError(f"{path}:{number}: expected '<key> <value>', got {line!r}; correct or remove the line")
        elif key in table:
            raise UserError(f"{path}:{number}: {key} occurs twice; run utils/fix_data_dir.sh {path.parent}")
        else:
            table[key] = value
    return table


def read_table(path: str | Path) -> dict[str, str]:
    """Read a table, such as ``data/emodb/utt2emo``: key to the rest of its line, in the order of the file.

    Raises
    ------
    UserError
        The file is missing or not UTF-8, a line is malformed, or a key occurs twice.
    """
    return parse_table(path, read_text(path))


def read_values(path: str | Path, parse: Callable[[Path, int, str], T]) -> dict[str, T]:
    """Read a table whose values ``parse`` understands, which is given the path, the line's number and the value."""
    path = Path(path)
    return {key: parse(path, number, value) for number, (key, value) in enumerate(read_table(path).items(), 1)}


def format_table(path: str | Path, table: Mapping[str, str]) -> str:
    """Turn a mapping into the text of a table, sorted as in the C locale; ``path`` as for :func:`parse_table`.

    Raises
    ------
    UserError
        A key is empty or holds white space; a value is empty or holds a line end; something is not UTF-8.
    """
    path = Path(path)
    may_be_empty = path.stem == "text"
    lines = []
    # Code points sort as their UTF-8 bytes do, so this is the C locale's order.
    for key in sorted(table):
        value = table[key].strip(" \t")
        if key.split() != [key]:
            raise UserError(f"{path}: the key {key!r} must be one word without white space")
        if "\n" in value or "\r" in value or not (value or may_be_empty):
            raise UserError(f"{path}: {key} has the value {value!r}; it must be one line and not empty")
        lines.append(f"{key} {value}\n" if value else f"{key}\n")
    text = "".join(lines)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = lines[text.count("\n", 0, error.start)]
        raise UserError(f"{path}: {line.rstrip()!r} holds bytes that are not UTF-8; rename the file it names") from None
    return text


def read_list(path: str | Path) -> list[str]:
    """Read the first word of every line that is not blank, such as a list of utterances."""
    return [line.split(maxsplit=1)[0] for line in read_text(path).split("\n") if line.strip()]


def positive(path: str | Path, number: int, value: str) -> float:
    """Read a positive finite number from a table's line; anything else is a UserError."""
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not 0 < result < math.inf:
        raise UserError(f"{path}:{number}: expected a positive number, got '{value}'; correct or remove the line")
    return result
