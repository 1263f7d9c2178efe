"""The typed shape of a recipe's ``conf/experiment.yaml``: what every stage may be told.

Every field can be set on the command line: ``./run.sh --set probe.epochs=20``.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Cap:
    """At most so many utterances of each emotion in a part of a fold; null for all."""

    train: int | None = None
    dev: int | None = None
    test: int | None = None


@dataclass
class Split:
    """How a corpus is cut into folds."""

    scheme: str = "speaker"  # speaker | session | published | random
    folds: int = 5
    seed: int = 0
    one_speaker: str = "refuse"  # by speaker, a corpus of one: refuse, or random (audit and tables say so)
    # Groups of speakers beside the folds' that train in every fold: all that the recipe's own pre-training hears.
    reserve: int = 0
    cap: Cap = field(default_factory=Cap)
    published_dir: str | None = None  # holds <corpus>/{train,eval,test}/*_fold<k>.csv

    def __post_init__(self) -> None:
        _one_of("split.scheme", self.scheme, ("speaker", "session", "published", "random"))
        if self.scheme != "published" and self.folds < 3:
            raise ValueError("split.folds must be at least 3: train, dev and test are different groups")
        _one_of("split.one_speaker", self.one_speaker, ("refuse", "random"))
        if self.reserve < 0 or (self.reserve and self.scheme != "speaker"):
            raise ValueError("split.reserve must be 0 or more, and 0 unless split.scheme is speaker")
        if any(cap is not None and cap < 1 for cap in (self.cap.train, self.cap.dev, self.cap.test)):
            raise ValueError("split.cap must be positive, or null for all")


@dataclass
class Features:
    """How the features stage runs the encoders."""

    precision: str = "fp32"  # fp32 | bf16
    batch_seconds: float = 16.0  # audio a batch; nothing is padded
    workers: int = 2  # threads that decode audio ahead

    def __post_init__(self) -> None:
        _one_of("features.precision", self.precision, ("fp32", "bf16"))
        if self.batch_seconds <= 0 or self.workers < 1:
            raise ValueError("features.batch_seconds and features.workers must be positive")


@dataclass
class Probe:
    """Frozen-feature experiments; the optimiser's defaults are study A's (section IV-A)."""

    heads: list[str] = field(default_factory=lambda: ["linear"])  # linear | mlp | logreg
    pairs: list[str] = field(default_factory=lambda: ["all"])  # all | within | across | TRAIN[+TRAIN]:TEST
    seeds: list[int] = field(default_factory=lambda: [0])
    normalise: str = "train"  # none | train | per-corpus
    cross_dev: str = "source"  # source | target
    lr: float = 1e-4
    eps: float = 1e-8
    weight_decay: float = 1e-5
    epochs: int = 100
    batch_size: int = 32
    patience: int = 10
    logreg_c: float = 1.0  # inverse regularisation strength of the logreg head

    def __post_init__(self) -> None:
        for head in self.heads:
            _one_of("probe.heads", head, ("linear", "mlp", "logreg"))
        _one_of("probe.normalise", self.normalise, ("none", "train", "per-corpus"))
        _one_of("probe.cross_dev", self.cross_dev, ("source", "target"))
        if min(self.epochs, self.batch_size, self.patience, len(self.seeds), len(self.heads)) < 1:
            raise ValueError("probe.epochs, batch_size, patience, seeds and heads must not be zero or empty")


@dataclass
class Score:
    """Intervals and tests."""

    confidence: float = 0.95
    resamples: int = 2000
    permutations: int = 5000
    seed: int = 0


@dataclass
class Sed:
    """Emotion diarization (stage 6); nothing is done while ``encoders`` is empty."""

    encoders: list[str] = field(default_factory=list)
    corpora: list[str] = field(default_factory=list)  # recordings are made of their neutral and emotional utterances
    test: list[str] = field(default_factory=list)  # corpora with segment-level labels of their own (zed)
    train: list[str] = field(default_factory=lambda: ["all"])  # all: on all `corpora`; others: not on the tested one
    sets: list[str] = field(default_factory=lambda: ["single", "double", "noisy"])  # tested, of those that are made
    modes: list[str] = field(default_factory=lambda: ["frozen"])  # frozen: weighted sum of all layers; tuned
    seeds: list[int] = field(default_factory=lambda: [0])
    epochs: int = 20
    patience: int = 4
    batch_seconds: float = 48.0
    lr: float = 1e-4  # of the classifier (Wang et al. 2023)
    lr_encoder: float = 1e-5  # of a tuned encoder (Wang et al. 2023)
    decoder: str = "median"  # median | minimum | viterbi; its parameter is tuned on dev
    published: str = ""  # SpeechBrain's checkpoint, hub id or folder, to be tested beside ours
    seed: int = 0  # of the recordings

    def __post_init__(self) -> None:
        for name, known in (
            ("train", ("all", "others")), ("sets", ("single", "double", "noisy")), ("modes", ("frozen", "tuned")),
        ):  # fmt: skip
            for value in getattr(self, name):
                _one_of(f"sed.{name}", value, known)
        _one_of("sed.decoder", self.decoder, ("median", "minimum", "viterbi"))
        if self.encoders and not (self.corpora and self.train and self.modes and self.seeds):
            raise ValueError("sed.encoders asks for diarization: name corpora, train, modes and seeds too")
        if min(self.epochs, self.patience) < 1 or self.batch_seconds <= 0:
            raise ValueError("sed.epochs, patience and batch_seconds must be positive")


@dataclass
class Grid:
    """Tuned encoders beside those of the section ``finetune``; what is left empty is as there."""

    encoders: list[str] = field(default_factory=list)
    strategies: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    layer: str = ""  # as finetune.layer


@dataclass
class Finetune:
    """Tuned encoders (stage 4), none while ``encoders`` is empty; the optimiser's defaults are study A's."""

    encoders: list[str] = field(default_factory=list)
    strategies: list[str] = field(default_factory=lambda: ["lora"])  # of local/finetune/strategies.py, joined by '+'
    pairs: list[str] = field(default_factory=lambda: ["within"])  # as probe's, or SOURCE>TRAIN:TEST: first on SOURCE
    also: list[Grid] = field(default_factory=list)  # further encoders x strategies x pairs
    layer: str = "probe"  # probe: the layer that stage 3's dev chose; last; or a number
    pooling: str = "mean"  # mean | weighted
    head: str = "linear"  # linear | mlp
    published_init: bool = False  # adapters and gates start as study A's code draws them, not as the identity
    seeds: list[int] = field(default_factory=lambda: [0])
    lr: float = 1e-4
    lr_head: float | None = None  # of the head, where it is another
    weight_decay: float = 1e-5
    epochs: int = 100
    patience: int = 10
    batch_size: int = 16
    accumulate: int = 1  # batches an update
    precision: str = "fp32"  # fp32 | bf16 | fp16 (GPU only)
    checkpointing: bool = False  # compute activations twice instead of keeping them: less memory, more time

    def __post_init__(self) -> None:
        if self.layer not in ("probe", "last") and not self.layer.isdecimal():
            raise ValueError(f"finetune.layer: '{self.layer}' is not probe, last or a number")
        for name, known in (
            ("pooling", ("mean", "weighted")), ("head", ("linear", "mlp")), ("precision", ("fp32", "bf16", "fp16")),
        ):  # fmt: skip
            _one_of(f"finetune.{name}", getattr(self, name), known)
        if (self.encoders or self.also) and not (self.strategies and self.pairs and self.seeds):
            raise ValueError("finetune.encoders asks for tuned encoders: name strategies, pairs and seeds too")
        if min(self.epochs, self.patience, self.accumulate) < 1 or self.batch_size < 2:
            raise ValueError("finetune.epochs, patience and accumulate must be positive, batch_size 2 or more")


@dataclass
class Pretrain:
    """An encoder that the recipe pre-trains itself (local/pretrain) before stage 2."""

    name: str  # the encoder's name in `encoders`
    data: list[str]  # corpora whose (unlabelled) audio it hears; with `split.reserve`, of reserved speakers only
    config: str = "conf/pretrain.yaml"  # of the recipe

    def __post_init__(self) -> None:
        if not self.name or not self.data:
            raise ValueError("pretrain: every encoder needs a name, and data to hear")


@dataclass
class Study:
    """A published study that the recipe repeats."""

    reference: str = ""  # its figures, a CSV of the recipe: encoder,setting,train,test,method,ua
    smoke: bool = False  # run the same matrix with stand-ins, to see that it runs; its scores mean nothing
    stand_ins: dict[str, str] = field(default_factory=dict)  # for each corpus and encoder, what stands for it
    smoke_set: list[str] = field(default_factory=list)  # further overrides of a smoke run, as KEY.PATH=VALUE


@dataclass
class Experiment:
    """One recipe's experiment: every corpus x encoder x method that its tables hold."""

    corpora: list[str] = field(default_factory=list)
    # Harmonised emotions, or names of `sets` in conf/emotions.yaml: `emotions: [six]`.
    emotions: list[str] = field(default_factory=lambda: ["angry", "happy", "neutral", "sad"])
    labels: list[str] = field(default_factory=list)  # names of `variants` in conf/emotions.yaml
    encoders: list[str] = field(default_factory=list)
    # Factors, or fields of probe, finetune and sed, that take several values side by side.
    vary: dict[str, list[Any]] = field(default_factory=dict)
    tag: str = ""  # keeps results apart: exp_<tag>, RESULTS.<tag>.md; by default the name of a --config of its own
    expdir: str = ""  # where results go, if not to exp or exp_<tag>
    split: Split = field(default_factory=Split)
    features: Features = field(default_factory=Features)
    probe: Probe = field(default_factory=Probe)
    score: Score = field(default_factory=Score)
    sed: Sed = field(default_factory=Sed)
    finetune: Finetune = field(default_factory=Finetune)
    pretrain: list[Pretrain] = field(default_factory=list)
    study: Study = field(default_factory=Study)

    def __post_init__(self) -> None:
        for name in ("corpora", "emotions", "encoders"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names something twice: {', '.join(values)}")

    @staticmethod
    @functools.cache
    def defaults() -> Experiment:
        """Give an experiment that leaves everything at its default (and so asks for nothing)."""
        blank = object.__new__(Experiment)
        for item in dataclasses.fields(Experiment):
            made = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
            setattr(blank, item.name, made)
        return blank

    @property
    def exp(self) -> Path:
        """Where its results go, from the recipe's folder."""
        return Path(self.expdir or "_".join(filter(None, ("exp", self.tag))))

    @property
    def results(self) -> Path:
        """The results for people, in the recipe's folder."""
        return Path(".".join(filter(None, ("RESULTS", self.tag, "md"))))

    @property
    def folded(self) -> list[str]:
        """Corpora that are cut into folds, each once."""
        heard = [corpus for own in self.pretrain for corpus in own.data] if self.split.reserve else []
        return list(dict.fromkeys([*self.corpora, *self.sed.corpora, *heard]))

    @property
    def prepared(self) -> list[str]:
        """Corpora that stage 1 prepares, each once."""
        heard = [corpus for own in self.pretrain for corpus in own.data]
        return list(dict.fromkeys([*self.folded, *heard, *self.sed.test]))


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: '{value}' is not one of {', '.join(known)}")
