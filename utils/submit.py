#!/usr/bin/env python3
"""Run a command, or a numbered array of commands, on a cluster: called as Kaldi's slurm.pl and queue.pl are.

    submit.py slurm JOB=1:4 exp/x/log/train.JOB.log python3 -m local.x.train --job JOB --nj 4
    submit.py slurm --mem 4G --time 1:00:00 --gpu 1 --max-jobs-run 10 JOB=1:40 exp/x/log/train.JOB.log ...
    submit.py sge --config conf/queue.conf --num-threads 4 exp/x/log/pool.log python3 -m local.x.pool

The first word is the kind of cluster. Options stand as in run.py; what ``--mem``, ``--time``, ``--gpu``,
``--num-threads`` and any other mean is in the file of ``--config``, as for Kaldi's scripts: the recipe's
conf/slurm.conf or conf/queue.conf, or else the repository's. Options with one dash go to the scheduler's command as
they are. ``JOB=3,7:9`` runs these jobs alone.

Nodes see this folder under the same path. A job's log and its failures are those of run.py, which runs it there.
Meanwhile submit.py waits; an interrupt cancels all jobs. When submit.py is killed, its jobs go on; the next call with
the same log cancels them. A scheduler that restarts is waited for, and arrays beyond its limit are cut.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from utils.jobs import ROOT, Call, UsageError, environment, parse, report, stop_at_signals, tail
from utils.schedulers import KINDS, Scheduler

_LOOK_S = 0.5  # between looks at what has ended
_ASK_S = 30.0  # at most, between questions to the scheduler
_SETTLE_S = 15.0  # a job that the scheduler has ended may have said how, and a network file system be late to show it
_CANCEL_S = 60.0  # jobs that are cancelled may take so long to end

# A node's part: run.py runs the job, as on this machine, and its status goes where submit.py waits for it.
_SCRIPT = """#!/bin/bash
cd {here} || exit 1
export {exports}
unset XSER_DRIVER XSER_LOCK_FD
export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-${{SLURM_CPUS_PER_TASK:-${{NSLOTS:-1}}}}}}
[ "$CUDA_VISIBLE_DEVICES" != NoDevFiles ] || unset CUDA_VISIBLE_DEVICES
index=$(({task} + $1))
job=$(sed -n "${{index}}p" {folder}/numbers)
{run}
echo $? > {folder}/ending.$job && mv {folder}/ending.$job {folder}/ended.$job
"""


@dataclass
class Submission:
    """The jobs of a call on a cluster."""

    scheduler: Scheduler
    call: Call
    failed: list[tuple[int, str]] = field(default_factory=list, init=False)  # number and what happened, as they came
    _ids: list[str] = field(default_factory=list, init=False)  # of the arrays, one after the other
    _size: int = field(default=1, init=False)  # jobs of an array; the last may have fewer
    _folder: Path = field(init=False)
    _places: dict[int, int] = field(init=False)  # of the jobs among all, from 1
    _told: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        log = Path(self.call.log).absolute()
        parent = log.parent.parent if log.parent.name.lower() == "log" else log.parent
        self._folder = parent / "q" / log.name
        self._places = {number: index for index, number in enumerate(self.call.numbers, 1)}

    def run(self) -> int:
        """Run all jobs, report the failures and return the exit status."""
        self._cancel_those_of_a_dead_call()
        try:
            self._submit()
            self._wait()
        except BaseException:
            self._cancel()
            raise
        if self.failed:
            first = self.failed[0][0]
            # Where its log has no end, the scheduler or bash may have said why.
            output = self._folder / f"{self._array(first)}.{self._index(first, within=True)}.out"
            said = [] if self._ends(first) else tail(output)
            report(self.call, f"submit.py {self.scheduler.name}", self.failed, said)
        shutil.rmtree(self._folder, ignore_errors=True)
        return bool(self.failed)

    def _submit(self) -> None:
        call, scheduler, folder = self.call, self.scheduler, self._folder
        folder.mkdir(parents=True)
        for number in call.numbers:
            call.log_of(number).parent.mkdir(parents=True, exist_ok=True)
            call.log_of(number).unlink(missing_ok=True)
        (folder / "numbers").write_text("".join(f"{number}\n" for number in call.numbers))
        script = folder / f"{re.sub('[^A-Za-z0-9_.-]', '_', 'x.' + Path(call.log).stem)}.sh"
        threads = ["--num-threads", str(call.threads)] if call.threads else []
        words = [sys.executable, str(ROOT / "utils/run.py"), *threads]
        job = [f'{call.name}="$job"'] if call.name else []
        script.write_text(_SCRIPT.format(
            here=shlex.quote(str(Path.cwd())), folder=shlex.quote(str(folder)), task=f"${scheduler.task}",
            exports=" ".join(f"{name}={shlex.quote(value)}" for name, value in environment().items()),
            run=" ".join([shlex.join(words), *job, shlex.join([call.log, *call.words])]),
        ))  # fmt: skip
        script.chmod(0o700)
        self._size = min(len(call.numbers), scheduler.most or len(call.numbers))
        command = scheduler.command(call)
        for first in range(0, len(call.numbers), self._size):
            # Parts that run at once would each run as many jobs as all together may.
            after = self._ids[-1] if call.max_jobs and self._ids else None
            array = scheduler.array(min(self._size, len(call.numbers) - first), call.max_jobs, folder, after)
            self._ids.append(scheduler.submit([*command, *array, str(script), str(first)]))
            (folder / "ids").write_text(" ".join(self._ids))

    def _wait(self) -> None:
        parent = os.getppid()
        driven = os.environ.get("XSER_DRIVER") == str(parent)
        missing = set(self.call.numbers)
        gone: dict[int, float] = {}  # jobs that the scheduler no longer has, and since when
        ask, pause = time.monotonic() + 1, 1.0
        while missing:
            if driven and os.getppid() != parent:
                print("submit.py: the driver has been killed: ending the jobs", file=sys.stderr)
                raise SystemExit(1)
            for number in self._ended() & missing:
                missing.discard(number)
                if (self._folder / f"ended.{number}").read_text().strip() != "0":
                    self.failed.append((number, self._ends(number) or "before it started"))
            if missing and time.monotonic() > ask:
                self._look(missing, gone)
                pause = min(2 * pause, _ASK_S)
                ask = time.monotonic() + pause
            time.sleep(_LOOK_S if missing else 0)

    def _look(self, missing: set[int], gone: dict[int, float]) -> None:
        """Ask the scheduler for the missing jobs; those that it has ended long enough ago have failed."""
        states = self.scheduler.states(self._ids)
        if states is None:  # it is away: its nodes go on
            gone.clear()
            return
        for number in sorted(missing):
            job = self._array(number), self._index(number, within=True)
            if job in states:
                gone.pop(number, None)
                self._tell(number, states[job])
            elif time.monotonic() - gone.setdefault(number, time.monotonic()) >= _SETTLE_S:
                missing.discard(number)
                self.failed.append((number, f"{self.scheduler.name} ended it: {self.scheduler.over.get(job, 'gone')}"))

    def _tell(self, number: int, why: str) -> None:
        if why and why not in self._told:
            self._told.add(why)
            print(f"submit.py: job {number} waits: {why} (array {self._array(number)})", file=sys.stderr)

    def _ended(self) -> set[int]:
        with os.scandir(self._folder) as entries:
            return {int(entry.name[6:]) for entry in entries if entry.name.startswith("ended.")}

    def _ends(self, number: int) -> str:
        """Give the status that a job's log ends with, if it does."""
        line = (tail(self.call.log_of(number)) or [""])[-1]
        return line[len("# Ended (") :].partition(") at ")[0] if line.startswith("# Ended (") else ""

    def _array(self, number: int) -> str:
        return self._ids[(self._index(number) - 1) // self._size]

    def _index(self, number: int, within: bool = False) -> int:
        """Give a job's place among all, or within its array, from 1."""
        index = self._places[number]
        return (index - 1) % self._size + 1 if within else index

    def _cancel(self) -> None:
        if self._ids:
            self._end(self._ids)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _cancel_those_of_a_dead_call(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            ids = (self._folder / "ids").read_text().split()
            if self.scheduler.states(ids) != {}:
                print(f"submit.py: cancelling {', '.join(ids)}, of a call that was killed", file=sys.stderr)
                self._end(ids)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, ids: list[str]) -> None:
        deadline = time.monotonic() + _CANCEL_S
        self.scheduler.cancel(ids)
        while self.scheduler.states(ids) != {}:
            if time.monotonic() > deadline:
                print(f"submit.py: {', '.join(ids)}: still there; cancel them by hand", file=sys.stderr)
                return
            time.sleep(_LOOK_S)


def main() -> int:
    """Run the command line."""
    kind, *arguments = sys.argv[1:] or [""]
    if kind in ("--help", "-h"):
        print(__doc__)
        return 0
    stop_at_signals("submit.py")
    try:
        if kind not in KINDS:
            raise UsageError(f"'{kind}': expected a kind of cluster first: {', '.join(KINDS)}; see submit.py --help")
        return Submission(KINDS[kind](), parse(arguments, "submit.py")).run()
    except UsageError as error:
        print(f"submit.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"submit.py: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
