"""Kaldi data directories: reading and writing their utterances and tables.

Which tables a directory holds is open: everything named ``utt2*``, ``spk2*`` or ``reco2*`` is a table
keyed by utterance, speaker or recording, and so are Kaldi's own ``text``, ``segments``, ``wav.scp``,
``feats.scp``, ``vad.scp`` and ``cmvn.scp`` (utils/table.py reads and writes one). The commands that work
on whole directories are in utils/data_dir_tools.py.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.atomic import atomic_dir
from utils.errors import UserError
from utils.table import format_table, positive, read_table, read_values

if TYPE_CHECKING:
    import numpy as np

_KEYED_BY = dict.fromkeys(("text", "segments", "feats.scp", "vad.scp"), "utt") | {"cmvn.scp": "spk", "wav.scp": "reco"}
UNKNOWN = "-"  # in utt2digest: of an utterance that cannot be decoded
_TABLE_NAME = re.compile(r"(utt|spk|reco)2[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a data directory; times in seconds."""

    id: str
    speaker: str
    recording: str  # without `segments`, the utterance itself
    source: str  # what wav.scp says of the recording: a path, or a pipe (`command |`)
    start: float  # in the recording
    end: float | None  # None for the end of the recording
    duration: float | None  # from `utt2dur` or else `segments`; None where neither is there

    def load(self) -> np.ndarray:
        """Read the utterance's audio as 16 kHz mono float32, shape (samples,)."""
        from utils import audio

        return audio.load(self.source, self.start, self.end)


def keyed_by(name: str) -> str | None:
    """Tell what a table is keyed by: ``utt``, ``spk`` or ``reco`` (a recording); None for what is no table."""
    match = _TABLE_NAME.fullmatch(name)
    return match.group(1) if match else _KEYED_BY.get(name)


def table_names(data_dir: str | Path) -> list[str]:
    """List the tables of a data directory, sorted; a missing directory or ``utt2spk`` is a UserError."""
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError(f"{data_dir}: no such data directory; run the data stage first")
    if not (data_dir / "utt2spk").is_file():
        raise UserError(f"{data_dir}/utt2spk: no such file; {data_dir} is not a data directory")
    return sorted(path.name for path in data_dir.iterdir() if keyed_by(path.name) and path.is_file())


def read_utt2(data_dir: str | Path, what: str) -> dict[str, str]:
    """Read the table ``utt2<what>``, in the order of ``utt2spk``, whose utterances it must have and no others.

    Raises
    ------
    UserError
        As :func:`utils.table.read_table`, or the table lacks an utterance or has one too many.
    """
    path = Path(data_dir) / f"utt2{what}"
    table, speakers = read_table(path), read_table(Path(data_dir) / "utt2spk")
    if table.keys() != speakers.keys():
        utterance = min(table.keys() ^ speakers.keys())
        place = "is missing" if utterance in speakers else "is not in utt2spk"
        raise UserError(f"{path}: the utterance {utterance} {place}; run utils/fix_data_dir.sh {data_dir}")
    return {utterance: table[utterance] for utterance in speakers}


def read_persons(data_dir: str | Path) -> dict[str, str]:
    """Tell who speaks each utterance, by an id that a person keeps in all data directories.

    Returns
    -------
    dict of str to str
        In the order of ``utt2spk``: the person of ``spk2person``, or the speaker where there is no such table.

    Raises
    ------
    UserError
        ``utt2spk`` is missing, a table is malformed, or ``spk2person`` lacks a speaker.
    """
    speakers, path = read_table(Path(data_dir) / "utt2spk"), Path(data_dir) / "spk2person"
    if not path.is_file():
        return speakers
    persons = read_table(path)
    lacking = sorted(set(speakers.values()) - persons.keys())
    if lacking:
        raise UserError(f"{path}: the speaker {lacking[0]} is missing; run the data stage again")
    return {utterance: persons[speaker] for utterance, speaker in speakers.items()}


def content_keys(data_dir: str | Path) -> dict[str, str]:
    """Name utterances by what they hold, so that what is drawn or ordered by it does not depend on anybody's names.

    Returns
    -------
    dict of str to str
        In the order of ``utt2spk``: the digest of the samples (``utt2digest``, which stage 1 writes), with a number
        behind it where an earlier utterance holds the same; where no digest is known, the utterance's place.
    """
    names = read_table(Path(data_dir) / "utt2spk")
    known = read_utt2(data_dir, "digest") if (Path(data_dir) / "utt2digest").is_file() else {}
    found: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for place, utterance in enumerate(names):
        digest = known.get(utterance, UNKNOWN)
        again = f".{seen[digest]}" if seen[digest] else ""
        found[utterance] = f"{place:09d}" if digest == UNKNOWN else f"{digest}{again}"
        seen[digest] += 1
    return found


def fingerprint(data_dir: str | Path) -> str:
    """Digest what a data directory's utterances hold, whatever they are called and labelled."""
    return hashlib.sha256("\n".join(sorted(content_keys(data_dir).values())).encode()).hexdigest()[:16]


