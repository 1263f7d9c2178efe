"""Files and directories that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from utils.errors import named


@contextlib.contextmanager
def atomic_file(path: str | Path, mode: str = "w") -> Iterator[IO]:
    r"""Open a file for writing that takes the name ``path`` only if the block ends without an error.

    Missing parent directories are made; of a symbolic link, the target is replaced. ``mode`` is ``"w"`` (UTF-8 text
    with ``\n`` line ends) or ``"wb"``.
    """
    path = _real(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed below, before the renaming)
        mode, dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False, **text
    )
    try:
        with named(path), handle:
            yield handle
            # Otherwise a power failure may leave the name without the content.
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(handle.name, 0o666 & ~_UMASK)
        os.replace(handle.name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(handle.name)
        raise


def write_changed(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all, unless it holds the same: then its time stays too."""
    path, content = Path(path), text.encode()
    if not path.is_file() or path.read_bytes() != content:
        with atomic_file(path, "wb") as file:
            file.write(content)


@contextlib.contextmanager
def atomic_dir(path: str | Path) -> Iterator[Path]:
    """Give a temporary directory to fill, which takes the name ``path`` only if the block ends without an error.

    An earlier directory of that name is replaced as a whole. Missing parent directories are made; of a symbolic link,
    the target is replaced.
    """
    path = _real(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        with named(path):
            yield temporary
        os.chmod(temporary, 0o777 & ~_UMASK)
        # Renamed before it is deleted: half a directory must never stand under the name.
        old = temporary.with_suffix(".old")
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _real(path: str | Path) -> Path:
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# It can only be read by setting it, which threads must not do at the same time.
_UMASK = _umask()
