"""Which encoders an experiment tunes, on what, by which strategy, and where models and results are.

A condition is an encoder, a strategy, training corpora (in two-stage training also those of the first stage) and a
test corpus. Conditions that share their training are a group; a training is one fold and seed of a group.
"""

from __future__ import annotations

import csv
import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import encoders
from local.experiment import REPO, Experiment
from local.finetune import strategies
from local.finetune.strategies import Design
from local.pairs import tuned
from utils import stamp
from utils.errors import UserError
from utils.registry import hint

EXP = Path("exp/finetune")
MODELS = EXP / "models"
PLAN = EXP / "plan"
_PROBE = Path("exp/probe")
# What a trained model depends on; what a condition depends on beyond that.
_TRAINED_BY = ("adapters", "data", "fit", "model", "strategies", "trainer")
_ENCODED_BY = ("frontend", "loading", "positional", "transformer")
_TRAINING_CODE = [REPO / "local/models", *(REPO / "local/finetune" / f"{name}.py" for name in _TRAINED_BY)]
_TRAINING_CODE += [REPO / "local/encoders" / f"{name}.py" for name in _ENCODED_BY]
_FROM_UTILS = ("audio", "dropout", "feature_cache", "folds", "reproducible")
_TRAINING_CODE += [REPO / "utils" / f"{name}.py" for name in _FROM_UTILS]
_CODE = [REPO / "local/finetune/write.py", REPO / "utils/metrics.py"]
_SETTINGS = (
    *("lr", "lr_head", "weight_decay", "epochs", "patience", "batch_size", "accumulate", "precision", "checkpointing"),
)


@dataclass(frozen=True)
class Condition:
    """A tuned encoder, the corpora that it is trained on, and the corpus that it is tested on."""

    encoder: str
    method: str
    train: tuple[str, ...]
    test: str

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.encoder}.{self.method}.{'+'.join(self.train)}-{self.test}"

    @property
    def directory(self) -> Path:
        """Where its results are, from the recipe's folder."""
        return EXP / self.name


@dataclass(frozen=True)
class Group:
    """Conditions that share their models: trained and stopped on the same data, tested on different corpora.

    Attributes
    ----------
    encoder, strategy : str
    source : tuple of str
        Corpora of the first stage of two-stage training, which stops by their own dev lists; else empty.
    train, dev : tuple of str
        Corpora whose train and dev lists count.
    conditions : tuple of Condition
    """

    encoder: str
    strategy: str
    source: tuple[str, ...]
    train: tuple[str, ...]
    dev: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def method(self) -> str:
        """The strategy, and on what it was trained before."""
        return method(self.strategy, self.source)

    @property
    def name(self) -> str:
        """A name of its own, from which its seeds derive."""
        dev = "" if self.dev == self.train else f".dev-{'+'.join(self.dev)}"
        return f"{self.encoder}.{self.method}.{'+'.join(self.train)}{dev}"

    @property
    def directory(self) -> Path:
        """Where its models are."""
        return MODELS / self.name

    @property
    def learnt(self) -> list[str]:
        """Corpora that training or stopping reads, in a fixed order, each once."""
        return list(dict.fromkeys([*self.source, *self.train, *self.dev]))


@dataclass(frozen=True)
class Training:
    """One fold and seed of a group."""

    group: Group
    fold: int
    seed: int

    @property
    def directory(self) -> Path:
        """Where the trained model is."""
        return self.group.directory / f"fold{self.fold}.seed{self.seed}"

    def draw(self, what: str) -> int:
        """Derive a seed from its own name, so that nothing depends on what else is trained."""
        return zlib.crc32(f"{self.group.name} fold {self.fold} seed {self.seed} {what}".encode())


def method(strategy: str, source: Sequence[str]) -> str:
    """Name what tables compare: the strategy, and after which corpora it began.

    Examples
    --------
    >>> method("lora", []), method("lora", ["emodb"])
    ('lora', 'lora.after.emodb')
    """
    return f"{strategy}.after.{'+'.join(source)}" if source else strategy


