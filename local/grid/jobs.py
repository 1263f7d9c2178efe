"""One job's share of a stage: the command ``train`` of every stage that makes conditions.

Jobs divide the stage's plan, a list of trainings and of groups that have only to be tested. Whoever trains the last
model of a group tests it. Under torchrun, which is for models that one GPU trains too slowly, all processes work at one
training at a time, and the first one tests.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local import experiment
from local.grid import plan
from local.grid.conditions import Group, Training
from local.grid.plan import Stage
from utils import device, stamp
from utils.errors import UserError


def command(
    stage: Stage, description: str | None, test: Callable[[Group, str], None],
    train: Callable[[Training, str], None] | None = None,
) -> None:  # fmt: skip
    """Run a stage's command ``train``.

    Parameters
    ----------
    stage : Stage
        Whose.
    description : str
        The command's docstring.
    test : callable
        Makes the directories of a group's conditions, given the group with those alone that have to be made, and the
        device; of a stage that keeps no models, trains them too.
    train : callable
        Makes a training's directory, given the device.
    """
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    add_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    mine = share(settings.exp / stage.name, arguments.job, arguments.nj)
    where = device.choose(arguments.job, arguments.ngpu)
    for group in stage.groups(settings):
        taken = [one for one in stage.trainings(group) if str(one.directory) in mine]
        for training in taken:
            _train(stage, training, train, where)
        if _first() and (taken or str(group.directory) in mine):
            _test(stage, group, test, where)
    _part()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that say which job it is, and which experiment's."""
    parser.add_argument("--job", type=int, default=1, help="which job this is, from 1 (default: 1)")
    parser.add_argument("--nj", type=int, default=1, help="how many jobs share the work (default: 1)")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that the jobs share; 0 for the CPU (default: 0)")
    experiment.add_arguments(parser)


def share(folder: Path, job: int, jobs: int) -> set[str]:
    """Pick a job's units of the plan in a stage's folder: every N-th of them, once they are shuffled.

    The plan is divided, not what has work at the moment, which shrinks while other jobs finish theirs. It lists what is
    varied by turns, so that in its own order one of two jobs could have all that takes long.

    Raises
    ------
    UserError
        The job is not one of the jobs, or there is no plan.
    """
    if not 1 <= job <= jobs:
        raise UserError(f"--job {job} --nj {jobs}: the job must be one of 1..nj")
    path = folder / plan.NAME
    try:
        planned = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: no such plan; run python3 -m local.{folder.name}.plan first") from None
    shuffled = sorted(planned, key=lambda unit: hashlib.sha256(unit.encode()).digest())
    return set(shuffled[job - 1 :: jobs])


def _train(stage: Stage, training: Training, train: Callable[[Training, str], None], where: str) -> None:
    if stamp.why_stale(training.directory, stage.training_stamp(training)):
        began = time.monotonic()
        train(training, where)
        if _first():
            print(f"{training.directory}: trained in {time.monotonic() - began:.0f} s", flush=True)


def _test(stage: Stage, group: Group, test: Callable[[Group, str], None], where: str) -> None:
    with _locked(group) if stage.trainings(group) else contextlib.nullcontext():
        work = plan.work(stage, group)
        if work.trainings:
            left = f"{len(work.trainings)} of its models are still to be trained"
            print(f"{group.directory}: {left}; the job that trains the last one tests them", flush=True)
        elif work.conditions:
            test(group.only(work.conditions), where)


@contextlib.contextmanager
def _locked(group: Group) -> Iterator[None]:
    """Keep other jobs from testing the same group at the same time."""
    folder = Path(group.directory)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _part() -> None:
    """Take leave of the other processes."""
    if "RANK" in os.environ:
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
