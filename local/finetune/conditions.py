"""What stage 4 makes: an encoder, a strategy, corpora to train on (in two stages, or one), a corpus to test on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from local import encoders
from local.experiment import Experiment, Losses
from local.finetune import strategies
from local.finetune.strategies import Design
from local.grid import conditions as grid
from local.grid import manifest
from local.grid.conditions import Condition, Group, Training
from local.grid.factors import FINETUNE, PROBE, Value
from local.grid.pairs import staged_pairs
from local.grid.plan import Stage
from local.losses import ALIGNED, CHOSEN, MIXUP, Strength, beside, candidates, parse
from local.results import corpus
from local.results.selection import choose
from utils import csv_file, stamp
from utils.errors import UserError
from utils.registry import hint

# What trains a model, and what tests it, beside the modules of its encoder and its strategy.
TRAINING_CODE, CODE = ["local.finetune.run"], ["local.finetune.apply"]
REPRESENTATION = "local.finetune.representation"  # and this one, of conditions that are :func:`unheard`
_SETTINGS = (
    *("lr", "lr_head", "weight_decay", "epochs", "patience", "batch_size", "accumulate", "precision", "checkpointing"),
    *("augment", "keep", "second_stage", "clip"),
)
# Factors that a probe and what is tuned on its layer share, beside whose dev lists choose.
_SHARED = ("encoder", "train", "emotions", "labels", "split")


def asked(experiment: Experiment) -> Iterator[dict[str, Value]]:
    """List what an experiment asks for, in a fixed order: its section ``finetune``, multiplied out.

    Raises
    ------
    UserError
        An encoder is not of the experiment or has no blocks, or a strategy, pair or loss makes no sense.
    """
    settings, losses = experiment.finetune, parse(experiment.losses.loss)
    if settings.encoders and MIXUP in losses:
        raise UserError(f"losses.loss: {MIXUP} is for stage 3's head {ALIGNED} alone; leave one or the other out")
    pairs = staged_pairs(settings.pairs, experiment.corpora) if settings.encoders else []
    own = beside(experiment.losses.loss)
    if own and settings.second_stage == "continued" and any(source for source, _, _ in pairs):
        raise UserError(f"finetune.second_stage: continued does not go with losses.loss {'+'.join(own)}; use fresh")
    for encoder in settings.encoders:
        _check_encoder(encoder, experiment)
        for name in settings.strategies:
            strategy = "+".join(strategies.parse(name))
            for source, train, test in pairs:
                yield {"encoder": encoder, "method": strategy, "source": source, "train": train, "test": test}


def _check_encoder(encoder: str, experiment: Experiment) -> None:
    if encoder not in experiment.encoders:
        near = hint(encoder, experiment.encoders)
        raise UserError(f"finetune.encoders: '{encoder}' is not among the experiment's encoders; {near}")
    spec = encoders.spec(encoder)
    reason = encoders.untunable(spec)
    if reason:
        raise UserError(f"finetune.encoders: '{encoder}' cannot be tuned: {reason}; name another")


def before(training: Training) -> Training | None:
    """Give the training whose head one goes on with, where heads go on from fold to fold (``finetune.carry_head``)."""
    carried = training.group.first.factors["carry_head"] and training.fold > 0
    return dataclasses.replace(training, fold=training.fold - 1) if carried else None


def design(training: Training) -> Design:
    """Say how a training's classifier is built.

    Raises
    ------
    UserError
        The layer is to be the probes', and these have not been made.
    """
    lead = training.group.first
    layer = lead.factors["layer"]
    if layer == "probe":
        number = _probed_layer(training)
    else:
        number = encoders.spec(lead.encoder).layers - 1 if layer == "last" else int(layer)
    return Design(number, lead.method, *(lead.factors[name] for name in ("pooling", "head", "init")))


def _probed_layer(training: Training) -> int:
    """Read the layer that the probe's dev chose.

    Where any strategy of the experiment tunes blocks, it is the best layer above 0, for strategy ``head`` too: what a
    strategy gains over the head alone is then never what another cut gains. Equals go by dev loss, then the lowest.
    """
    lead = training.group.first
    path = _probe(training.group)
    if path is None:
        raise UserError(
            f"{lead.experiment.exp}/{PROBE}: has no condition of {lead.encoder} with the {lead.factors['head']} head "
            f"trained on {'+'.join(lead.train)}, so there is no layer for finetune.layer=probe; run the probe stage "
            f"with {lead.factors['head']} among probe.heads, or set finetune.layer to last or a number"
        )
    try:
        rows = [row for row in csv_file.read(path) if int(row["fold"]) == training.fold]
        seeds = {int(row["seed"]) for row in rows}
        seed = training.seed if training.seed in seeds else min(seeds)
        own = [row for row in rows if int(row["seed"]) == seed]
        chosen = next(row for row in own if row["selected"] == "1")
        if _tunes_blocks(lead.experiment):
            above = [row for row in own if int(row["layer"]) > 0]
            dev = ([float(row[name]) for row in above] for name in ("dev_ua", "dev_loss"))
            chosen = above[choose(*dev)[0]]
        return int(chosen["layer"])
    except (KeyError, ValueError, StopIteration) as error:
        raise UserError(f"{path}: no layer is selected in fold {training.fold}; run the probe stage again") from error


def _tunes_blocks(experiment: Experiment) -> bool:
    """Tell whether any strategy that is cut where the probes say needs blocks."""
    settings = experiment.finetune
    return any(
        strategy != "head"
        for own in ([settings] if settings.encoders else []) + settings.also
        if (own.layer or settings.layer) == "probe"
        for strategy in own.strategies or settings.strategies
    )


def _probe(group: Group, head: str = "") -> Path | None:
    """Find the scores of a probe that chose its layer on the same data, by the factors that both have."""
    lead = group.first
    wanted = {name: lead.identity[name] for name in _SHARED} | {"method": head or lead.factors["head"]}
    if head == ALIGNED:
        wanted |= {name: lead.factors[name] for name in ("loss", "sampler")}
    folder = lead.experiment.exp / PROBE
    listed = folder / manifest.NAME
    for entry in _manifest(folder, listed.stat().st_mtime_ns if listed.is_file() else 0):
        factors = entry.factors
        # Dev lists of the training corpora choose the same layer whatever the test corpus is.
        dev = [factors["test"]] if factors.get("cross_dev") == "target" else factors["train"]
        if wanted.items() <= factors.items() and dev == list(lead.dev):
            path = entry.path / "scores.csv"
            if path.is_file():
                return path
    return None


@functools.cache
def _manifest(folder: Path, changed: int) -> list[manifest.Entry]:
    """Read the probes' manifest, once a process and time of its last change."""
    return manifest.read(folder)


