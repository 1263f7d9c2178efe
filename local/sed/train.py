"""Train diarization models and test them: data/<corpus>/sed/ -> exp/sed/<condition>/.

    python3 -m local.sed.train [--job J --nj N] [--ngpu N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.sed.plan``; job J takes one in N things to do of it. Epoch and
smoothing are chosen on the dev parts of the training corpora. Models go to
``exp/sed/models/<group>/fold<k>.seed<s>/``; whoever trains the last one of a group tests it. A condition's folder
gets ``hyp.rttm`` (of the first seed), ``eder.csv`` (a row a recording and seed), ``eder.json`` (means with
intervals), ``meta.json`` and ``config.yaml``. A training that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from local.grid import jobs
from local.grid.conditions import Group, Training
from local.sed.conditions import STAGE
from utils.errors import run_main


def main() -> None:
    """Train and test one job's share."""
    jobs.command(STAGE, __doc__, _test, _train)


# What they import brings torch along.
def _train(training: Training, device: str) -> None:
    from local.sed import run

    run.train(training, device)


def _test(group: Group, device: str) -> None:
    from local.sed import apply

    apply.test(group, device)


if __name__ == "__main__":
    run_main(main)
