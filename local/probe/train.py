"""Train and test probes on frozen features.

    python3 -m local.probe.train [--job J --nj N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.probe.plan``; job J takes every N-th group of that plan, starting
with the J-th. Reads folds from ``data/`` and features from ``dump/``, and writes ``exp/probe/<condition>/``. What is up
to date is left alone.
"""

from __future__ import annotations

import argparse

from local import experiment
from local.grid import plan
from local.probe.conditions import STAGE
from utils.errors import run_main


def main() -> None:
    """Train one job's share of the groups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plan.add_job_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    mine = plan.share(STAGE.name, settings, arguments)
    for group in STAGE.groups(settings):
        if str(group.directory) in mine:
            todo = plan.work(STAGE, group).conditions
            if todo:
                from local.probe import run  # here, since it imports torch

                run.run(group.only(todo))


if __name__ == "__main__":
    run_main(main)
