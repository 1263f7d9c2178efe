"""Kaldi archives (``.ark`` with ``.scp``) of float matrices and vectors.

This is the only module that knows which library reads them: kaldiio, or kaldi_native_io where
kaldiio (whose licence does not allow every use) is not installed.

Kaldi has no matrix of float16. Its compressed one spreads 16 bits evenly over the whole range of a matrix, so that a
layer with large values would cost all others their digits. Where half of the disk is wanted, an entry is what kaldiio
calls numpy: ``NPY``, a length, and a NumPy file. kaldiio and ESPnet read it; Kaldi and kaldi_native_io do not, we do.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from utils.atomic import atomic_file
from utils.errors import UserError, named
from utils.table import read_text

# Kaldi's binary float matrix: "\0B", "FM ", then each dimension as its width in bytes and its value.
_HEADER = struct.Struct("<5sBiBi")
_MAGIC = b"\0BFM "
BYTES = {"float32": 4, "float16": 2}  # of a number, by how it is stored
# Of an archive and an offset, and nothing else: libraries would run what begins or ends with a bar as a command, wait
# for standard input at "-", and take slices.
# Of a NumPy file of a matrix of float16, which follows its own length.
_HALF = re.compile(
    rb"NPY.{2,9}?\x93NUMPY\x01\0..\{'descr': '<f2', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n",
    re.DOTALL,
)
_LONGEST_HEADER = 256
_PLACE = re.compile(r"(?!-:|[|\s])(?P<archive>[^\0]*[^|\s\0]):(?P<offset>\d{1,19})")


def read_scp(path: str | Path) -> dict[str, str]:
    """Read an scp file, in its order: key to ``archive:offset``.

    Raises
    ------
    UserError
        The file is missing or not UTF-8, a line is malformed, or a key occurs twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such feature index; run the features stage first")
    entries: dict[str, str] = {}
    text = read_text(path)
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        key, value = (*line.split(None, 1), "", "")[:2]
        if not _PLACE.fullmatch(value):
            raise UserError(f"{path}:{number}: expected '<key> <archive>:<offset>', got {line!r}; {_again(path)}")
        if key in entries:
            raise UserError(f"{path}:{number}: the key {key} occurs twice")
        entries[key] = value
    return entries


def load_mat(rxfilename: str) -> np.ndarray:
    """Read one matrix or vector as float32; ``rxfilename`` is ``archive:offset`` as it stands in an scp file.

    Raises
    ------
    UserError
        It is nothing of the kind, or the archive is missing or damaged at that offset.
    """
    place = _PLACE.fullmatch(rxfilename)
    if not place:
        raise UserError(f"{rxfilename}: expected <archive>:<offset>; commands and slices are not read")
    try:
        with open(place["archive"], "rb") as file:
            file.seek(int(place["offset"]))
            if file.read(3) == b"NPY":
                return _read_half(file, int(place["offset"]))
        try:
            import kaldiio
        except ImportError:
            return _load_native(rxfilename)
        return np.asarray(kaldiio.load_mat(rxfilename), dtype=np.float32)
    # What kaldiio does with damaged bytes depends on where they are.
    except (OSError, ValueError, AssertionError, RuntimeError, MemoryError, OverflowError, struct.error) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(f"{rxfilename}: cannot read this matrix ({reason}); {_again(place['archive'])}") from error


def read_all(path: str | Path, keys: list[str] | None = None) -> np.ndarray:
    """Read the matrices of an scp file, all of one shape, into one float32 array of shape (n, rows, columns).

    ``keys`` says which to read and in which order; by default all, in the file's order.

    Raises
    ------
    UserError
        A key is missing, or the shapes differ.
    """
    entries = read_scp(path)
    keys = list(entries) if keys is None else keys
    missing = [key for key in keys if key not in entries]
    if missing:
        raise UserError(f"{path}: {len(missing)} utterances have no features, first {missing[0]}; {_again(path)}")
    if not keys:
        raise UserError(f"{path}: no utterances to read")
    first = load_mat(entries[keys[0]])
    array = np.empty((len(keys), *first.shape), dtype=np.float32)
    for row, key in enumerate(keys):
        matrix = load_mat(entries[key])
        if matrix.shape != first.shape:
            raise UserError(f"{path}: {key} has the shape {matrix.shape}, {keys[0]} has {first.shape}; {_again(path)}")
        array[row] = matrix
    return array


