"""Say which encoders have to be pre-trained, and why.

    python3 -m local.pretrain.plan [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. What is skipped or made, and why, goes to standard error; standard output is one line, the
number of encoders to be made. Their folders go to ``exp/pretrain/plan``, which the jobs of ``local.pretrain.train``
divide among themselves.
"""

from __future__ import annotations

import argparse
import sys

from local import experiment
from local.grid.plan import NAME
from local.pretrain.work import FOLDER, all_work
from utils.atomic import atomic_file
from utils.errors import run_main


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    works = all_work(experiment.load(parser.parse_args()))
    reasons = {work.out: work.why_stale() for work in works}
    for out, reason in reasons.items():
        print(f"{out}: {'up to date, skipped' if reason is None else f'to be pre-trained: {reason}'}", file=sys.stderr)
    todo = [out for out, reason in reasons.items() if reason]
    if works:
        with atomic_file(FOLDER / NAME) as file:
            file.writelines(f"{out}\n" for out in todo)
    print(len(todo))


if __name__ == "__main__":
    run_main(main)
