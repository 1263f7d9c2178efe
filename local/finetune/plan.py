"""Say which encoders have to be tuned and tested, and why.

    python3 -m local.finetune.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one line, the
number of things to do: trainings (a fold and seed each), and groups of conditions that have only to be tested. Their
directories go to ``exp/finetune/plan``, which the jobs of ``local.finetune.train`` divide among themselves.
"""

from __future__ import annotations

import argparse
import sys

from local import experiment
from local.finetune import conditions
from local.finetune.conditions import Work
from utils.atomic import atomic_file
from utils.errors import run_main

SHOWN = 8  # names a line


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    works = [conditions.work(group, settings) for group in conditions.groups(settings)]
    for line in describe(works):
        print(line, file=sys.stderr)
    units = [unit for work in works for unit in work.units]
    with atomic_file(conditions.PLAN) as file:
        file.writelines(f"{unit}\n" for unit in units)
    print(len(units))


def describe(works: list[Work]) -> list[str]:
    """Put into words what is skipped and what is made, and why: a line for every reason."""
    valid = sum(len(work.group.conditions) - len(work.conditions) for work in works)
    lines = [f"finetune: {valid} conditions are up to date, skipped"] if valid else []
    reasons: dict[str, list[str]] = {}
    for work in works:
        for training, reason in work.trainings.items():
            reasons.setdefault(f"to be trained, {reason}", []).append(str(training.directory))
        for condition, reason in work.conditions.items():
            reasons.setdefault(f"to be tested, {reason}", []).append(condition.name)
    for reason, names in reasons.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"finetune: {len(names)} {reason}: {' '.join(names[:SHOWN])}{more}")
    return lines


if __name__ == "__main__":
    run_main(main)
