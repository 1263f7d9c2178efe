"""Stage 1: corpora into data directories, those into folds, and their audit, one after the other.

    cd egs/<recipe> && python3 -m local.splits.run --db-root DIR [--config FILE] [--set KEY.PATH=VALUE]...

The same as ``python3 -m local.corpora.prepare``, ``local.splits.make`` and ``local.splits.audit`` with these options,
in one process: a run that finds all done should not take longer than it must.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from local import experiment
from local.corpora import prepare
from local.splits import audit, make
from utils.errors import run_main


def main() -> None:
    """Run the three commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--db-root", type=Path, metavar="DIR", help="where the corpora are: corpus c at DIR/c")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    prepare.run(settings, arguments.db_root)
    make.run(settings)
    audit.run(settings)


if __name__ == "__main__":
    run_main(main)
