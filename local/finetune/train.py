"""Tune encoders and test them: wav, folds -> exp/finetune/<condition>/.

    python3 -m local.finetune.train [--job J --nj N] [--ngpu G] [--config conf/experiment.yaml] [--set KEY=VALUE]...
    torchrun --nproc-per-node G -m local.finetune.train --ngpu G ...

Run in a recipe's folder, after ``python3 -m local.finetune.plan``; job J takes every N-th thing to do of that plan,
starting with the J-th. Models go to ``exp/finetune/models/<group>/fold<k>.seed<s>/``; whoever trains the last one of a
group tests it. A training that was interrupted goes on where it stopped; what is up to date is left alone.
Under torchrun, which is for models that one GPU trains too slowly, all processes work at one training at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from local import experiment
from local.finetune.conditions import STAGE
from local.grid import plan
from local.grid.conditions import Group
from utils import stamp
from utils.errors import run_main


def main() -> None:
    """Train and test one job's share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plan.add_job_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    mine = plan.share(STAGE.name, settings, arguments)
    device = choose_device(arguments.job, arguments.ngpu)
    for group in STAGE.groups(settings):
        taken = [one for one in STAGE.trainings(group) if str(one.directory) in mine]
        for training in taken:
            if stamp.why_stale(training.directory, STAGE.training_stamp(training)):
                from local.finetune import run  # here, since it imports torch

                began = time.monotonic()
                run.train(training, device)
                if _first():
                    print(f"{training.directory}: trained in {time.monotonic() - began:.0f} s", flush=True)
        if taken or str(group.directory) in mine:
            test(group, device)
    _part()


def test(group: Group, device: str = "cpu") -> None:
    """Test a group on the test corpus of every one of its conditions, if all of its models are there.

    Parameters
    ----------
    group : Group
        Conditions of it that are up to date are left alone.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        A corpus is not whole, or cannot be tested on.
    """
    if not _first():
        return
    with _locked(group.directory):
        work = plan.work(STAGE, group)
        if work.trainings:
            left = f"{len(work.trainings)} of its models are still to be trained"
            print(f"{group.directory}: {left}; the job that trains the last one tests them", flush=True)
            return
        for condition in work.conditions:
            from local.finetune import apply

            apply.test(group, condition, device)
            print(f"{condition.directory}: done", flush=True)


def choose_device(job: int, gpus: int) -> str:
    """Choose a job's device; to be called before torch is imported.

    Parameters
    ----------
    job : int
        From 1.
    gpus : int
        That the jobs share; 0 for the CPU.

    Returns
    -------
    str
        As torch names it. The Trainer would take every GPU that it sees, so a job is shown its own only; processes
        of torchrun are told theirs by it.
    """
    if not gpus:
        return "cpu"
    if "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = shown.split(",") if shown else [str(number) for number in range(gpus)]
    os.environ["CUDA_VISIBLE_DEVICES"] = names[(job - 1) % min(gpus, len(names))]
    return "cuda:0"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other jobs from testing the same group at the same time."""
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


if __name__ == "__main__":
    run_main(main)
