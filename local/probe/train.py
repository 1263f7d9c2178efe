"""Train and test probes on frozen features.

    python3 -m local.probe.train [--job J --nj N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.probe.plan``; job J takes every N-th group of that plan,
starting with the J-th. Reads folds from ``data/`` and features from ``dump/``, and writes
``exp/probe/<encoder>.<head>.<train>-<test>/``. What is up to date is left alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from local import experiment
from local.experiment import Experiment
from local.probe import conditions
from local.probe.conditions import Group
from utils import stamp
from utils.atomic import atomic_dir
from utils.errors import UserError, run_main


def main() -> None:
    """Train one job's share of the groups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", type=int, default=1, help="which job this is, from 1")
    parser.add_argument("--nj", type=int, default=1, help="how many jobs share the work")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    if not 1 <= arguments.job <= arguments.nj:
        raise UserError(f"--job {arguments.job} --nj {arguments.nj}: the job must be one of 1..nj")
    config = experiment.load(arguments)
    todo, valid = conditions.work(config)
    groups = share([work.group for work in todo], arguments.job, arguments.nj)
    if not groups:
        print(f"probe: job {arguments.job} of {arguments.nj} has nothing to do ({valid} conditions are up to date)")
    for group in groups:
        run_group(group, config)


def share(groups: list[Group], job: int, jobs: int) -> list[Group]:
    """Pick a job's groups.

    Several jobs divide the list in ``exp/probe/plan`` rather than what has work at the moment, which shrinks
    while other jobs finish theirs.
    """
    if jobs == 1:
        return groups
    try:
        planned = conditions.PLAN.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise UserError(f"{conditions.PLAN}: no such plan; run python3 -m local.probe.plan first") from None
    mine = set(planned[job - 1 :: jobs])
    return [group for group in groups if group.name in mine]


def run_group(group: Group, config: Experiment) -> None:
    """Train a group's heads, and test them on the test corpus of every one of its conditions.

    Parameters
    ----------
    group : Group
        With the conditions to make; earlier results of theirs are replaced.
    config : Experiment
        The settings.

    Raises
    ------
    UserError
        Something is missing or wrong in the corpora's folds or features.
    """
    from local.probe import corpus as reader
    from local.probe.group import Heads
    from local.probe.write import describe, write_condition

    began = time.monotonic()
    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    stamps = {item.name: conditions.make_stamp(group, item, config) for item in group.conditions}
    corpora = {name: reader.read(name, group.encoder, config.split.scheme, config.emotions) for name in group.corpora}
    check_folds(corpora, Path("data"), config.split.scheme)
    for condition in group.conditions:
        describe(group, condition, config, corpora, 0)
    needed = dict.fromkeys([*group.train, *group.dev])
    features = {name: reader.read_features(corpora[name], group.encoder) for name in needed}
    heads = Heads(
        group, config,
        [(corpora[name], features[name]) for name in group.train],
        [(corpora[name], features[name]) for name in group.dev],
    )  # fmt: skip
    print(f"probe: {group.name}: {heads.number} heads trained in {time.monotonic() - began:.1f} s", flush=True)
    for condition in group.conditions:
        test = corpora[condition.test]
        # One corpus beside those trained on is in memory at a time.
        tested = features[test.name] if test.name in features else reader.read_features(test, group.encoder)
        probabilities = heads.test(test, tested)
        with atomic_dir(condition.directory) as directory:
            write_condition(
                directory, group, condition, config, corpora, heads.selection, probabilities, heads.params
            )  # fmt: skip
            stamp.write(directory, stamps[condition.name])
        print(f"probe: {condition.directory}: done", flush=True)


def check_folds(corpora: dict, data: Path, scheme: str) -> None:
    """Refuse corpora with different numbers of folds: fold k of one is paired with fold k of another."""
    numbers = {name: len(corpus.folds) for name, corpus in corpora.items()}
    if len(set(numbers.values())) > 1:
        listed = ", ".join(f"{data / name / 'folds' / scheme} has {number}" for name, number in numbers.items())
        raise UserError(f"corpora of one condition need the same number of folds: {listed}")


if __name__ == "__main__":
    run_main(main)
