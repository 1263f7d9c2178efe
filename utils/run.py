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
import re
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

_OPERATORS = ("|", "|&", "||", "&&", ";", "<", ">", ">>", "2>", "2>>", "&>", "&>>", "2>&1", ">&2", "1>&2")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_LINES = 20
_GRACE_S = 5.0  # between asking a job to end and killing it
_LOOK_S = 0.5  # between looks at a log, for someone who watches, and at the driver

# A job's process group ends with run.py, however that ends: a process in it reads from a pipe that run.py holds.
# A line says that the job is over; an end of file without one, that run.py is. It is there before the job is.
_START = """
(trap '' TERM HUP INT; read -r || kill -s KILL -- -$$) <&0 > /dev/null 2>&1 &
exec bash -e -o pipefail -c "$1" < /dev/null
"""


class UsageError(Exception):
    """The command line makes no sense; the message is one line."""


@dataclass
class Call:
    """What one command line asks for; options that are not given are 0."""

    log: str  # file, with the job's name in it where there are several jobs
    words: list[str]  # the command
    name: str = ""  # what stands for the job's number; empty when there is one job without a number
    numbers: range = range(1, 2)  # the jobs
    max_jobs: int = 0
    threads: int = 0
    gpus: int = 0

    def log_of(self, number: int) -> Path:
        """Name the log of a job."""
        return Path(self._numbered(self.log, number))

    def script_of(self, number: int) -> str:
        """Write the command of a job for bash."""
        words = [self._numbered(word, number) for word in self.words]
        return " ".join(word if word in _OPERATORS else shlex.quote(word) for word in words)

    def _numbered(self, text: str, number: int) -> str:
        return text.replace(self.name, str(number)) if self.name else text


def parse(arguments: Sequence[str]) -> Call:
    """Read a command line, without the program's name; one that makes no sense is a UsageError."""
    rest = list(arguments)
    call = Call("", [])
    while rest:
        job = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", rest[0])
        if job:
            first, last = int(job[2]), int(job[3] or job[2])
            if not 1 <= first <= last:
                raise UsageError(f"{rest[0]}: expected a range like JOB=1:4, from 1 upwards")
            call.name, call.numbers = job[1], range(first, last + 1)
            rest.pop(0)
        elif rest[0].startswith("-"):
            _option(call, rest)
        else:
            break
    if len(rest) < 2:
        raise UsageError("expected [options] [JOB=1:N] LOG COMMAND [ARGUMENT ...]; see run.py --help")
    call.log, *call.words = rest
    if re.fullmatch(r"\w+=.*:.*", call.log):
        raise UsageError(f"{call.log}: expected a range like JOB=1:4")
    if len(call.numbers) > 1 and call.name not in call.log:
        raise UsageError(f"{call.log}: {len(call.numbers)} jobs cannot share a log; put {call.name} in its name")
    for word in call.words:
        if word not in _OPERATORS and re.fullmatch(r"(\d?|&)>>?[^\s>=]\S*", word):
            raise UsageError(f"'{word}': write a redirection and its file as two words")
    return call


def _option(call: Call, rest: list[str]) -> None:
    name, given, value = rest.pop(0).partition("=")
    if name == "-V":
        return
    if not given:
        if not rest or rest[0].startswith("--"):
            raise UsageError(f"option {name} needs a value")
        value = rest.pop(0)
    if name == "-pe" and rest:  # "-pe smp 4"
        rest.pop(0)
    known = {"--max-jobs-run": "max_jobs", "-tc": "max_jobs", "--num-threads": "threads", "--gpu": "gpus"}
    if name in known:
        if not value.isdecimal() or (int(value) == 0 and name != "--gpu"):
            raise UsageError(f"option {name}: '{value}' is not a positive whole number")
        # A site's train_cmd and a script may both limit the jobs at once: the stricter limit holds, as in Kaldi.
        limit = call.max_jobs if known[name] == "max_jobs" else 0
        setattr(call, known[name], min(int(value), limit or int(value)))


@dataclass
class Runner:
    """Runs the jobs of a call."""

    call: Call
    failed: list[tuple[int, str]] = field(default_factory=list, init=False)  # number and status, as they came
    _live: dict[subprocess.Popen, int] = field(default_factory=dict, init=False)  # to the job's number
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stopping: bool = field(default=False, init=False)

    def run(self) -> int:
        """Run all jobs, report the failures and return the exit status."""
        call = self.call
        devices = _device_sets(call.gpus)
        slots = call.max_jobs or (len(devices) if call.gpus else max(1, _cores() // max(1, call.threads)))
        slots = min(slots, len(call.numbers))
        threads = call.threads or max(1, _cores() // slots)
        free: queue.SimpleQueue = queue.SimpleQueue()
        for slot in range(slots):
            free.put(devices[slot % len(devices)] if devices else None)

        def one(number: int) -> None:
            device = free.get()
            try:
                status = self._job(number, threads, device)
            except OSError as error:
                status = f"its log cannot be written: {error}"
            finally:
                free.put(device)
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
            self._report()
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
        lines = _tail(self.call.log_of(running[0]))[-1:] if running else []
        text = "".join(line for line in lines if not line.startswith("#"))
        print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

    def _job(self, number: int, threads: int, device: str | None) -> str | None:
        """Run one job; return None for success or what happened."""
        if self._stopping:
            return "not started"
        log, script = self.call.log_of(number), self.call.script_of(number)
        environment = {"OMP_NUM_THREADS": str(threads)} | os.environ
        if self.call.threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        with open(log, "ab") as file:
            _note(file, script, f"Running on {socket.gethostname()}", f"Started at {time.ctime()}", "")
            begin = time.monotonic()
            with self._lock:
                if self._stopping:
                    return "not started"
                # A session of its own, so that everything the job starts can be ended together.
                process = subprocess.Popen(
                    ["bash", "-c", _START, "-", script], env=environment, start_new_session=True, bufsize=0,
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

    def _report(self) -> None:
        number, status = self.failed[0]
        log = self.call.log_of(number)
        which = f"job {number}" if self.call.name else "the job"
        if status.endswith((f"code {128 + signal.SIGKILL}", f"signal {signal.SIGKILL}")):
            status += ", killed: perhaps the memory was full"
        print(f"run.py: {which} failed ({status}); the end of its log {log}:", file=sys.stderr)
        for line in _tail(log):
            print(f"    {line}", file=sys.stderr)
        if len(self.call.numbers) > 1:
            logs = self.call.log.replace(self.call.name, "*")
            print(f"run.py: {len(self.failed)} / {len(self.call.numbers)} failed, logs are in {logs}", file=sys.stderr)


def _note(file: IO[bytes], *lines: str) -> None:
    file.write("".join(f"# {line}".rstrip() + "\n" for text in lines for line in text.split("\n")).encode())
    file.flush()


def _tail(log: Path) -> list[str]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 65536))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]  # of a progress bar, its last state
    return [line for line in lines if line and not line.startswith("# Accounting")][-_TAIL_LINES:]


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


def _interrupt(number: int, frame: object) -> None:
    # Once is enough: the jobs are being ended.
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    print(f"run.py: {signal.Signals(number).name}: ending the jobs", file=sys.stderr)
    raise SystemExit(128 + number)


def main() -> int:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["--help"], ["-h"]):
        print(__doc__)
        return 0
    for number in _SIGNALS:
        # Under nohup, or in a script's background, some are ignored and stay so.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        return Runner(parse(arguments)).run()
    except UsageError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
