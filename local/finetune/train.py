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
import time
from collections.abc import Iterator
from pathlib import Path

from local import experiment
from local.experiment import Experiment
from local.finetune import conditions
from local.finetune.conditions import Group, Training
from utils import device, stamp
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
    where = device.choose(arguments.job, arguments.ngpu)
    for group in conditions.groups(settings):
        units = {str(training.directory): training for training in conditions.trainings(group, settings)}
        taken = [units[name] for name in units if name in mine]
        for training in taken:
            if stamp.why_stale(training.directory, conditions.training_stamp(training, settings)):
                train(training, settings, where)
        if taken or str(group.directory) in mine:
            test(group, settings, where)
    _part()


def share(job: int, jobs: int) -> set[str]:
    """Pick a job's things to do of ``exp/finetune/plan``; what has work at the moment shrinks as other jobs finish."""
    try:
        planned = conditions.PLAN.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{conditions.PLAN}: no such plan; run python3 -m local.finetune.plan first") from None
    return set(planned[job - 1 :: jobs])


def train(training: Training, settings: Experiment, device: str = "cpu") -> None:
    """Train a model and save it.

    Parameters
    ----------
    training : Training
        What to train; an older result is replaced.
    settings : Experiment
        The recipe's.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        A corpus is not whole or has no utterance of an emotion in train, or the training fails.
    """
    from local.finetune import data
    from local.finetune.fit import fit
    from local.finetune.trainer import Leg, Run

    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    made_from = conditions.training_stamp(training, settings)
    group, fold = training.group, training.fold
    corpora = {name: data.read(name, group.encoder, settings.split.scheme, settings.emotions) for name in group.learnt}
    check_folds(list(corpora.values()), settings.split.scheme)

    def leg(train: tuple[str, ...], dev: tuple[str, ...], what: str) -> Leg:
        both = [
            data.Examples.joined([corpora[name].part(fold, part) for name in names])
            for names, part in ((train, "train"), (dev, "dev"))
        ]
        data.check_classes(both[0], settings.emotions, train, fold)
        return Leg(train, *both, training.draw(what))

    legs = [leg(group.source, group.source, "source")] if group.source else []
    legs.append(leg(group.train, group.dev, "training"))
    began = time.monotonic()
    fit(
        Run(
            training.directory, group.encoder, settings.emotions, conditions.design(training, settings),
            training.draw("weights"), settings.finetune, legs, data.cache_folder(group.encoder), made_from, device,
        )
    )  # fmt: skip
    if _first():
        stamp.write(training.directory, made_from)
        print(f"{training.directory}: trained in {time.monotonic() - began:.0f} s", flush=True)


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
    if not _first():
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


def check_folds(corpora: list, scheme: str) -> None:
    """Refuse corpora with different numbers of folds: fold k of one is paired with fold k of another."""
    if len({len(corpus.folds) for corpus in corpora}) > 1:
        listed = ", ".join(f"data/{corpus.name}/folds/{scheme} has {len(corpus.folds)}" for corpus in corpora)
        raise UserError(f"corpora of one condition need the same number of folds: {listed}")


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
