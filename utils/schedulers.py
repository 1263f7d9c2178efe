"""Slurm and Grid Engine: how an array of jobs is given to them, asked for and cancelled; Kaldi's files that say so.

Both are called through their own commands, which every site has, and which Kaldi's slurm.pl and queue.pl call too.
"""

from __future__ import annotations

import abc
import getpass
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from utils.jobs import ROOT, Call, UsageError

_AWAY = ("Unable to contact", "Connection refused", "unable to send message", "can't connect", "got no connection")
_AWAY_S = 300.0  # for so long a scheduler that does not answer is asked again


def arguments(file: Path, given: Mapping[str, str]) -> list[str]:
    """Turn options into those of a scheduler, as a file for Kaldi's slurm.pl or queue.pl says.

    ``command C`` is the command; ``option NAME=VALUE WORDS`` are its words for an option's value, and those of
    ``option NAME=* WORDS`` for any other, which ``$0`` stands for; ``default NAME=VALUE`` holds where the option is not
    given.

    Parameters
    ----------
    file : Path
        The file.
    given : Mapping
        Options by name, with underscores.

    Returns
    -------
    list of str
        The command's words and those of the options.

    Raises
    ------
    UsageError
        The file cannot be read or understood, or an option is not in it.
    """
    try:
        lines = [re.sub(r"\s*#.*", "", line).rstrip() for line in file.read_text().splitlines()]
    except OSError as error:
        raise UsageError(f"option --config: {file} cannot be read: {error.strerror}") from None
    command: list[str] = []
    words: dict[tuple[str, str], str] = {}
    wanted: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if match := re.fullmatch(r"command (.+)", line):
            command = shlex.split(match[1])
        elif match := re.fullmatch(r"option ([^=\s]+)=(\S+)\s*(.*)", line):
            words[match[1], match[2]] = match[3]
        elif match := re.fullmatch(r"default (\S+?)=(\S+)", line):
            wanted[match[1]] = match[2]
        elif line.strip():
            raise UsageError(f"{file}:{number}: '{line}': expected command, option NAME=VALUE or default NAME=VALUE")
    if not command:
        raise UsageError(f"{file}: no line 'command ...' in it")
    for name, value in (wanted | dict(given)).items():
        line = words.get((name, value), words.get((name, "*")))
        if line is None:
            raise UsageError(f"option --{name.replace('_', '-')} {value}: {file} has no line 'option {name}=* ...'")
        command += shlex.split(line.replace("$0", shlex.quote(value)))
    return command


class Scheduler(abc.ABC):
    """One kind of cluster: its commands and its words."""

    name: str
    config: str  # the file that says how to call it
    task: str  # the variable that holds a job's index in its array
    most: int | None = None  # jobs of one array

    def command(self, call: Call) -> list[str]:
        """Give the words that submit a job with a call's options."""
        options = {name: value for name, value in call.options.items() if name != "config"}
        file = Path(call.options.get("config", f"conf/{self.config}"))
        if "config" not in call.options and not file.exists():
            file = ROOT / "conf" / self.config
        return [*arguments(file, options), *call.raw]

    @abc.abstractmethod
    def array(self, count: int, at_once: int, folder: Path, after: str | None) -> list[str]:
        """Give the words for an array of jobs 1 to count, whose output goes to folder/ARRAY.INDEX.out."""

    @abc.abstractmethod
    def states(self, ids: Sequence[str]) -> dict[tuple[str, int], str] | None:
        """Say what becomes of the jobs that have not ended, by array and index; None if nobody answers."""

    @abc.abstractmethod
    def cancel(self, ids: Iterable[str]) -> None:
        """End all jobs of these arrays."""

    def submit(self, words: Sequence[str]) -> str:
        """Submit a job and give its id; a scheduler that is away is waited for."""
        deadline = time.monotonic() + _AWAY_S
        while True:
            answer = _ask(words)
            found = re.search(r"[Jj]ob(?:-array)? (\d+)", answer.stdout)
            if answer.returncode == 0 and found:
                return found[1]
            said = (answer.stderr or answer.stdout).strip()
            if not any(word in said for word in _AWAY) or time.monotonic() > deadline:
                raise UsageError(f"{shlex.join(words)}: {' '.join(said.split()) or f'code {answer.returncode}'}")
            time.sleep(5)


