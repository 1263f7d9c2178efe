"""Say which encoders have to be tuned and tested, and why.

    python3 -m local.finetune.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one line, the
number of things to do: trainings (a fold and seed each), and groups of conditions that have only to be tested.
``exp/finetune/manifest.jsonl`` says what is asked for, ``exp/finetune/plan`` what the jobs of ``local.finetune.train``
divide among themselves.
"""

from __future__ import annotations

from local.finetune.conditions import STAGE
from local.grid import plan
from utils.errors import run_main


def main() -> None:
    """Print the plan."""
    plan.command(STAGE, __doc__)


if __name__ == "__main__":
    run_main(main)
