"""Trains one model of an experiment: which data it sees, in which stages, from which seeds.

Apart from the program, so that a model depends on nothing that only tests it.
"""

from __future__ import annotations

import os
import time

from local.experiment import Experiment
from local.finetune import conditions
from local.finetune.conditions import Training
from utils import stamp
from utils.errors import UserError


def train(training: Training, settings: Experiment, device: str = "cpu") -> None:
    """Train a model and save it.

    Parameters
    ----------
    training : Training
        What to train; an older result is replaced.
    settings : Experiment
        The recipe's.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        A corpus is not whole or has no utterance of an emotion in train, or the training fails.
    """
    from local.finetune import data
    from local.finetune.fit import fit
    from local.finetune.trainer import Leg, Run

    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    made_from = conditions.training_stamp(training, settings)
    group, fold = training.group, training.fold
    corpora = {
        name: data.read(name, group.encoder, settings.split.scheme, settings.emotions) for name in group.learnt
    }
    check_folds(list(corpora.values()), settings.split.scheme)

    def leg(train: tuple[str, ...], dev: tuple[str, ...], what: str) -> Leg:
        both = [
            data.Examples.joined([corpora[name].part(fold, part) for name in names])
            for names, part in ((train, "train"), (dev, "dev"))
        ]
        data.check_classes(both[0], settings.emotions, train, fold)
        return Leg(train, *both, training.draw(what))

    legs = [leg(group.source, group.source, "source")] if group.source else []
    legs.append(leg(group.train, group.dev, "training"))
    began = time.monotonic()
    fit(
        Run(
            training.directory, group.encoder, settings.emotions, conditions.design(training, settings),
            training.draw("weights"), settings.finetune, legs, data.cache_folder(group.encoder), made_from, device,
        )
    )  # fmt: skip
    if is_first():
        stamp.write(training.directory, made_from)
        print(f"{training.directory}: trained in {time.monotonic() - began:.0f} s", flush=True)


def check_folds(corpora: list, scheme: str) -> None:
    """Refuse corpora with different numbers of folds: fold k of one is paired with fold k of another."""
    if len({len(corpus.folds) for corpus in corpora}) > 1:
        listed = ", ".join(f"data/{corpus.name}/folds/{scheme} has {len(corpus.folds)}" for corpus in corpora)
        raise UserError(f"corpora of one condition need the same number of folds: {listed}")


def is_first() -> bool:
    """Whether this process is the only one, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"
