"""Say which probes have to be made, and why.

    python3 -m local.probe.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one
line, the number of groups with work (conditions that share their training are one group). Their names go to
``exp/probe/plan``, which the jobs of ``local.probe.train`` divide among themselves.
"""

from __future__ import annotations

import argparse
import sys

from local import experiment
from local.probe import conditions
from utils.atomic import atomic_file
from utils.errors import run_main

SHOWN = 8  # names a line


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    todo, valid = conditions.work(experiment.load(parser.parse_args()))
    for line in describe(todo, valid):
        print(line, file=sys.stderr)
    with atomic_file(conditions.PLAN) as file:
        file.writelines(f"{work.group.name}\n" for work in todo)
    print(len(todo))


def describe(todo: list[conditions.Work], valid: int) -> list[str]:
    """Put into words what is skipped and what is made, and why: a line for every reason, with the conditions."""
    lines = [f"probe: {_count(valid)} up to date, skipped"] if valid else []
    names: dict[str, list[str]] = {}
    for work in todo:
        for name, reason in work.reasons.items():
            names.setdefault(reason, []).append(name)
    for reason, found in names.items():
        what = reason if reason == "not made yet" else f"made again, {reason}"
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lines.append(f"probe: {_count(len(found))} {what}: {' '.join(found[:SHOWN])}{more}")
    return lines


def _count(number: int) -> str:
    return "1 condition is" if number == 1 else f"{number} conditions are"


if __name__ == "__main__":
    run_main(main)
