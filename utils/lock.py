"""One run at a time in a folder: an advisory lock that a shell script and everything it starts hold together.

    exec 8>> .lock
    python3 -m utils.lock --fd 8 [--wait] -- .lock "$0" "$@"   # 0: ours; otherwise a line that says whose it is, and 2
    python3 -m utils.lock --beat $$ .lock 8>&- &               # as long as the script lives

The lock is flock(2) on the script's file descriptor, which its children inherit: it is free when the last of them has
ended, however it ended, and a file that is left behind locks nothing. The file's text says who holds it. Network file
systems may not carry flock from host to host. There the text and its age decide: a run renews its file's time, so a
file of another host that was not renewed for a while is that of a dead run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from utils.errors import UserError, run_main

_LOOK_S = 0.2  # between looks at a lock that is waited for
_BEAT_S = 20.0  # between renewals
_STALE_S = 120.0  # so old is the file of a dead run of another host
_ENDING_S = 15.0  # what a dead run's processes are given to end


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="the lock's file, which the script has opened")
    parser.add_argument("--fd", type=int, default=8, help="the script's file descriptor for it (default: 8)")
    parser.add_argument("--wait", action="store_true", help="wait until the lock is free")
    parser.add_argument("--beat", type=int, metavar="PID", help="renew the file's time until this, the parent, ends")
    parser.add_argument("command", nargs="*", help="what the script was called with, for others to read")
    arguments = parser.parse_args()
    if arguments.beat is not None:
        beat(arguments.path, arguments.beat)
        return 0
    try:
        take(arguments.path, arguments.fd, shlex.join(arguments.command), arguments.wait)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


@contextlib.contextmanager
def alone(path: Path, busy: str) -> Iterator[None]:
    """Hold a file's lock as long as the block runs, which is one process's; nobody is waited for.

    Raises
    ------
    UserError
        Another process holds it; ``busy`` is the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(busy) from None
        yield


def take(path: Path, descriptor: int, command: str, wait: bool = False) -> None:
    """Take a lock for the process that started this one, and for all that inherit its file descriptor.

    The descriptor is that of the lock's file at ``path``, open for appending; the command is for others to read.

    Raises
    ------
    UserError
        Another run holds it, and is not to be waited for.
    """
    deadline = time.monotonic() + _ENDING_S
    told = False
    while (holder := _other(path, descriptor)) is not None:
        ending = holder.get("host", socket.gethostname()) == socket.gethostname() and not _lives(holder.get("pid"))
        if not wait and not (ending and time.monotonic() < deadline):
            raise UserError(f"{path.resolve().parent} is in use by {_describe(holder, ending)}; "
                            "wait until it has ended, end it, or give --wait")  # fmt: skip
        if not told:
            print(f"{path.resolve().parent}: waiting for {_describe(holder, ending)}", file=sys.stderr, flush=True)
        told = True
        time.sleep(_LOOK_S)
    holder = {
        "pid": os.getppid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": command,
    }  # fmt: skip
    os.ftruncate(descriptor, 0)
    os.write(descriptor, (json.dumps(holder) + "\n").encode())


def beat(path: Path, parent: int) -> None:
    """Renew a lock file's time until the parent process, the script, has ended."""
    due = time.monotonic()
    while os.getppid() == parent:
        if time.monotonic() >= due:
            due += _BEAT_S
            os.utime(path)
        time.sleep(_LOOK_S)


def _other(path: Path, descriptor: int) -> dict | None:
    """Take the lock; say who has it where that fails."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    except OSError:
        # This file system has no flock: the text alone decides.
        holder = _read(path)
        here = holder.get("host") == socket.gethostname()
        return holder if (_lives(holder.get("pid")) if here else holder and _age(path) < _STALE_S) else None
    holder = _read(path)
    if holder.get("host", socket.gethostname()) == socket.gethostname() or _age(path) > _STALE_S:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return holder


def _read(path: Path) -> dict:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe(holder: dict, ending: bool) -> str:
    if not holder:
        return "processes of a run that has ended"
    who = "{command} (process {pid} on {host}, since {started})".format_map({"command": "?", "started": "?"} | holder)
    return f"processes that are left of {who}" if ending else who


def _age(path: Path) -> float:
    """Seconds since a file was renewed, by the clock of the file system that it is on."""
    with tempfile.TemporaryFile(dir=path.resolve().parent) as file:
        return os.fstat(file.fileno()).st_mtime - path.stat().st_mtime


def _lives(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(pid)


if __name__ == "__main__":
    run_main(main)