def _trainings(group: Group) -> list[Training]:
    return group.trainings(group.first.experiment.finetune.seeds)


def training_settings(training: Training) -> dict:
    """Everything that decides a trained model, apart from its input files."""
    lead = training.group.first
    return {
        "training": {
            "encoder": lead.encoder, "source": list(lead.source), "train": list(lead.train), "dev": list(lead.dev),
            "emotions": list(lead.factors["emotions"]), "labels": list(lead.factors["labels"]),
            "words": training.group.words, "fold": training.fold, "seed": training.seed,
        },
        "design": dataclasses.asdict(design(training)),
        "split": dataclasses.asdict(lead.experiment.split),
        "finetune": {name: getattr(lead.experiment.finetune, name) for name in _SETTINGS},
    } | _losses(lead) | _strengths(training)  # fmt: skip


def _losses(condition: Condition) -> dict:
    """Say what is trained beside the cross entropy, and how batches are drawn; nothing where it is as it always was."""
    own = condition.experiment.losses
    return {} if own == Losses() else {"losses": dataclasses.asdict(own)}


def _strengths(training: Training) -> dict:
    one = strength(training)
    return {} if one == Strength() else {"strength": dataclasses.asdict(one)}


def strength(training: Training) -> Strength:
    """Tell how much each loss weighs: what stage 3's head ``aligned`` chose on the same corpora, fold and layer.

    Where the experiment leaves no choice, stage 3 is not asked.

    Raises
    ------
    UserError
        There is a choice, and no such probe.
    """
    lead = training.group.first
    found = candidates(lead.experiment.losses)
    if len(found) == 1:
        return found[0]
    path = _probe(training.group, ALIGNED)
    if path is None:
        raise UserError(
            f"{lead.experiment.exp}/{PROBE}: has no condition of {lead.encoder} with the {ALIGNED} head and loss "
            f"{lead.factors['loss']} trained on {'+'.join(lead.train)}, which would choose the losses' strengths; run "
            "the probe stage with it, or give losses.weights, temperatures, reversals and gammas one value each"
        )
    rows = [row for row in csv_file.read(path) if int(row["fold"]) == training.fold and row["selected"] == "1"]
    try:
        own = {name: float(rows[0][name]) for name in CHOSEN}
    except (IndexError, KeyError, ValueError) as error:
        raise UserError(f"{path}: no strength is chosen in fold {training.fold}; run the probe stage again") from error
    return dataclasses.replace(found[0], **own)


def _training_stamp(training: Training) -> dict:
    spec = encoders.spec(training.group.first.encoder)
    made_of = training_settings(training) | {"encoder": spec.identity()}
    earlier = before(training)
    inputs = [*_inputs(training.group, training.group.learnt), *spec.files()]
    inputs += [earlier.directory / stamp.NAME] if earlier else []
    return stamp.make(made_of, [*TRAINING_CODE, *_modules(training.group.first)], inputs)


def settings(condition: Condition) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    found = grid.settings(condition, "finetune", _SETTINGS) | _losses(condition)
    found["finetune"]["seeds"] = list(dict.fromkeys(condition.experiment.finetune.seeds))
    return found


def _stamp(group: Group, condition: Condition) -> dict:
    inputs = [training.directory / stamp.NAME for training in _trainings(group)]
    code = [*CODE, *_modules(condition), *[REPRESENTATION] * unheard(condition)]
    return stamp.make(settings(condition), code, inputs + _inputs(group, [condition.test]))


def sources(condition: Condition) -> list[str]:
    """List the corpora that a condition's models are trained on, each once."""
    return list(dict.fromkeys([*condition.source, *condition.train]))


def unheard(condition: Condition) -> bool:
    """Tell whether several corpora are trained on and another is tested: what tuning made of the layer is read then."""
    return len(sources(condition)) > 1 and condition.test not in sources(condition)


def _modules(condition: Condition) -> list[str]:
    """Name the modules that are imported by what a condition's encoder and strategy say."""
    return [encoders.spec(condition.encoder).module, *strategies.modules(condition.method)]


def _inputs(group: Group, corpora: Iterable[str]) -> list[Path]:
    inputs = corpus.inputs(corpora, group.first.encoder, group.scheme)
    return inputs + [Path("data", name, table) for name in sorted(corpora) for table in ("wav.scp", "segments")]


def _needs(group: Group) -> dict[Path, str]:
    return {Path("data", name, "folds", group.scheme): "data" for name in group.corpora}


STAGE = Stage(FINETUNE, asked, _stamp, _needs, _trainings, _training_stamp)
