"""Errors that a user can mend, and the one way in which commands report them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FULL = "make room, or move its folder to a larger disk and put a link there, then run again"
_OF_GPU = re.compile("CUDA|cuDNN|NCCL")  # not "cuda:0", which errors of ours may name
_LESS = "use one with more memory that is free, or smaller batches, then run again: what is finished counts"
_CLOSED = "make it writable, then run again; results alone may go elsewhere (--expdir)"
_MENDS = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: _CLOSED, errno.EPERM: _CLOSED, errno.EROFS: _CLOSED,
    errno.EIO: "the disk fails: look at the system's log, then run again", errno.ESTALE: "run again",
}  # fmt: skip


class UserError(Exception):
    """Bad input: the message is one line that names the file, the value and the mend.

    What would break the line, or steer a terminal, is written as in Python: names and values are anybody's.
    """

    def __init__(self, message: object = ""):
        super().__init__(_CONTROL.sub(lambda match: ascii(match[0])[1:-1], str(message)))


def run_main(main: Callable[[], int | None]) -> None:
    """Run a command's ``main``, which gives an exit status or None for success, and exit with its status.

    A :class:`UserError`, a full or failing disk, a missing permission and a lost GPU become one line on standard error
    and exit status 1; a closed output pipe (``command | head``) and an interrupt end quietly with the status that a
    shell expects. When it is asked to terminate, it unwinds first, so that no temporary files stay behind;
    so it does when the driver, whose direct child it is, has been killed.
    """
    signal.signal(signal.SIGTERM, _terminate)
    if os.environ.get("XSER_DRIVER") == str(os.getppid()):
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        status = main() or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except OSError as error:
        if error.errno not in _MENDS:
            raise
        print(f"error: {error.filename or 'cannot write'}: {error.strerror}; {_MENDS[error.errno]}", file=sys.stderr)
        status = 1
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        if not _OF_GPU.search(reason):
            raise
        mend = _LESS if "out of memory" in reason else "what is finished counts, run again"
        print(f"error: the GPU failed ({reason}); {mend}", file=sys.stderr)
        status = 1
    sys.exit(status)


@contextlib.contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Let errors of the system name this file, where they name none: that a disk is full shows at a bare write.

    Libraries (safetensors, torch, libsndfile, numpy) write with errors of their own, in which what the system said is
    lost: while the disk of the file is full, they become the system's.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            if error.filename is None:
                error.filename = str(path)
        elif _is_full(Path(path)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _is_full(path: Path) -> bool:
    """Tell whether less than 1 MiB is free on the disk of a file or folder, or of where it is to be."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    disk = os.statvfs(there)
    return disk.f_bavail * disk.f_frsize < 1 << 20


def _terminate(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _end_with(parent: int) -> None:
    """Wait until the parent process has ended, then end this one: at once if it can, else in five seconds."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os.kill(os.getpid(), signal.SIGKILL)