class Slurm(Scheduler):
    """Slurm."""

    name, config, task = "slurm", "slurm.conf", "SLURM_ARRAY_TASK_ID"
    _OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE",
             "PREEMPTED", "REVOKED")  # fmt: skip
    _USUAL = ("None", "Resources", "Priority", "Dependency", "BeginTime", "JobArrayTaskLimit", "Cleaning")

    def __init__(self) -> None:
        self.over: dict[tuple[str, int], str] = {}  # how jobs ended, as long as Slurm remembers

    @property
    def most(self) -> int | None:  # type: ignore[override]
        """Jobs of one array; indices stay below MaxArraySize."""
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask(["scontrol", "show", "config"]).stdout, re.MULTILINE)
        return int(found[1]) - 1 if found else None

    def array(self, count: int, at_once: int, folder: Path, after: str | None) -> list[str]:
        output = str(folder).replace("%", "%%") + "/%A.%a.out"
        return [
            f"--array=1-{count}{f'%{at_once}' if at_once else ''}", f"--output={output}", "--open-mode=append",
            *([f"--dependency=afterany:{after}"] if after else []),
        ]  # fmt: skip

    def states(self, ids: Sequence[str]) -> dict[tuple[str, int], str] | None:
        answer = _ask(["squeue", "-h", "-r", "-t", "all", "-o", "%F|%K|%T|%r", "-j", ",".join(ids)])
        if answer.returncode and "Invalid job id" not in answer.stderr:
            return None
        found = {}
        for line in answer.stdout.splitlines():
            array, index, state, why = line.split("|", 3)
            if array not in ids or not index.isdecimal():
                continue
            if state in self._OVER:
                self.over[array, int(index)] = state
            else:
                found[array, int(index)] = "" if state != "PENDING" or why.strip("()") in self._USUAL else why
        return found

    def cancel(self, ids: Iterable[str]) -> None:
        _ask(["scancel", *ids])


class GridEngine(Scheduler):
    """Grid Engine, in any of its families."""

    name, config, task = "sge", "queue.conf", "SGE_TASK_ID"

    def __init__(self) -> None:
        self.over: dict[tuple[str, int], str] = {}

    def array(self, count: int, at_once: int, folder: Path, after: str | None) -> list[str]:
        limit = ["-tc", str(at_once)] if at_once else []
        return ["-t", f"1-{count}", *limit, "-o", f":{folder}/$JOB_ID.$TASK_ID.out"]

    def states(self, ids: Sequence[str]) -> dict[tuple[str, int], str] | None:
        answer = _ask(["qstat", "-u", getpass.getuser()])
        if answer.returncode:
            return None
        found = {}
        for line in answer.stdout.splitlines():
            words = line.split()
            if len(words) < 6 or words[0] not in ids:
                continue
            for part in words[-1].split(","):
                first, last = (re.split(r"[-:]", part) * 2)[:2] if "-" in part else (part, part)
                for index in range(int(first), int(last) + 1):
                    if "E" in words[4]:
                        self.over[words[0], index] = f"state {words[4]}: see qstat -j {words[0]}"
                    else:
                        found[words[0], index] = ""
        return found

    def cancel(self, ids: Iterable[str]) -> None:
        _ask(["qdel", *ids])


KINDS: dict[str, type[Scheduler]] = {kind.name: kind for kind in (Slurm, GridEngine)}


def _ask(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        # In a session of its own: an interrupt at the terminal is for the caller to act on.
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True
        )
    except OSError as error:
        raise UsageError(f"{words[0]}: {error.strerror}; is this a machine that submits jobs?") from None
