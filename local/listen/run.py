"""Stage 7 where no test is served: clips, made-up listeners, tables of answers and their analysis, one after the other.

    cd egs/<recipe> && python3 -m local.listen.run [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

The same as ``python3 -m local.listen.clips``, ``simulate``, ``collect`` and ``analyse`` with these options, in one
process: a run that finds all done should not take longer than it must.
"""

from __future__ import annotations

import argparse

from local import experiment
from local.listen import analyse, clips, collect, simulate
from utils.errors import run_main


def main() -> None:
    """Run the four commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    run(experiment.load(parser.parse_args()))


def run(settings: experiment.Experiment) -> None:
    """Run the four for an experiment."""
    for command in (clips, simulate, collect, analyse):
        command.run(settings)


if __name__ == "__main__":
    run_main(main)
