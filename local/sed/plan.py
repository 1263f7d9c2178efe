"""Say which diarization models have to be trained, and why.

    python3 -m local.sed.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or trained, and why, goes to standard error; standard output is one line, the
number of trainings. Their directories go to ``exp/sed/plan``, which the jobs of ``local.sed.train`` divide among
themselves.
"""

from __future__ import annotations

import argparse
import sys

from local import experiment
from local.sed import conditions
from utils import stamp
from utils.atomic import atomic_file
from utils.errors import run_main


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    todo = []
    for training in conditions.trainings(settings):
        reason = stamp.why_stale(training.directory, conditions.training_stamp(training, settings))
        if reason:
            todo.append(training)
            print(f"sed: {training.directory}: to be trained: {reason}", file=sys.stderr)
    print(f"sed: {len(conditions.trainings(settings)) - len(todo)} models are up to date, skipped", file=sys.stderr)
    with atomic_file(conditions.PLAN) as file:
        file.writelines(f"{training.directory}\n" for training in todo)
    print(len(todo))


if __name__ == "__main__":
    run_main(main)
