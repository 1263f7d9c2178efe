#!/usr/bin/env python3
"""Run a command, or a numbered array of commands, on this machine: Kaldi's ``run.pl`` calling convention.

    run.py exp/x/log/pool.log python3 -m local.x.pool exp/x
    run.py JOB=1:4 exp/x/log/train.JOB.log python3 -m local.x.train --job JOB --nj 4
    run.py exp/x/log/count.log sort data/x/utt2emo "|" uniq -c ">" exp/x/counts

Options stand before the log, before or after ``JOB=1:N`` (any name will do in place of ``JOB``; it is replaced
in the log's name and in the words of the command, wherever it occurs):

    --max-jobs-run N   jobs at once (default: cores / --num-threads; with --gpu, GPUs / --gpu)
    --num-threads N    threads of a job
    --gpu N            GPUs of a job: every running job sees N of its own (CUDA_VISIBLE_DEVICES)
    --machines FILE    run the jobs over ssh on the machines that the file names, one a line, as Kaldi's
                       .queue/machines does; a machine runs as many jobs at once as it has lines
    --NAME VALUE       anything else that Kaldi's cluster scripts take, such as --mem 8G: no meaning here

Every word of the command reaches it unchanged, whatever blanks, quotes, ``$`` or ``*`` it holds, except for
words that are exactly one of ``| |& || && ; < > >> 2> 2>> &> &>> 2>&1 >&2 1>&2``, which bash sees as operators.
A redirection and its file are two words; ``>file`` is an error, because run.pl would redirect. (run.pl quotes
only words with blanks: it would expand ``$HOME``, too.)

A job fails when any command of its pipelines does. run.py waits for all jobs, shows the end of the log of the
one that failed first, and exits 1 if any failed. On a terminal it shows the last line of a running job's log
meanwhile. Unless the caller sets OMP_NUM_THREADS, the jobs share the cores. Jobs end with run.py, even if it
is killed, and run.py ends with the driver that started it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from utils.jobs import Call, UsageError, environment, parse, report, stop_at_signals, tail

_GRACE_S = 5.0  # between asking a job to end and killing it
_LOOK_S = 0.5  # between looks at a log, for someone who watches, and at the driver

# A job's process group ends with run.py, however that ends: a process in it reads from a pipe that run.py holds.
# A line says that the job is over; an end of file without one, that run.py is. It is there before the job is.
_START = """
(trap '' TERM HUP INT; read -r || kill -s KILL -- -$$) <&0 > /dev/null 2>&1 &
exec bash -e -o pipefail -c "$1" < /dev/null
"""


@dataclass
class Runner:
    """Runs the jobs of a call."""

    call: Call
    failed: list[tuple[int, str]] = field(default_factory=list, init=False)  # number and status, as they came
    _live: dict[subprocess.Popen, int] = field(default_factory=dict, init=False)  # to the job's number
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stopping: bool = field(default=False, init=False)

    @property
    def _remote(self) -> bool:
        return "machines" in self.call.options

    def run(self) -> int:
        """Run all jobs, report the failures and return the exit status."""
        call = self.call
        places = _machines(call.options["machines"]) if self._remote else _device_sets(call.gpus)
        slots = call.max_jobs or len(places) or max(1, _cores() // max(1, call.threads))
        slots = min(slots, len(call.numbers), len(places) if self._remote else slots)
        threads = call.threads or max(1, _cores() // slots)
        free: queue.SimpleQueue = queue.SimpleQueue()
        for slot in range(slots):
            free.put(places[slot % len(places)] if places else None)

        def one(number: int) -> None:
            place = free.get()
            try:
                status = self._job(number, threads, place)
            except OSError as error:
                status = f"its log cannot be written: {error}"
            finally:
                free.put(place)
            if status:
                with self._lock:
                    self.failed.append((number, status))

        with ThreadPoolExecutor(slots) as pool:
            futures = [pool.submit(one, number) for number in call.numbers]
            try:
                self._wait(futures)
            except BaseException:
                self._stop()
                raise
        if self.failed:
            report(self.call, "run.py", self.failed)
        return bool(self.failed)

    def _wait(self, futures: Sequence[Future]) -> None:
        watched, parent = sys.stderr.isatty(), os.getppid()
        driven = os.environ.get("XSER_DRIVER") == str(parent)
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _LOOK_S if watched or driven else None, FIRST_COMPLETED)
            if driven and os.getppid() != parent:
                print("run.py: the driver has been killed: ending the jobs", file=sys.stderr)
                raise SystemExit(1)
            for future in done:
                future.result()
            if watched:
                self._show()

    def _show(self) -> None:
        """Overwrite the terminal's line with the last of the first running job's log; with nothing at the end."""
        with self._lock:
            running = sorted(self._live.values())
        lines = tail(self.call.log_of(running[0]))[-1:] if running else []
        text = "".join(line for line in lines if not line.startswith("#"))
        print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    def _job(self, number: int, threads: int, place: str | None) -> str | None:
        """Run one job on a place, GPUs or a machine; return None for success or what happened."""
        if self._stopping:
            return "not started"
        log, script = self.call.log_of(number), self.call.script_of(number)
        variables = {"OMP_NUM_THREADS": str(threads)} | os.environ
        if self.call.threads:
            variables["OMP_NUM_THREADS"] = str(threads)
        command, where = ["bash", "-c", _START, "-", script], socket.gethostname()
        if self._remote:
            command, where = _over_ssh(place, command, threads if self.call.threads else 0), place
        elif place is not None:
            variables["CUDA_VISIBLE_DEVICES"] = place
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        with open(log, "ab") as file:
            _note(file, script, f"Running on {where}", f"Started at {time.ctime()}", "")
            begin = time.monotonic()
            with self._lock:
                if self._stopping:
                    return "not started"
                # A session of its own, so that everything the job starts can be ended together.
                process = subprocess.Popen(
                    command, env=variables, start_new_session=True, bufsize=0,
                    stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, pass_fds=_lock(),
                )  # fmt: skip
                self._live[process] = number
            process.wait()
            with process.stdin, contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
            with self._lock:
                self._live.pop(process, None)
            code = process.returncode
            status = f"code {code}" if code >= 0 else f"code 0; signal {-code}"
            elapsed = round(time.monotonic() - begin)
            _note(file, f"Accounting: time={elapsed} threads={threads}")
            _note(file, f"Ended ({status}) at {time.ctime()}, elapsed time {elapsed} seconds")
        return status if code else None

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            live = list(self._live)
        _signal(live, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while time.monotonic() < deadline and any(process.poll() is None for process in live):
            time.sleep(0.05)
        # The leader may be gone and something that it started not.
        _signal(live, signal.SIGKILL)


def _note(file: IO[bytes], *lines: str) -> None:
    file.write("".join(f"# {line}".rstrip() + "\n" for text in lines for line in text.split("\n")).encode())
    file.flush()


def _signal(processes: Sequence[subprocess.Popen], number: int) -> None:
    for process in processes:
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _lock() -> tuple[int, ...]:
    """Give the file descriptor of the driver's lock (utils/lock.py), which jobs must hold too, if there is one."""
    descriptor = int(os.environ.get("XSER_LOCK_FD", -1))
    try:
        os.fstat(descriptor)
    except OSError:
        return ()
    return (descriptor,)


