"""What is asked of systems from outside: each, tested on each corpus that its file is of, by the folds of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from local import encoders
from local.experiment import Experiment, Outside
from local.grid import conditions as grid
from local.grid.conditions import Condition, Group
from local.grid.factors import OUTSIDE, Value
from local.grid.plan import Stage
from local.results import corpus
from utils import stamp
from utils.errors import UserError
from utils.registry import hint

METHOD = "outside"  # so that whatever names the system says what it is
CODE = ["local.outside.make"]


def asked(experiment: Experiment) -> Iterator[dict[str, Value]]:
    """List the experiment's section ``outside``: a condition a system and corpus.

    Raises
    ------
    UserError
        A system is called as an encoder is, or tests a corpus twice, or one that the experiment does not have.
    """
    seen = set()
    for own in experiment.outside:
        if own.name in encoders.names():
            raise UserError(f"outside: '{own.name}' is the name of an encoder; give the system of {own.file} another")
        for name in own.corpora or experiment.corpora:
            if name not in experiment.corpora:
                near = hint(name, experiment.corpora)
                raise UserError(f"outside: {own.name}: '{name}' is not among the experiment's corpora; {near}")
            if (own.name, name) in seen:
                raise UserError(f"outside: {own.name} is to be tested on {name} twice; give each system one name")
            seen.add((own.name, name))
            yield {"encoder": own.name, "method": METHOD, "train": (), "test": name}


def entry(condition: Condition) -> Outside:
    """Find what the experiment says of a condition's system, its corpora named."""
    given = condition.experiment
    every = (dataclasses.replace(own, corpora=own.corpora or given.corpora) for own in given.outside)
    return next(own for own in every if own.name == condition.encoder and condition.test in own.corpora)


def settings(condition: Condition) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    return grid.settings(condition, OUTSIDE, ()) | {OUTSIDE: dataclasses.asdict(entry(condition))}


def _stamp(group: Group, condition: Condition) -> dict:
    own = entry(condition)
    inputs = [Path(own.file), *(Path("data", name, "utt2spk") for name in own.corpora)]
    inputs += corpus.inputs([condition.test], condition.encoder, group.scheme)
    return stamp.make(settings(condition), CODE, inputs)


def _needs(group: Group) -> dict[Path, str]:
    return {Path("data", name, "folds", group.scheme): "data" for name in group.corpora}


STAGE = Stage(OUTSIDE, asked, _stamp, _needs)
