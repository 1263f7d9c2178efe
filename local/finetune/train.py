"""Tune encoders and test them: wav, folds -> exp/finetune/<condition>/.

    python3 -m local.finetune.train [--job J --nj N] [--ngpu G] [--config conf/experiment.yaml] [--set KEY=VALUE]...
    torchrun --nproc-per-node G -m local.finetune.train --ngpu G ...

Run in a recipe's folder, after ``python3 -m local.finetune.plan``; job J takes one in N things to do of it. Models go
to ``exp/finetune/models/<group>/fold<k>.seed<s>/``; whoever trains the last one of a group tests it. A training that
was interrupted goes on where it stopped; what is up to date is left alone.
Under torchrun, which is for models that one GPU trains too slowly, all processes work at one training at a time.
"""

from __future__ import annotations

from local.finetune.conditions import STAGE
from local.grid import jobs
from local.grid.conditions import Group, Training
from utils.errors import run_main


def main() -> None:
    """Train and test one job's share."""
    jobs.command(STAGE, __doc__, _test, _train)


# What they import brings torch along.
def _train(training: Training, device: str) -> None:
    from local.finetune import run

    run.train(training, device)


def _test(group: Group, device: str) -> None:
    from local.finetune import apply

    apply.test(group, device)


if __name__ == "__main__":
    run_main(main)
