"""Trains the model of one fold and seed, from the corpora's folds to the saved classifier."""

from __future__ import annotations

from local.finetune import data
from local.finetune.conditions import STAGE, before, design, strength
from local.finetune.fit import fit
from local.finetune.trainer import Leg, Run, rank
from local.grid.conditions import Training
from local.results import corpus as reader
from utils import stamp
from utils.errors import UserError


def train(training: Training, device: str = "cpu") -> None:
    """Train a model and save it; an older result is replaced.

    Raises
    ------
    UserError
        A corpus is not whole or has no utterance of an emotion in train, the training fails, or it goes on with the
        head of one that is not finished.
    """
    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    made_from = STAGE.training_stamp(training)
    group, fold, lead = training.group, training.fold, training.group.first
    emotions = list(lead.factors["emotions"])
    earlier = before(training)
    if earlier is not None and not (earlier.directory / stamp.NAME).is_file():
        raise UserError(
            f"{earlier.directory}: not trained yet, and with finetune.carry_head=true fold {fold} goes on with its "
            "head; train the folds in one job, with --nj 1"
        )
    corpora = {name: reader.read(name, lead.encoder, group.scheme, emotions) for name in group.learnt}
    reader.check_folds(corpora.values(), group.scheme)

    def leg(train: tuple[str, ...], dev: tuple[str, ...], what: str) -> Leg:
        both = [
            data.Examples.joined([data.part(corpora[name], fold, part) for name in names])
            for names, part in ((train, "train"), (dev, "dev"))
        ]
        reader.check_classes(both[0].labels, emotions, train, fold)
        return Leg(train, *both, training.draw(what))

    stops = lead.dev if lead.experiment.finetune.second_stage == "continued" else lead.source
    legs = [leg(lead.source, stops, "source")] if lead.source else []
    legs.append(leg(lead.train, lead.dev, "training"))
    fit(
        Run(
            training.directory, lead.encoder, emotions, design(training), training.draw("weights"),
            lead.experiment.finetune, legs, data.cache_folder(lead.encoder), made_from, device,
            earlier and earlier.directory, lead.experiment.losses, strength(training),
        )
    )  # fmt: skip
    if rank() == 0:
        stamp.write(training.directory, made_from, keep=True)
