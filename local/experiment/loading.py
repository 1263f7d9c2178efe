"""Reading the experiment that a stage's command line names."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local import labels
from local.experiment.schema import Experiment
from utils import config
from utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a stage's command the options that all stages share: ``--config`` and ``--set``."""
    parser.add_argument("--config", type=Path, default=Path("conf/experiment.yaml"), help="the recipe's experiment")
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY.PATH=VALUE", action="append", default=[],
        help="set any field of the experiment; may be repeated",
    )  # fmt: skip


def load(arguments: argparse.Namespace) -> Experiment:
    """Read the experiment that a stage's command line names, sets of emotions written out.

    Raises
    ------
    UserError
        The file is missing, it or an override is malformed, or an emotion is asked for twice.
    """
    if not arguments.config.exists():
        raise UserError(f"{arguments.config}: no such file; run this in a recipe's folder, or name one with --config")
    experiment = config.load(Experiment, arguments.config, arguments.overrides)
    if experiment.study.smoke:
        overrides = [*experiment.study.smoke_set, *arguments.overrides]
        experiment = _with_stand_ins(config.load(Experiment, arguments.config, overrides), arguments.config)
    if not experiment.tag:
        own = "" if arguments.config.stem == "experiment" else arguments.config.stem
        experiment.tag = "_".join(filter(None, (own, "smoke" if experiment.study.smoke else "")))
    experiment.emotions = labels.expand(experiment.emotions)
    if len(set(experiment.emotions)) < len(experiment.emotions):
        raise UserError(f"{arguments.config}: emotions names something twice: {', '.join(experiment.emotions)}")
    return experiment


def _with_stand_ins(experiment: Experiment, path: Path) -> Experiment:
    """Put stand-ins in the place of an experiment's corpora and encoders, wherever it names them.

    Several may have the same stand-in, which is then named once.
    """
    stand_ins = experiment.study.stand_ins
    encoders = [part for name in experiment.encoders for part in name.split("+")]  # of a fusion, each
    missing = [name for name in [*experiment.prepared, *encoders] if name not in stand_ins]
    if missing:
        raise UserError(f"{path}: study.stand_ins has nothing for '{missing[0]}', so there is no smoke run")

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\w+", lambda word: stand_ins.get(word[0], word[0]), value)
        if isinstance(value, list):
            return list(dict.fromkeys(replaced(one) for one in value))
        return value

    def walk(section: Any, names: Sequence[str]) -> Any:
        return dataclasses.replace(section, **{name: replaced(getattr(section, name)) for name in names})

    def walk_grids(section: Any, names: Sequence[str]) -> Any:
        own = [walk(one, ("encoders", "pairs")) for one in section.also]
        return walk(dataclasses.replace(section, also=own), names)

    return dataclasses.replace(
        walk(experiment, ("corpora", "encoders")),
        probe=walk_grids(experiment.probe, ("encoders", "pairs")),
        finetune=walk_grids(experiment.finetune, ("encoders", "pairs")),
        sed=walk(experiment.sed, ("encoders", "corpora", "test")),
        listen=walk(experiment.listen, ("corpora", "segments")),
        pretrain=[walk(one, ("data",)) for one in experiment.pretrain],
        outside=[],  # which say nothing of what stands in
    )
