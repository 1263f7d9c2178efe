"""What stage 3 makes: an encoder's frozen features, a head, corpora that it is trained on, one it is tested on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from local import encoders
from local.encoders import needs
from local.experiment import Experiment
from local.grid import conditions as grid
from local.grid.conditions import Condition, Group
from local.grid.factors import FACTORS, PROBE, Value
from local.grid.pairs import pairs
from local.grid.plan import Stage
from local.losses import ALIGNED, parse
from local.probe import draws, features
from local.results import corpus
from utils import stamp
from utils.errors import UserError

CODE = ["local.probe.run"]  # what makes a result; beside it, the modules of the steps
REPRESENTATION = "local.probe.representation"  # and this one, of the head that changes the representation
_DESCENT = ("lr", "eps", "weight_decay", "epochs", "batch_size", "patience", "keep", "reshuffle")


def asked(experiment: Experiment) -> Iterator[dict[str, Value]]:
    """List what an experiment asks for, in a fixed order.

    Losses, and batches that are drawn otherwise, are for the head aligned. With ``probe.shots``, the head logreg is
    asked for, wherever the test corpus's train lists hold as many; not where it is trained on beside others, since all
    of its train lists is known then.

    Encoders that cannot run here for want of an optional package are left out, and so are corpora that an encoder
    cannot represent: the features stage says so.

    Raises
    ------
    UserError
        Inner folds of the training corpora are to choose, and the test corpus's dev list too; shots make no sense; or
        features are to be adapted, and no corpus is tested that is not trained on.
    """
    settings = experiment.probe
    few = _few(experiment) if settings.shots else None
    # What is trained on needs no adapting to.
    asked_for = [
        (train, test) for train, test in pairs(settings.pairs, experiment.corpora)
        if settings.adapt == "none" or test not in train
    ]  # fmt: skip
    if not asked_for and not {"adapt", "probe.adapt"} & experiment.vary.keys():
        raise UserError(
            f"probe.adapt: {settings.adapt} adapts to a corpus that is not trained on; name such pairs in probe.pairs"
        )
    heads = [head for head in dict.fromkeys(settings.heads) if head == ALIGNED or _plain(experiment)]
    for encoder in settings.encoders or experiment.encoders:
        spec = encoders.spec(encoder)
        lacking = {name for name in experiment.corpora if needs.unavailable(spec, Path("data", name))}
        for head in heads:
            for train, test in asked_for:
                if settings.select == "nested" and settings.cross_dev == "target" and [*train] != [test]:
                    raise UserError(
                        "probe.select: nested cannot choose by the test corpus, as probe.cross_dev: target wants; "
                        "set select to dev or auto, or cross_dev to source"
                    )
                if few is not None and (head != "logreg" or test not in few or (test in train and len(train) > 1)):
                    continue
                if not lacking.intersection((*train, test)):
                    yield {"encoder": encoder, "method": head, "train": train, "test": test}


def _plain(experiment: Experiment) -> bool:
    """Tell whether heads are to be trained by nothing but cross entropy: losses are for the head aligned alone."""
    return not parse(experiment.losses.loss) and experiment.losses.sampler == "plain"


def _few(experiment: Experiment) -> list[str]:
    """List the corpora of whose train lists so many utterances as are asked for can be drawn."""
    probe, scheme = experiment.probe, experiment.split.scheme
    if "logreg" not in probe.heads:
        raise UserError("probe.shots: few utterances train the head logreg alone; name it in probe.heads")
    if probe.adapt != "none":
        raise UserError("probe.shots: few labels and none are two questions; set probe.adapt to none")
    if probe.cross_dev == "target":
        raise UserError("probe.shots: nothing but the shots may be known of the test corpus; set cross_dev to source")
    if probe.shots < len(experiment.emotions):
        raise UserError(f"probe.shots: {probe.shots} are fewer than {len(experiment.emotions)} emotions; ask for more")
    held = {name: draws.most(name, scheme, experiment.emotions) for name in experiment.corpora}
    return [name for name, number in held.items() if number is None or number >= probe.shots]


def settings(condition: Condition) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    names = ("logreg_c", "logreg_grid") if condition.method == "logreg" else _DESCENT
    losses = {"losses": dataclasses.asdict(condition.experiment.losses)} if condition.method == ALIGNED else {}
    if condition.factors["shots"]:
        # Alone, nothing is taught by a source.
        names = ("shots_grid",) if condition.train == (condition.test,) else (*names, "shots_grid")
    # Said even at its default, lest another default should pass for the same.
    found = grid.settings(condition, "probe", ("normalise", "select", *names))
    found["probe"]["seeds"] = seeds(condition)
    return found | losses


def seeds(condition: Condition) -> list[int]:
    """Seeds of a head: the experiment's; the first for a logistic regression, which draws nothing; of shots, draws."""
    if condition.factors["shots"]:
        return list(range(condition.experiment.probe.draws))
    unique = list(dict.fromkeys(condition.experiment.probe.seeds))
    return unique[:1] if condition.method == "logreg" else unique


def matched(condition: Condition) -> list[str]:
    """List the encoders whose utterances are those of a condition too: all, for ``probe.utterances: common``."""
    return condition.experiment.encoders if condition.factors["utterances"] == "common" else []


def steps(condition: Condition) -> dict[str, Value]:
    """List the factors of a condition that a module of their own carries out: module to value."""
    special = condition.special
    return {FACTORS[name].module: special[name] for name in special if name in FACTORS and FACTORS[name].module}


def _stamp(group: Group, condition: Condition) -> dict:
    code = [*CODE, *steps(condition), *[REPRESENTATION] * (condition.method == ALIGNED)]
    used = {*group.learnt, condition.test}
    inputs = corpus.inputs(used, condition.encoder, group.scheme, matched(condition))
    for dump in (folder for name in sorted(used) for folder in features.folders(name, condition.encoder)):
        inputs += [dump / stamp.NAME, dump / "info.json"]
    return stamp.make(settings(condition), code, inputs)


def _needs(group: Group) -> dict[Path, str]:
    folds = {Path("data", name, "folds", group.scheme): "data" for name in group.corpora}
    dumps = (folder for name in group.corpora for folder in features.folders(name, group.first.encoder))
    return folds | dict.fromkeys(dumps, "features")


STAGE = Stage(PROBE, asked, _stamp, _needs)
