"""Tune encoders and test them: wav, folds -> exp/finetune/<encoder>.<strategy>.<train>-<test>/.

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
from collections.abc import Iterator
from pathlib import Path

from local import experiment
from local.experiment import Experiment
from local.finetune import conditions
from local.finetune.conditions import Group
from local.finetune.training import is_first, train
from utils import stamp
from utils.atomic import atomic_dir
from utils.errors import UserError, run_main


def main() -> None:
    """Train and test one job's share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", type=int, default=1, help="which job this is, from 1")
    parser.add_argument("--nj", type=int, default=1, help="how many jobs share the work")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that the jobs share; 0 trains on the CPU")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    if not 1 <= arguments.job <= arguments.nj:
        raise UserError(f"--job {arguments.job} --nj {arguments.nj}: the job must be one of 1..nj")
    settings = experiment.load(arguments)
    mine = share(arguments.job, arguments.nj)
    device = choose_device(arguments.job, arguments.ngpu)
    for group in conditions.groups(settings):
        units = {str(training.directory): training for training in conditions.trainings(group, settings)}
        taken = [units[name] for name in units if name in mine]
        for training in taken:
            if stamp.why_stale(training.directory, conditions.training_stamp(training, settings)):
                train(training, settings, device)
        if taken or str(group.directory) in mine:
            test(group, settings, device)
    _part()


def share(job: int, jobs: int) -> set[str]:
    """Pick a job's things to do of ``exp/finetune/plan``; what has work at the moment shrinks as other jobs finish."""
    try:
        planned = conditions.PLAN.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{conditions.PLAN}: no such plan; run python3 -m local.finetune.plan first") from None
    return set(planned[job - 1 :: jobs])


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


def test(group: Group, settings: Experiment, device: str = "cpu") -> None:
    """Test a group on the test corpus of every one of its conditions, if all of its models are there.

    Parameters
    ----------
    group : Group
        Conditions of it that are up to date are left alone.
    settings : Experiment
        The recipe's.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        A corpus is not whole, or cannot be tested on.
    """
    if not is_first():
        return
    with _locked(group.directory):
        work = conditions.work(group, settings)
        if work.trainings:
            left = f"{len(work.trainings)} of its models are still to be trained"
            print(f"{group.directory}: {left}; the job that trains the last one tests them", flush=True)
            return
        for condition in work.conditions:
            from local.finetune import write

            made_from = conditions.condition_stamp(group, condition, settings)
            with atomic_dir(condition.directory) as directory:
                write.write_condition(directory, group, condition, settings, device)
                stamp.write(directory, made_from)
            print(f"{condition.directory}: done", flush=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other jobs from testing the same group at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _part() -> None:
    """Take leave of the other processes."""
    if "RANK" in os.environ:
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    run_main(main)
