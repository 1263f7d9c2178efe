"""Archives of others, unpacked so that nothing lands outside the folder and no small file fills the disk.

A member with a path that leaves the folder, a link, a device or an encrypted member makes the whole archive refused,
and so do members that hold far more than the archive could: the checks that Python's ``zipfile`` leaves out, and
that ``tarfile`` has only since PEP 706. The content is counted as it is written, whatever the archive claims.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from utils.errors import UserError

_CHUNK = 1 << 20
_LONGEST_READ = 1 << 24  # no header of a tar is longer
_MOST_MEMBERS = 2_000_000
# Speech in lossless formats and annotation shrink to a twentieth at most; small archives may do better.
_RATIO = 20
_ALLOWANCE = 64 << 20
_TARS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".tar": lambda path: path.open("rb"),
    ".tar.gz": gzip.open, ".tgz": gzip.open, ".tar.bz2": bz2.open, ".tar.xz": lzma.open,
}  # fmt: skip
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)


class _Member(NamedTuple):
    name: str
    is_folder: bool
    wrong: str  # what makes it refused
    size: int  # as the archive claims
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Tell by a file's name whether :func:`unpack` takes it: zip, tar, and tar in gzip, bzip2 or xz."""
    return name.lower().endswith((".zip", *_TARS))


def unpack(archive: Path, folder: Path, strip: int = 0, limit: int | None = None) -> int:
    """Unpack an archive into a folder that is there, over files of the same names, and count the files.

    ``strip`` is the number of folders at the beginning of every path that are left out, as of ``tar
    --strip-components``; ``limit`` the most bytes to come of it, by default 20 times the archive and 64 MiB. Folders
    ``__MACOSX`` are left out.

    Raises
    ------
    UserError
        The archive is damaged, is none, or holds what is refused. Files may have been written by then.
    """
    limit = _ALLOWANCE + _RATIO * archive.stat().st_size if limit is None else limit
    try:
        count = total = 0
        for number, member in enumerate(_members(archive)):
            total += max(member.size, 0)
            if total > limit or number == _MOST_MEMBERS:
                raise UserError(f"{archive}: more than {limit:,} bytes would come out of it, or too many files; "
                                "unpack it by hand if that is right")  # fmt: skip
            parts = _parts(archive, member)
            if parts[strip:] and not member.is_folder and parts[0] != "__MACOSX":
                _write(member, folder.joinpath(*parts[strip:]))
                count += 1
        return count
    except _BROKEN as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # bz2 and gzip give one without a number for data that is not theirs.
        if error.errno is None or isinstance(error, (IsADirectoryError, NotADirectoryError, FileExistsError)):
            raise _damaged(archive, error) from error
        raise


def _write(member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with member.open() as source, open(path, "wb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{member.name} is longer than it claims")
            file.write(chunk)
    if left:
        raise EOFError(f"{member.name} ends too soon")


def _parts(archive: Path, member: _Member) -> list[str]:
    """Split a member's path, of which nothing may lead out of the folder."""
    # Made on Windows, an archive may have backslashes.
    name = member.name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    wrong = member.wrong
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        wrong = "a path that leads out of the folder"
    elif re.search(r"[\x00-\x1f]", name):
        wrong = "a name with control characters"
    if wrong:
        raise UserError(f"{archive}: {member.name!r} is {wrong}; the archive is refused: get it elsewhere, "
                        "or look into it and unpack it by hand")  # fmt: skip
    return parts


def _members(archive: Path) -> Iterator[_Member]:
    for suffix, opened in _TARS.items():
        if archive.name.lower().endswith(suffix):
            with opened(archive) as stream:
                yield from _of_tar(_Bounded(stream))
            return
    with zipfile.ZipFile(archive) as packed:
        yield from _of_zip(packed)


def _of_zip(packed: zipfile.ZipFile) -> Iterator[_Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        wrong = "encrypted" if info.flag_bits & 1 else ""
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            wrong = "a link or a device"
        yield _Member(info.filename, info.is_dir(), wrong, info.file_size, lambda info=info: packed.open(info))


def _of_tar(stream: _Bounded) -> Iterator[_Member]:
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        for info in tar:
            wrong = "" if info.isreg() or info.isdir() else "a link or a device"
            yield _Member(info.name, info.isdir(), wrong, info.size, lambda info=info: tar.extractfile(info))
    # tarfile takes a cut header for the end. Behind a real one, the checksum of what is compressed is still to come.
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it ends too soon")
    stream.read(_LONGEST_READ)


class _Bounded:
    """A stream of which nobody may read much at once: tarfile keeps headers in memory, however long they are."""

    def __init__(self, stream: IO[bytes]):
        self._stream, self.last = stream, b""
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """Read up to so many bytes."""
        if not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.last = self._stream.read(size)
        return self.last


def _damaged(archive: Path, error: Exception) -> UserError:
    return UserError(f"{archive}: damaged, or no archive of its kind ({error}); remove it and get it again")
