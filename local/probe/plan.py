"""Say which probes have to be made, and why.

    python3 -m local.probe.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one line, the
number of groups with work (conditions that share their training are one group). ``exp/probe/manifest.jsonl`` says what
is asked for, ``exp/probe/plan`` what the jobs of ``local.probe.train`` divide among themselves.
"""

from __future__ import annotations

from local.grid import plan
from local.probe.conditions import STAGE
from utils.errors import run_main


def main() -> None:
    """Print the plan."""
    plan.command(STAGE, __doc__)


if __name__ == "__main__":
    run_main(main)