def groups(experiment: Experiment) -> list[Group]:
    """List the groups of an experiment's conditions, in a fixed order.

    As for the probes, ``probe.cross_dev: source`` stops training by the training corpora's dev lists, so that one
    model is tested on every corpus; with ``target`` every test corpus has its own.

    Raises
    ------
    UserError
        An encoder is not of the experiment or not of kind ``hf``, or a strategy or pair makes no sense.
    """
    shared: dict[tuple, dict[Condition, None]] = {}
    for encoder, name, source, train, test in tuned(experiment):
        _check_encoder(encoder, experiment)
        strategy = "+".join(strategies.parse(name))
        dev = train if experiment.probe.cross_dev == "source" else (test,)
        condition = Condition(encoder, method(strategy, source), train, test)
        shared.setdefault((encoder, strategy, source, train, dev), {})[condition] = None
    return [Group(*key, tuple(conditions)) for key, conditions in shared.items()]


def _check_encoder(encoder: str, experiment: Experiment) -> None:
    if encoder not in experiment.encoders:
        near = hint(encoder, experiment.encoders)
        raise UserError(f"finetune.encoders: '{encoder}' is not among the experiment's encoders; {near}")
    spec = encoders.spec(encoder)
    if spec.kind != "hf":
        raise UserError(f"finetune.encoders: '{encoder}' ({spec.kind}) has no blocks; name an encoder of kind hf")


def trainings(group: Group, experiment: Experiment) -> list[Training]:
    """List a group's trainings, by fold, then by seed."""
    folder = Path("data", group.train[0], "folds", experiment.split.scheme)
    folds = sum(path.name.isdecimal() for path in folder.glob("*"))
    return [Training(group, k, seed) for k in range(folds) for seed in dict.fromkeys(experiment.finetune.seeds)]


def design(training: Training, experiment: Experiment) -> Design:
    """Say how a training's classifier is built.

    Raises
    ------
    UserError
        The layer is to be the probes', and these have not been made.
    """
    settings, group = experiment.finetune, training.group
    if settings.layer == "probe":
        layer = _probed_layer(training, experiment)
    else:
        layer = encoders.spec(group.encoder).layers - 1 if settings.layer == "last" else int(settings.layer)
    return Design(layer, group.strategy, settings.pooling, settings.head, settings.published_init)


def _probed_layer(training: Training, experiment: Experiment) -> int:
    """Read the layer that the probe's dev chose; the best above layer 0 where there have to be blocks."""
    group = training.group
    # Dev lists of the training corpora choose the same layer whatever the test corpus is.
    tests = [condition.test for condition in group.conditions]
    if experiment.probe.cross_dev == "source":
        tests += [*group.train, *experiment.corpora]
    stem = f"{group.encoder}.{experiment.finetune.head}.{'+'.join(group.train)}"
    paths = [_PROBE / f"{stem}-{test}" / "scores.csv" for test in dict.fromkeys(tests)]
    path = next((path for path in paths if path.is_file()), paths[0])
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["fold"]) == training.fold]
        seeds = {int(row["seed"]) for row in rows}
        seed = training.seed if training.seed in seeds else min(seeds)
        own = [row for row in rows if int(row["seed"]) == seed]
        chosen = next(int(row["layer"]) for row in own if row["selected"] == "1")
        if chosen == 0 and group.strategy != "head":
            chosen = int(max((row for row in own if int(row["layer"])), key=lambda row: float(row["dev_ua"]))["layer"])
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file, so there is no layer for finetune.layer=probe; run the probe stage with "
            f"{experiment.finetune.head} among probe.heads, or set finetune.layer to last or a number"
        ) from None
    except (KeyError, ValueError, StopIteration) as error:
        raise UserError(f"{path}: no layer is selected in fold {training.fold}; run the probe stage again") from error
    return chosen


