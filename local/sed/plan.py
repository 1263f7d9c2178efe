"""Say which diarization models have to be trained and tested, and why.

    python3 -m local.sed.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one line, the
number of things to do: trainings (a fold and seed each), and groups of conditions that have only to be tested.
``exp/sed/manifest.jsonl`` says what is asked for, ``exp/sed/plan`` what the jobs of ``local.sed.train`` divide among
themselves.
"""

from __future__ import annotations

from local.grid import plan
from local.sed.conditions import STAGE
from utils.errors import run_main


def main() -> None:
    """Print the plan."""
    plan.command(STAGE, __doc__)


if __name__ == "__main__":
    run_main(main)