class ArkWriter:
    """Append float32 matrices to an archive and its index, so that an interrupted job can go on.

    The index line is written after the matrix it points to has reached the file, so a matrix cut short
    by an interruption has no line. When the archive is opened again, both files are cut off before the first entry
    that is not whole or does not follow from those before it (a power failure, two writers at once), and a line on
    standard error says so.

    Parameters
    ----------
    stem : str or Path
        ``<stem>.ark`` and ``<stem>.scp`` are written.

    Attributes
    ----------
    done : set of str
        Keys that the index holds.

    Raises
    ------
    UserError
        Another process is writing this archive.
    """

    def __init__(self, stem: str | Path):
        stem = Path(stem)
        stem.parent.mkdir(parents=True, exist_ok=True)
        self._ark_path = stem.with_name(stem.name + ".ark")
        scp_path = stem.with_name(stem.name + ".scp")
        self._ark = open(self._ark_path, "ab")  # noqa: SIM115 (closed by close)
        try:
            fcntl.flock(self._ark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._ark.close()
            raise UserError(f"{self._ark_path}: another process is writing it; wait for that or end it") from error
        except OSError:
            pass  # a file system without locks
        self.done = _cut_damage(self._ark_path, scp_path)
        self._ark.seek(0, os.SEEK_END)
        self._scp = open(scp_path, "a", encoding="utf-8")  # noqa: SIM115

    def write(self, key: str, matrix: np.ndarray) -> None:
        """Append a matrix of any float type as float32; its key holds no blanks and is not in ``done``."""
        if key.split() != [key] or key in self.done:
            raise ValueError(f"the key {key!r} holds blanks or occurs twice")
        with named(self._ark_path):
            offset = _write_matrix(self._ark, key, matrix)
            self._ark.flush()
            self._scp.write(f"{key} {self._ark_path}:{offset}\n")
            self._scp.flush()
        self.done.add(key)

    def close(self) -> None:
        """Close both files."""
        with named(self._ark_path), self._scp, self._ark:
            pass

    def __enter__(self) -> ArkWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def write(stem: str | Path, matrices: Iterable[tuple[str, np.ndarray]], storage: str = "float32") -> None:
    """Write an archive and its index, each whole or not at all, the index last: ``<stem>.ark`` and ``<stem>.scp``.

    The matrices, of shape (rows, columns), are written in the order in which they come, and held one at a time.
    ``storage`` is one of :data:`BYTES`; they are read as float32 whatever it is.

    Raises
    ------
    UserError
        float16 cannot hold a number; none is clipped.
    """
    stem = Path(stem)
    ark_path = stem.with_name(stem.name + ".ark")
    put = {"float32": _write_matrix, "float16": _write_half}[storage]
    try:
        with atomic_file(ark_path, "wb") as ark:
            lines = [f"{key} {ark_path}:{put(ark, key, matrix)}\n" for key, matrix in matrices]
    except OverflowError as error:
        raise UserError(f"{ark_path}: {error}; keep these features as float32 (features.storage)") from error
    with atomic_file(stem.with_name(stem.name + ".scp")) as scp:
        scp.writelines(lines)


def _again(path: str | Path) -> str:
    return f"remove {Path(path).parent} and rerun the features stage"


def _write_matrix(file: IO[bytes], key: str, matrix: np.ndarray) -> int:
    """Write a key and its matrix; return where the matrix begins."""
    matrix = np.ascontiguousarray(matrix, dtype="<f4")
    rows, columns = matrix.shape
    file.write(key.encode() + b" ")
    offset = file.tell()
    file.write(_HEADER.pack(_MAGIC, 4, rows, 4, columns) + matrix.tobytes())
    return offset


def _write_half(file: IO[bytes], key: str, matrix: np.ndarray) -> int:
    """Write a key and its matrix in 16 bits, each number rounded to the nearest; return where the matrix begins."""
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(matrix, dtype="<f2")
    if not np.isfinite(half).all():
        raise OverflowError(f"{key} holds {np.abs(matrix).max():g}, and float16 nothing above {np.finfo('f2').max:g}")
    content = io.BytesIO()
    np.lib.format.write_array(content, half, version=(1, 0))
    length = len(content.getvalue())
    size = (length.bit_length() + 7) // 8
    file.write(key.encode() + b" ")
    offset = file.tell()
    file.write(b"NPY" + bytes([size]) + length.to_bytes(size, "little") + content.getvalue())
    return offset


def _read_half(file: IO[bytes], offset: int) -> np.ndarray:
    """Read what :func:`_write_half` wrote at an offset, as float32."""
    file.seek(offset)
    found = _HALF.match(file.read(_LONGEST_HEADER))
    if not found:
        raise ValueError("not a matrix of float16")
    rows, columns = map(int, found.groups())
    file.seek(offset + found.end())
    content = file.read(2 * rows * columns)
    if len(content) < 2 * rows * columns:
        raise ValueError("the archive ends within it")
    return np.frombuffer(content, "<f2").reshape(rows, columns).astype(np.float32)


def _cut_damage(ark_path: Path, scp_path: Path) -> set[str]:
    """Cut an archive and its index off before the first entry that is damaged; return the keys that stay."""
    text = scp_path.read_text(encoding="utf-8", errors="replace") if scp_path.exists() else ""
    lines = text.splitlines(keepends=True)
    keys: set[str] = set()
    end, why = 0, None
    with open(ark_path, "rb") as ark:
        for line in lines:
            key, after, why = _check(line, str(ark_path), ark, end)
            if key in keys:
                why = f"the key {key} occurs twice"
            if why is not None:
                break
            keys.add(key)
            end = after
    if why is not None:
        print(f"{scp_path}:{len(keys) + 1}: {why}; made again from here on, {len(lines) - len(keys)} of {len(lines)}",
              file=sys.stderr)  # fmt: skip
        with atomic_file(scp_path) as file:
            file.writelines(lines[: len(keys)])
    os.truncate(ark_path, end)
    return keys


def _check(line: str, archive: str, ark: IO[bytes], end: int) -> tuple[str, int, str | None]:
    """Check an entry that ArkWriter wrote, after one that ends at ``end``: its key, where it ends, what is wrong."""
    key, _, value = line.rstrip("\n").partition(" ")
    where, _, number = value.rpartition(":")
    if not line.endswith("\n") or where != archive or not number.isdecimal():
        return key, end, "not a whole line of this archive"
    offset = int(number)
    start = offset - len(key.encode()) - 1
    ark.seek(max(start, 0))
    head = ark.read(offset - start + _HEADER.size)
    if start < end or not head.startswith(key.encode() + b" " + _MAGIC) or len(head) < offset - start + _HEADER.size:
        return key, end, f"the archive holds no matrix of {key} there"
    _, _, rows, _, columns = _HEADER.unpack(head[-_HEADER.size :])
    after = offset + _HEADER.size + 4 * rows * columns
    if min(rows, columns) < 0 or after > ark.seek(0, os.SEEK_END):
        return key, end, f"the archive ends within the matrix of {key}"
    return key, after, None


def _load_native(rxfilename: str) -> np.ndarray:
    try:
        import kaldi_native_io
    except ImportError as error:
        raise UserError("neither kaldiio nor kaldi_native_io is installed; pip install kaldiio") from error
    return np.array(kaldi_native_io.FloatMatrix.read(rxfilename).numpy(), dtype=np.float32)