def training_settings(training: Training, experiment: Experiment) -> dict:
    """Everything that decides a trained model, apart from its input files."""
    group = training.group
    return {
        "training": {
            "encoder": group.encoder, "source": list(group.source), "train": list(group.train),
            "dev": list(group.dev), "fold": training.fold, "seed": training.seed,
        },
        "design": dataclasses.asdict(design(training, experiment)),
        "emotions": experiment.emotions,
        "labels": experiment.labels,
        "split": dataclasses.asdict(experiment.split),
        "finetune": {name: getattr(experiment.finetune, name) for name in _SETTINGS},
    }  # fmt: skip


def training_stamp(training: Training, experiment: Experiment) -> dict:
    """Describe what a trained model is made from (utils.stamp); cheap, and without torch."""
    spec = encoders.spec(training.group.encoder)
    settings = training_settings(training, experiment) | {"encoder": spec.identity()}
    inputs = [*_inputs(training.group.learnt, training.group.encoder, experiment), *spec.files()]
    return stamp.make(settings, _TRAINING_CODE, inputs)


def settings(group: Group, condition: Condition, experiment: Experiment) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    own = experiment.finetune
    names = ("layer", "pooling", "head", "published_init", *_SETTINGS)
    return {
        "condition": {
            "encoder": group.encoder, "strategy": group.strategy, "source": list(group.source),
            "train": list(group.train), "dev": list(group.dev), "test": condition.test,
        },
        "emotions": experiment.emotions,
        "labels": experiment.labels,
        "split": dataclasses.asdict(experiment.split),
        "finetune": {
            "cross_dev": experiment.probe.cross_dev, "seeds": list(dict.fromkeys(own.seeds)),
            **{name: getattr(own, name) for name in names},
        },
    }  # fmt: skip


def condition_stamp(group: Group, condition: Condition, experiment: Experiment) -> dict:
    """Describe what a condition's result is made from (utils.stamp): models and the test corpus."""
    inputs = [training.directory / stamp.NAME for training in trainings(group, experiment)]
    inputs += _inputs([condition.test], group.encoder, experiment)
    return stamp.make(settings(group, condition, experiment), _CODE, inputs)


def _inputs(corpora: Sequence[str], encoder: str, experiment: Experiment) -> list[Path]:
    inputs = []
    for data in (Path("data", corpus) for corpus in sorted(corpora)):
        inputs += [data / name for name in ("utt2emo", "utt2lang", "utt2spk", "wav.scp", "segments")]
        inputs += [data / "folds" / experiment.split.scheme / stamp.NAME]
        inputs += [Path("dump", encoder, data.name, "excluded.tsv")]
    return inputs


@dataclass(frozen=True)
class Work:
    """What is to be done of a group.

    Attributes
    ----------
    group : Group
    trainings : dict of Training to str
        Those that have to be made, and why.
    conditions : dict of Condition to str
        Those that have to be tested, and why.
    """

    group: Group
    trainings: dict[Training, str]
    conditions: dict[Condition, str]

    @property
    def units(self) -> list[str]:
        """Names of what jobs divide among themselves: trainings, or else the testing of the group."""
        if self.trainings:
            return [str(training.directory) for training in self.trainings]
        return [str(self.group.directory)] if self.conditions else []


def work(group: Group, experiment: Experiment) -> Work:
    """Find what has to be done of a group.

    Raises
    ------
    UserError
        A corpus's folds, or the probes that choose the layer, are not finished.
    """
    for corpus in dict.fromkeys([*group.learnt, *(condition.test for condition in group.conditions)]):
        folds = Path("data", corpus, "folds", experiment.split.scheme)
        if not (folds / stamp.NAME).is_file():
            raise UserError(f"{folds}: not finished (no {stamp.NAME}); run the data stage first")
    models = {
        training: stamp.why_stale(training.directory, training_stamp(training, experiment))
        for training in trainings(group, experiment)
    }
    stale = {training: reason for training, reason in models.items() if reason}
    tests = {}
    for condition in group.conditions:
        reason = stamp.why_stale(condition.directory, condition_stamp(group, condition, experiment))
        if reason or stale:
            tests[condition] = reason or "a model of it is to be trained"
    return Work(group, stale, tests)
