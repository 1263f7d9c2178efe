"""Which conditions an experiment's probes have, how they share their training, and which have work left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import encoders
from local.experiment import Experiment
from local.pairs import pairs
from utils import stamp
from utils.errors import UserError

EXP = Path("exp/probe")
PLAN = EXP / "plan"
CODE = ["local.probe.train"]
_DESCENT = ("lr", "eps", "weight_decay", "epochs", "batch_size", "patience")


@dataclass(frozen=True)
class Condition:
    """An encoder's features, a head, the corpora it is trained on and the corpus it is tested on."""

    encoder: str
    head: str
    train: tuple[str, ...]
    test: str

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.encoder}.{self.head}.{'+'.join(self.train)}-{self.test}"

    @property
    def directory(self) -> Path:
        """Where its results are, from the recipe's folder."""
        return EXP / self.name


@dataclass(frozen=True)
class Group:
    """Conditions that share their heads: trained and selected on the same data, tested on different corpora."""

    encoder: str
    head: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def name(self) -> str:
        """A name of its own, from which its seeds derive."""
        dev = "" if self.dev == self.train else f".dev-{'+'.join(self.dev)}"
        return f"{self.encoder}.{self.head}.{'+'.join(self.train)}{dev}"

    @property
    def corpora(self) -> list[str]:
        """All corpora that it needs, in a fixed order, each once."""
        return list(dict.fromkeys([*self.train, *self.dev, *(condition.test for condition in self.conditions)]))


@dataclass(frozen=True)
class Work:
    """A group with its conditions that are not up to date, and why each is not."""

    group: Group
    reasons: dict[str, str]


def groups(experiment: Experiment) -> list[Group]:
    """List the groups of an experiment's conditions, in a fixed order.

    With ``cross_dev: source`` a group is tested on every corpus that its training corpora are paired with;
    with ``target`` the test corpus's dev lists choose epoch and layer, so every test corpus has its own.
    Encoders that cannot run here for want of an optional package have none: the features stage says so.
    """
    shared: dict[tuple, list[Condition]] = {}
    for encoder in experiment.encoders:
        if encoders.unavailable(encoders.spec(encoder)):
            continue
        for head in dict.fromkeys(experiment.probe.heads):
            for train, test in pairs(experiment.probe.pairs, experiment.corpora):
                dev = train if experiment.probe.cross_dev == "source" else (test,)
                shared.setdefault((encoder, head, train, dev), []).append(Condition(encoder, head, train, test))
    return [Group(*key, tuple(conditions)) for key, conditions in shared.items()]


def settings(group: Group, condition: Condition, experiment: Experiment) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    probe = experiment.probe
    relevant = ("logreg_c",) if group.head == "logreg" else _DESCENT
    return {
        "condition": {
            "encoder": group.encoder, "head": group.head,
            "train": list(group.train), "dev": list(group.dev), "test": condition.test,
        },
        "emotions": experiment.emotions,
        "labels": experiment.labels,
        "split": dataclasses.asdict(experiment.split),
        "probe": {
            "normalise": probe.normalise, "cross_dev": probe.cross_dev, "seeds": seeds(group.head, experiment),
            **{name: getattr(probe, name) for name in relevant},
        },
    }  # fmt: skip


def seeds(head: str, experiment: Experiment) -> list[int]:
    """Seeds of a head: the experiment's, or its first for a logistic regression, in which nothing is drawn."""
    unique = list(dict.fromkeys(experiment.probe.seeds))
    return unique[:1] if head == "logreg" else unique


def make_stamp(group: Group, condition: Condition, experiment: Experiment) -> dict:
    """Describe what a condition's result is made from (utils.stamp); cheap, and without torch."""
    inputs = []
    for corpus in sorted({*group.train, *group.dev, condition.test}):
        data, dump = Path("data", corpus), Path("dump", group.encoder, corpus)
        inputs += [data / name for name in ("utt2emo", "utt2lang", "utt2spk")]
        inputs += [data / "folds" / experiment.split.scheme / stamp.NAME, dump / stamp.NAME, dump / "info.json"]
    return stamp.make(settings(group, condition, experiment), CODE, inputs)


def work(experiment: Experiment) -> tuple[list[Work], int]:
    """Find the conditions that have to be made.

    Parameters
    ----------
    experiment : Experiment
        All of it counts.

    Returns
    -------
    tuple of (list of Work, int)
        Groups with something to do, holding only those conditions, and the number of other conditions.

    Raises
    ------
    UserError
        A corpus's folds or features are not finished.
    """
    todo, valid = [], 0
    for group in groups(experiment):
        reasons = {}
        for condition in group.conditions:
            reason = stamp.why_stale(condition.directory, make_stamp(group, condition, experiment))
            if reason:
                reasons[condition.name] = reason
        valid += len(group.conditions) - len(reasons)
        if reasons:
            left = tuple(condition for condition in group.conditions if condition.name in reasons)
            todo.append(Work(dataclasses.replace(group, conditions=left), reasons))
    _check_inputs(todo, experiment.split.scheme)
    return todo, valid


def _check_inputs(todo: Sequence[Work], scheme: str) -> None:
    for group in (work.group for work in todo):
        for corpus in group.corpora:
            for directory, stage in (
                (Path("data", corpus, "folds", scheme), "data"),
                (Path("dump", group.encoder, corpus), "features"),
            ):
                if not (directory / stamp.NAME).is_file():
                    raise UserError(f"{directory}: not finished (no {stamp.NAME}); run the {stage} stage first")
