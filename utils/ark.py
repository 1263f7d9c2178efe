"""Kaldi archives (``.ark`` with ``.scp``) of float matrices and vectors.

This is the only module that knows which library reads them: kaldiio, or kaldi_native_io where
kaldiio (whose licence does not allow every use) is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils.errors import UserError


def read_scp(path: str | Path) -> dict[str, str]:
    """Read an scp file into a mapping of key to ``archive:offset``.

    Parameters
    ----------
    path : str or Path
        The scp file.

    Returns
    -------
    dict of str to str
        In the order of the file.

    Raises
    ------
    UserError
        The file is missing, a line is malformed, or a key occurs twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such feature index; run the features stage first")
    entries: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, _, value = line.partition(" ")
        if not key or not value:
            raise UserError(f"{path}:{number}: expected '<key> <archive>:<offset>', got {line!r}")
        if key in entries:
            raise UserError(f"{path}:{number}: the key {key} occurs twice")
        entries[key] = value
    return entries


def load_mat(rxfilename: str) -> np.ndarray:
    """Read one matrix or vector.

    Parameters
    ----------
    rxfilename : str
        ``archive:offset`` as it stands in an scp file.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    UserError
        The archive is missing or damaged at that offset.
    """
    try:
        try:
            import kaldiio
        except ImportError:
            return _load_native(rxfilename)
        return np.asarray(kaldiio.load_mat(rxfilename), dtype=np.float32)
    except (OSError, ValueError, AssertionError, RuntimeError) as error:
        raise UserError(f"{rxfilename}: cannot read this matrix ({error}); rerun the features stage") from error


def read_all(path: str | Path, keys: list[str] | None = None) -> np.ndarray:
    """Read the matrices of an scp file, all of one shape, into one array.

    Parameters
    ----------
    path : str or Path
        The scp file.
    keys : list of str, optional
        Which to read and in which order; default all, in the file's order.

    Returns
    -------
    ndarray of float32, shape (n, rows, columns)

    Raises
    ------
    UserError
        A key is missing, or the shapes differ.
    """
    entries = read_scp(path)
    keys = list(entries) if keys is None else keys
    missing = [key for key in keys if key not in entries]
    if missing:
        raise UserError(f"{path}: {len(missing)} utterances have no features, first {missing[0]}; rerun the features stage")
    if not keys:
        raise UserError(f"{path}: no utterances to read")
    first = load_mat(entries[keys[0]])
    array = np.empty((len(keys), *first.shape), dtype=np.float32)
    for row, key in enumerate(keys):
        matrix = load_mat(entries[key])
        if matrix.shape != first.shape:
            raise UserError(f"{path}: {key} has the shape {matrix.shape}, {keys[0]} has {first.shape}; delete the directory and rerun the features stage")
        array[row] = matrix
    return array


class ArkWriter:
    """Append float32 matrices to an archive and its index, so that an interrupted job can go on.

    The index line is written after the matrix it points to has reached the file, so a line in the
    index always names a whole matrix; a matrix cut short by an interruption has no line.

    Parameters
    ----------
    stem : str or Path
        ``<stem>.ark`` and ``<stem>.scp`` are written.

    Attributes
    ----------
    done : set of str
        Keys that the index already holds.
    """

    def __init__(self, stem: str | Path):
        stem = Path(stem)
        stem.parent.mkdir(parents=True, exist_ok=True)
        self._ark_path = stem.with_name(stem.name + ".ark")
        scp_path = stem.with_name(stem.name + ".scp")
        # A line cut short by a power failure names no whole matrix: drop it.
        if scp_path.exists():
            text = scp_path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            if whole != text:
                scp_path.write_text(whole, encoding="utf-8")
        self.done = set(read_scp(scp_path)) if scp_path.exists() else set()
        self._ark = open(self._ark_path, "ab")
        self._scp = open(scp_path, "a", encoding="utf-8")

    def write(self, key: str, matrix: np.ndarray) -> None:
        """Append one matrix, shape (rows, columns), any float type."""
        matrix = np.ascontiguousarray(matrix, dtype="<f4")
        rows, columns = matrix.shape
        self._ark.write(key.encode() + b" ")
        offset = self._ark.tell()
        # Kaldi's binary float matrix: "\0B", "FM ", then each dimension as its byte width and value.
        header = b"\0BFM \x04" + np.int32(rows).tobytes() + b"\x04" + np.int32(columns).tobytes()
        self._ark.write(header + matrix.tobytes())
        self._ark.flush()
        self._scp.write(f"{key} {self._ark_path}:{offset}\n")
        self._scp.flush()

    def close(self) -> None:
        """Close both files."""
        self._ark.close()
        self._scp.close()

    def __enter__(self) -> ArkWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def iterate(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``(key, matrix)`` of an scp file one at a time, with flat memory."""
    for key, rxfilename in read_scp(path).items():
        yield key, load_mat(rxfilename)


def _load_native(rxfilename: str) -> np.ndarray:
    try:
        import kaldi_native_io
    except ImportError as error:
        raise UserError("neither kaldiio nor kaldi_native_io is installed; pip install kaldiio") from error
    return np.array(kaldi_native_io.FloatMatrix.read(rxfilename).numpy(), dtype=np.float32)
