"""What every job runner shares: Kaldi's calling convention, a job's command and log, the words about failures.

``utils/run.py`` runs jobs on this machine, or over ssh; ``utils/submit.py`` gives them to Slurm or Grid Engine.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OPERATORS = ("|", "|&", "||", "&&", ";", "<", ">", ">>", "2>", "2>>", "&>", "&>>", "2>&1", ">&2", "1>&2")
ROOT = Path(__file__).resolve().parent.parent
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_LINES = 20
_RANGE = r"\d+(?::\d+)?"
_COUNTS = {"max_jobs_run": "max_jobs", "tc": "max_jobs", "num_threads": "threads", "gpu": "gpus"}


class UsageError(Exception):
    """The command line makes no sense; the message is one line."""


@dataclass
class Call:
    """What one command line asks for; options that are not given are 0."""

    log: str  # file, with the job's name in it where there are several jobs
    words: list[str]  # the command
    name: str = ""  # what stands for the job's number; empty when there is one job without a number
    numbers: Sequence[int] = (1,)  # the jobs
    max_jobs: int = 0
    threads: int = 0
    gpus: int = 0
    options: dict[str, str] = field(default_factory=dict)  # all long ones but --max-jobs-run, as Kaldi names them
    raw: list[str] = field(default_factory=list)  # those of a scheduler's own command
    given: list[str] = field(default_factory=list)  # every option's words, as they came

    def log_of(self, number: int) -> Path:
        """Name the log of a job."""
        return Path(self._numbered(self.log, number))

    def script_of(self, number: int) -> str:
        """Write the command of a job for bash."""
        words = [self._numbered(word, number) for word in self.words]
        return " ".join(word if word in OPERATORS else shlex.quote(word) for word in words)

    def only(self, numbers: Iterable[int]) -> list[str]:
        """Give the arguments that run these of the jobs alone."""
        job = [f"{self.name}={ranges(numbers)}"] if self.name else []
        return [*self.given, *job, self.log, *self.words]

    def _numbered(self, text: str, number: int) -> str:
        return text.replace(self.name, str(number)) if self.name else text


def parse(arguments: Sequence[str], program: str = "run.py") -> Call:
    """Read a command line, without the program's name; one that makes no sense is a UsageError."""
    rest = list(arguments)
    call = Call("", [])
    while rest:
        job = re.fullmatch(rf"([A-Za-z_]\w*)=({_RANGE}(?:,{_RANGE})*)", rest[0])
        if job:
            call.name, call.numbers = job[1], _numbers(job[2], rest.pop(0))
        elif rest[0].startswith("-"):
            before = list(rest)
            _option(call, rest)
            call.given += before[: len(before) - len(rest)]
        else:
            break
    if len(rest) < 2:
        raise UsageError(f"expected [options] [JOB=1:N] LOG COMMAND [ARGUMENT ...]; see {program} --help")
    call.log, *call.words = rest
    if re.fullmatch(r"\w+=.*:.*", call.log):
        raise UsageError(f"{call.log}: expected a range like JOB=1:4")
    if len(call.numbers) > 1 and call.name not in call.log:
        raise UsageError(f"{call.log}: {len(call.numbers)} jobs cannot share a log; put {call.name} in its name")
    for word in call.words:
        if word not in OPERATORS and re.fullmatch(r"(\d?|&)>>?[^\s>=]\S*", word):
            raise UsageError(f"'{word}': write a redirection and its file as two words")
    return call


def _numbers(text: str, word: str) -> list[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition(":")
        if not 1 <= int(first) <= int(last or first):
            raise UsageError(f"{word}: expected a range like JOB=1:4, from 1 upwards")
        numbers |= set(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers as ``JOB=`` takes them.

    >>> ranges([7, 1, 2, 3, 9, 10])
    '1:3,7,9:10'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join(":".join(map(str, run)) for run in runs)


def _option(call: Call, rest: list[str]) -> None:
    word = rest.pop(0)
    if word == "-V":
        call.raw.append(word)
        return
    option, given, value = word.partition("=")
    if not given:
        if not rest or rest[0].startswith("--"):
            raise UsageError(f"option {option} needs a value")
        value = rest.pop(0)
    name = option.lstrip("-").replace("-", "_")
    if name in _COUNTS and (option.startswith("--") or option == "-tc"):
        if not value.isdecimal() or (int(value) == 0 and name != "gpu"):
            raise UsageError(f"option {option}: '{value}' is not a positive whole number")
        # A site's train_cmd and a script may both limit the jobs at once: the stricter limit holds, as in Kaldi.
        limit = call.max_jobs if _COUNTS[name] == "max_jobs" else 0
        setattr(call, _COUNTS[name], min(int(value), limit or int(value)))
    if option.startswith("--"):
        if name != "max_jobs_run":
            call.options[name] = value
    elif option != "-tc":
        call.raw += [option, value] if not given else [word]
        if option == "-pe" and rest:  # "-pe smp 4"
            call.raw.append(rest.pop(0))


def report(call: Call, program: str, failed: Sequence[tuple[int, str]], said: Iterable[str] = ()) -> None:
    """Say on standard error which jobs failed, and how to run them again.

    ``program`` is the runner as it was called; ``failed`` are numbers and what happened, as they came; ``said`` is
    what the scheduler said of the first, where its log has nothing.
    """
    name = program.split()[0]
    number, status = failed[0]
    log = call.log_of(number)
    which = f"job {number}" if call.name else "the job"
    if status.endswith((f"code {128 + signal.SIGKILL}", f"signal {signal.SIGKILL}")):
        status += ", killed: perhaps the memory was full"
    print(f"{name}: {which} failed ({status}); the end of its log {log}:", file=sys.stderr)
    for line in [*tail(log), *said]:
        print(f"    {line}", file=sys.stderr)
    if len(call.numbers) > 1:
        logs = call.log.replace(call.name, "*")
        print(f"{name}: {len(failed)} / {len(call.numbers)} failed, logs are in {logs}", file=sys.stderr)
        again = shlex.join(call.only(number for number, _ in failed))
        here, path = shlex.quote(str(Path.cwd())), shlex.quote(str(ROOT / "path.sh"))
        print(f"{name}: to run only these again: (cd {here} && . {path} && {program} {again})", file=sys.stderr)


def environment() -> dict[str, str]:
    """Give the variables that a job elsewhere needs: what path.sh sets, and what people set for their runs."""
    names = re.compile("PATH|PYTHON.*|VIRTUAL_ENV|LC_ALL|XSER_.*|(OMP|MKL)_NUM_THREADS|HF_(HOME|HUB_.*)")
    ours = ("XSER_DRIVER", "XSER_LOCK_FD")  # of processes on this machine
    return {name: value for name, value in os.environ.items() if names.fullmatch(name) and name not in ours}


def tail(log: Path) -> list[str]:
    """Read the last lines of a log; of a progress bar, its last state."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 65536))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return [line for line in lines if line and not line.startswith("# Accounting")][-_TAIL_LINES:]


def stop_at_signals(program: str) -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into a SystemExit of 128 and their number, once."""

    def interrupt(number: int, frame: object) -> None:
        # Once is enough: the jobs are being ended.
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        print(f"{program}: {signal.Signals(number).name}: ending the jobs", file=sys.stderr)
        raise SystemExit(128 + number)

    for number in _SIGNALS:
        # Under nohup, or in a script's background, some are ignored and stay so.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