def _machines(file: str) -> list[str]:
    try:
        lines = [line.split("#")[0].strip() for line in Path(file).read_text().splitlines()]
    except OSError as error:
        raise UsageError(f"option --machines: {file} cannot be read: {error.strerror}; name a machine a line") from None
    found = [line for line in lines if line]
    for line in found:
        if line.startswith("-") or len(line.split()) > 1:
            raise UsageError(f"{file}: '{line}' is no machine's name; expected one a line")
    if not found:
        raise UsageError(f"{file}: no machine in it; name one a line")
    return found


def _over_ssh(machine: str, command: list[str], threads: int) -> list[str]:
    """Turn a command into one that runs on a machine, in this folder and environment.

    It ends there with its connection: what _START waits for is an end of file here as there.
    """
    exports = environment() | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    words = ["exec", "env", *(f"{name}={value}" for name, value in exports.items()), *command]
    return ["ssh", "-o", "BatchMode=yes", machine, f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join(words)}"]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _device_sets(gpus: int) -> list[str]:
    """List what a job may see of the GPUs, ``gpus`` at a time, as CUDA_VISIBLE_DEVICES."""
    if not gpus:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        try:
            listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
            found = listing.stdout.splitlines() if listing.returncode == 0 else []
        except OSError:
            found = []
        devices = [str(index) for index in range(len(found))]
    else:
        devices = [device for device in visible.split(",") if device not in ("", "-1")]
    if len(devices) < gpus:
        raise UsageError(f"option --gpu {gpus}: {len(devices)} GPUs are here (nvidia-smi -L, CUDA_VISIBLE_DEVICES)")
    return [",".join(devices[first : first + gpus]) for first in range(0, len(devices) - gpus + 1, gpus)]


def main() -> int:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["--help"], ["-h"]):
        print(__doc__)
        return 0
    stop_at_signals("run.py")
    try:
        return Runner(parse(arguments)).run()
    except UsageError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
