"""Say which diarization models have to be trained, or which conditions to be tested, and why.

    python3 -m local.sed.plan [--for train|apply] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder; ``--for apply`` after the training. What is skipped or done, and why, goes to standard error;
standard output is one line, the number of units of work. They go to ``exp/sed/plan.<command>``, a line each, which the
jobs of that command divide among themselves. A unit of ``train`` is a model of one fold and seed; a unit of ``apply``
is the conditions of one system on one set, which share the encoder's forward passes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from local import experiment
from local.experiment import Experiment
from local.sed import conditions
from utils import stamp
from utils.atomic import atomic_file
from utils.errors import UserError, run_main

COMMANDS = ("train", "apply")


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--for", choices=COMMANDS, default="train", dest="command", help="whose work it is")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    units = (_to_train if arguments.command == "train" else _to_apply)(settings)
    with atomic_file(_path(arguments.command)) as file:
        file.writelines(f"{unit}\n" for unit in units)
    print(len(units))


def share(command: str, job: int, jobs: int) -> list[str]:
    """Give a job's share of a plan: every N-th line, starting with the J-th.

    Raises
    ------
    UserError
        There is no such job, or no plan.
    """
    if not 1 <= job <= jobs:
        raise UserError(f"--job {job} --nj {jobs}: the job must be one of 1..nj")
    try:
        return _path(command).read_text(encoding="utf-8").splitlines()[job - 1 :: jobs]
    except FileNotFoundError:
        raise UserError(
            f"{_path(command)}: no such plan; run python3 -m local.sed.plan --for {command} first"
        ) from None


def _path(command: str) -> Path:
    return conditions.EXP / f"plan.{command}"


def _to_train(settings: Experiment) -> list[str]:
    found = conditions.trainings(settings)
    return list(_stale("models", ((item.directory, conditions.training_stamp(item, settings)) for item in found)))


def _to_apply(settings: Experiment) -> list[str]:
    if not settings.sed.encoders:
        return []
    from local.sed.score.baselines import BASELINES

    found = {str(item.directory): item for item in conditions.conditions(settings, list(BASELINES))}
    units: dict[tuple[str, str], list[str]] = {}
    stamps = ((item.directory, conditions.condition_stamp(item, settings)) for item in found.values())
    for name in _stale("conditions", stamps):
        units.setdefault((found[name].system, found[name].test), []).append(name)
    return [" ".join(names) for names in units.values()]


def _stale(what: str, stamps: Iterable[tuple[Path, dict]]) -> Iterable[str]:
    """Give the directories that have to be made again, and say why."""
    skipped = 0
    for directory, made_from in stamps:
        reason = stamp.why_stale(directory, made_from)
        if reason:
            print(f"sed: {directory}: to be made: {reason}", file=sys.stderr)
            yield str(directory)
        skipped += reason is None
    print(f"sed: {skipped} {what} are up to date, skipped", file=sys.stderr)


if __name__ == "__main__":
    run_main(main)
