"""Train and test probes on frozen features.

    python3 -m local.probe.train [--job J --nj N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.probe.plan``; job J takes one in N of that plan's groups. Reads
folds from ``data/`` and features from ``dump/``, and writes ``exp/probe/<condition>/``. What is up to date is left
alone.
"""

from __future__ import annotations

from local.grid import jobs
from local.grid.conditions import Group
from local.probe.conditions import STAGE
from utils.errors import run_main


def main() -> None:
    """Train one job's share of the groups."""
    jobs.command(STAGE, __doc__, _test)


def _test(group: Group, device: str) -> None:
    from local.probe import run  # here, since it imports torch

    run.run(group)


if __name__ == "__main__":
    run_main(main)
