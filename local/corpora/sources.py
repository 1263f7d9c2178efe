"""What several corpus modules need: finding audio files, reading names and annotation tables, naming files shortly."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from local.corpora.records import Excluded, Utterance
from local.corpora.registry import CorpusSpec
from utils.errors import UserError
from utils.table import read_text

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph"}
_GENDERS = {"f": "f", "female": "f", "woman": "f", "m": "m", "male": "m", "man": "m", "": "", "unknown": "", "na": ""}
NOT_UNDERSTOOD = "name not understood"


def audio_files(folder: Path) -> list[Path]:
    """List the audio files under a folder, the less nested first, then by name."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in AUDIO]
    return sorted(found, key=lambda path: (len(path.parts), path.as_posix()))


def wrong_root(root: Path, layout: str, found: str) -> UserError:
    """Make the error of a root that does not look as its corpus does: what files are called there, what was found."""
    return UserError(f"{root}: {found}; expected layout: {layout}; give the folder that holds this")


def by_name(
    layout: str,
    pattern: re.Pattern,
    understand: Callable[..., Utterance | str],
    lacking: str = "there is no audio file named like this",
    folder: str = "",
) -> tuple[Callable[[Path, CorpusSpec], None], Callable[[Path, CorpusSpec], Iterator[Utterance | Excluded]]]:
    """Make the ``check`` and the ``scan`` of a corpus whose files' names say all that there is to know.

    Parameters
    ----------
    layout : str
        What files are called, from the root.
    pattern : Pattern
        Matches a file's whole name without its suffix.
    understand : callable
        Takes a file's path and the pattern's groups; gives an utterance, or why it is none (:data:`NOT_UNDERSTOOD`).
    lacking : str
        What is wrong with a root in which no name is understood.
    folder : str
        Where the audio is, from the root.

    Returns
    -------
    tuple of callable
        ``scan`` yields the files of the least nested folders first.
    """

    def read(path: Path) -> Utterance | str:
        match = pattern.fullmatch(path.stem)
        return understand(path, *match.groups()) if match else NOT_UNDERSTOOD

    def check(root: Path, spec: CorpusSpec) -> None:
        if all(read(path) == NOT_UNDERSTOOD for path in audio_files(root / folder)):
            raise wrong_root(root, layout, lacking)

    def scan(root: Path, spec: CorpusSpec) -> Iterator[Utterance | Excluded]:
        for path in audio_files(root / folder):
            found = read(path)
            yield Excluded(path.relative_to(root).as_posix(), found) if isinstance(found, str) else found

    return check, scan


def read_rows(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Read a UTF-8 table with a header, tab-separated or (by its name, ``.csv``) comma-separated.

    In a ``.csv`` double quotes enclose values; elsewhere they are ordinary characters. Blanks around values are
    dropped, and so is a byte order mark. Columns that are ``required`` must be there.

    Yields
    ------
    line : int
        Where the row ends, from 1.
    row : dict of str to str, or None
        Column to value; None for a row with more or fewer values than the header.

    Raises
    ------
    UserError
        The table is missing, is not UTF-8, or lacks a column.
    """
    # Not read lazily: its encoding is checked as a whole, and annotation tables are small.
    lines = read_text(path).removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    is_csv = path.suffix.lower() == ".csv"
    style = {"delimiter": ","} if is_csv else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    reader = csv.reader((f"{line}\n" for line in lines), **style)
    try:
        header = [column.strip() for column in next(reader)]
        missing = [column for column in required if column not in header]
        if missing or len(set(header)) < len(header):
            raise UserError(
                f"{path}: expected a header with the columns {', '.join(required)}, each once; "
                f"it has {', '.join(header) or 'none'}; {'commas' if is_csv else 'tabs'} separate columns in a file "
                f"{path.suffix}" + (", not semicolons: save it anew with commas" if ";" in "".join(header) else "")
            )
        for values in reader:
            if any(value.strip() for value in values):
                row = {column: value.strip() for column, value in zip(header, values)}  # noqa: B905
                yield reader.line_num, row if len(values) == len(header) else None
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not readable as a table ({error})") from error


def decode(content: bytes) -> str | None:
    """Decode a text whose encoding its makers did not settle, strictly: UTF-16, UTF-8 or GB18030, in this order.

    UTF-16 is tried, and nothing else, where a byte order mark or zero bytes speak for it; GB18030 comes last because
    it takes almost any bytes. The text has no byte order mark; None where it is none of these.

    Examples
    --------
    >>> [decode("1 中立".encode(encoding)) for encoding in ("utf-16", "utf-16-be", "utf-8-sig", "gb18030")]
    ['1 中立', '1 中立', '1 中立', '1 中立']
    >>> decode(bytes([255, 49])) is None
    True
    """
    encodings = ["utf-8-sig", "gb18030"]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif 0 in content:
        # Of what is Latin in the text, the first byte is zero in the big-endian order.
        encodings = ["utf-16-be" if content[::2].count(0) > content[1::2].count(0) else "utf-16-le"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def gender(word: str) -> str | None:
    """Understand a word for a gender: ``f``, ``m``, empty for not known, None for a word that says nothing to us.

    Examples
    --------
    >>> gender("Female"), gender("m"), gender(""), gender("x")
    ('f', 'm', '', None)
    """
    return _GENDERS.get(word.casefold())


def short_names(paths: Iterable[str | Path]) -> dict[str, str]:
    """Name files as shortly as keeps them apart: by stem, else by path from where they part, else with the suffix.

    The paths are all absolute or all relative; each counts once.

    Examples
    --------
    >>> short_names(["x/a/1.wav", "x/b/2.wav"])
    {'x/a/1.wav': '1', 'x/b/2.wav': '2'}
    >>> short_names(["x/a/1.wav", "x/b/1.wav"])
    {'x/a/1.wav': 'a_1', 'x/b/1.wav': 'b_1'}
    """
    # Strings: pathlib takes seconds for 50,000 files.
    unique = list(dict.fromkeys(map(str, paths)))
    names = [os.path.splitext(os.path.basename(path))[0] for path in unique]
    if len(set(names)) < len(unique):
        folder = os.path.commonpath([os.path.dirname(path) for path in unique])
        whole = [os.path.relpath(path, folder).replace(os.sep, "_") for path in unique]
        names = [os.path.splitext(name)[0] for name in whole]
        names = names if len(set(names)) == len(unique) else whole
    return dict(zip(unique, names, strict=True))
