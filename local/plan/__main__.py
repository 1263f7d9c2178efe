"""Say what a run will do, and what its tests will be able to show: ``run.sh --plan``.

    cd egs/<recipe> && python3 -m local.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Nothing is made or changed. The first part counts, stage by stage, what the experiment asks for and what of it is still
to be made (local/plan/work.py). The second says what that costs (local/plan/cost.py). The third says of every family of
tests that tables will show how small a difference could be seen with these speakers and seeds, and where none could
(local/plan/power.py).
"""

from __future__ import annotations

import argparse

from local import experiment
from utils.errors import run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    experiment.add_arguments(parser)
    parser.add_argument("--ngpu", type=int, default=0, help="how many GPUs the run is to use (default: 0)")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    from local.plan import cost, power, work

    for lines in (work.describe(settings), cost.describe(settings, arguments.ngpu), power.describe(settings)):
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    run_main(main)