def seconds(value: float) -> str:
    """Format a time in seconds for ``utt2dur`` or ``segments``: microseconds keep samples at any rate exact.

    Examples
    --------
    >>> seconds(1 / 3), seconds(2)
    ('0.333333', '2.0')
    """
    text = f"{value:.6f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def parse_segment(path: str | Path, number: int, value: str) -> tuple[str, float, float]:
    """Read the value of a ``segments`` line: recording, start and end in seconds; path and number are for messages.

    Raises
    ------
    UserError
        Not three fields, not numbers, or not 0 <= start < end < infinity.
    """
    fields = value.split()
    try:
        recording, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        recording, start, end = "", math.nan, math.nan
    if len(fields) != 3 or not 0 <= start < end < math.inf:
        raise UserError(
            f"{path}:{number}: expected '<utterance> <recording> <start> <end>' with 0 <= start < end, "
            f"got '... {value}'; correct or remove the line"
        )
    return recording, start, end


def read_utterances(data_dir: str | Path) -> list[Utterance]:
    """Read the utterances of a data directory, in the order of ``utt2spk``; no audio is opened.

    Raises
    ------
    UserError
        ``utt2spk`` or ``wav.scp`` is missing, a table is malformed, or one lacks an utterance or a recording.
    """
    data_dir = Path(data_dir)
    names = table_names(data_dir)
    mend = f"run utils/fix_data_dir.sh {data_dir}"
    sources = read_table(data_dir / "wav.scp")
    places = read_values(data_dir / "segments", parse_segment) if "segments" in names else {}
    durations = read_values(data_dir / "utt2dur", positive) if "utt2dur" in names else {}
    utterances = []
    for number, (utterance, speaker) in enumerate(read_table(data_dir / "utt2spk").items(), 1):
        if "segments" in names and utterance not in places:
            raise UserError(f"{data_dir}/utt2spk:{number}: {utterance} is missing from {data_dir}/segments; {mend}")
        recording, start, end = places.get(utterance, (utterance, 0.0, None))
        if recording not in sources:
            raise UserError(f"{data_dir}/utt2spk:{number}: {utterance} has no recording {recording} in wav.scp; {mend}")
        duration = durations.get(utterance, None if end is None else end - start)
        utterances.append(Utterance(utterance, speaker, recording, sources[recording], start, end, duration))
    return utterances


def invert(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """Group utterances by speaker, both in order of appearance.

    Examples
    --------
    >>> invert({"a-1": "a", "a-2": "a", "b-1": "b"})
    {'a': ['a-1', 'a-2'], 'b': ['b-1']}
    """
    groups: dict[str, list[str]] = {}
    for utterance, speaker in utt2spk.items():
        groups.setdefault(speaker, []).append(utterance)
    return groups


def spk2utt(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Make the table ``spk2utt`` of a table ``utt2spk``.

    Examples
    --------
    >>> spk2utt({"a-1": "a", "a-2": "a", "b-1": "b"})
    {'a': 'a-1 a-2', 'b': 'b-1'}
    """
    return {speaker: " ".join(group) for speaker, group in invert(utt2spk).items()}


def write_data_dir(
    data_dir: str | Path, tables: Mapping[str, Mapping[str, str]], files: Mapping[str, str] | None = None
) -> None:
    """Write a whole data directory; it appears complete or not at all, and replaces an earlier one.

    Parameters
    ----------
    data_dir : str or Path
        The data directory.
    tables : mapping of str to mapping of str to str
        File name to table, for instance ``{"utt2spk": {"emodb_03-a01": "emodb_03"}, "wav.scp": {...}}``.
        ``utt2spk`` must be there; ``spk2utt`` is made from it. ``segments`` maps an utterance to
        ``"<recording> <start> <end>"``; :func:`seconds` formats times. Beside ``segments`` a ``text`` of empty
        transcripts is made if there is none; without ``segments``, lhotse reads no empty transcripts.
    files : mapping of str to str, optional
        Other files to put there, such as ``excluded.tsv``: name to content.

    Raises
    ------
    UserError
        A table is malformed or unknown, ``utt2spk`` is missing or empty, or ``data_dir`` exists and is
        something other than a data directory, which it would be wrong to replace.
    """
    data_dir = Path(data_dir)
    check_replaceable(data_dir)
    if "segments" in tables and "text" not in tables:
        # lhotse's import insists on transcripts beside segments; empty ones will do.
        tables = {**tables, "text": dict.fromkeys(tables["segments"], "")}
    # Where the name is a link to another disk, the directory there is replaced, not the link.
    with atomic_dir(data_dir.resolve()) as temporary:
        for name, text in format_data_dir(data_dir, tables).items():
            (temporary / name).write_bytes(text.encode())
        for name, text in (files or {}).items():
            (temporary / name).write_bytes(text.encode())


def format_data_dir(data_dir: Path, tables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Turn tables into the text of each file of a data directory; as for :func:`write_data_dir`."""
    if not tables.get("utt2spk"):
        raise UserError(f"{data_dir}: no utterances to write")
    unknown = [name for name in tables if not keyed_by(name)]
    if unknown:
        raise UserError(f"{data_dir}/{unknown[0]}: not the name of a table (utt2*, spk2*, reco2*, text, wav.scp, ...)")
    utt2spk = dict(sorted(tables["utt2spk"].items()))
    tables = {**tables, "spk2utt": spk2utt(utt2spk)}
    return {name: format_table(data_dir / name, table) for name, table in tables.items()}


def check_replaceable(data_dir: Path) -> None:
    """Refuse, with a UserError, to replace anything but an earlier data directory or an empty one."""
    if data_dir.exists() and not data_dir.is_dir():
        raise UserError(f"{data_dir}: a file is in the way; remove it or choose another name")
    if data_dir.is_dir() and any(data_dir.iterdir()) and not (data_dir / "utt2spk").is_file():
        raise UserError(f"{data_dir}: exists and is not a data directory; remove it or choose another name")
