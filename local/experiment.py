"""The typed shape of a recipe's ``conf/experiment.yaml``: what every stage may be told.

Every field can be set on the command line: ``./run.sh --set probe.epochs=20``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from utils import config

REPO = Path(__file__).resolve().parent.parent


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
    cap: Cap = field(default_factory=Cap)
    published_dir: str | None = None  # holds <corpus>/{train,eval,test}/*_fold<k>.csv

    def __post_init__(self) -> None:
        _one_of("split.scheme", self.scheme, ("speaker", "session", "published", "random"))
        if self.scheme != "published" and self.folds < 3:
            raise ValueError("split.folds must be at least 3: train, dev and test are different groups")
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
class Pretrain:
    """An encoder that the recipe pre-trains itself (local/encoders/pretrain.py) before stage 2."""

    name: str = ""  # the encoder's name in `encoders`; empty for none
    data: list[str] = field(default_factory=list)  # corpora whose (unlabelled) audio it sees
    config: str = "conf/pretrain.yaml"  # of the recipe


@dataclass
class Experiment:
    """One recipe's experiment: every corpus x encoder x method that its tables hold."""

    corpora: list[str] = field(default_factory=list)
    emotions: list[str] = field(default_factory=lambda: ["angry", "happy", "neutral", "sad"])
    encoders: list[str] = field(default_factory=list)
    split: Split = field(default_factory=Split)
    features: Features = field(default_factory=Features)
    probe: Probe = field(default_factory=Probe)
    score: Score = field(default_factory=Score)
    pretrain: Pretrain = field(default_factory=Pretrain)

    def __post_init__(self) -> None:
        for name in ("corpora", "emotions", "encoders"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names something twice: {', '.join(values)}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a stage's command the options that all stages share: ``--config`` and ``--set``."""
    parser.add_argument("--config", type=Path, default=Path("conf/experiment.yaml"), help="the recipe's experiment")
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY.PATH=VALUE", action="append", default=[],
        help="set any field of the experiment; may be repeated",
    )  # fmt: skip


def load(arguments: argparse.Namespace) -> Experiment:
    """Read the experiment that a stage's command line names."""
    return config.load(Experiment, arguments.config, arguments.overrides)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: '{value}' is not one of {', '.join(known)}")


def setting(encoder_languages: list[str], train_languages: list[str], test_language: str) -> str:
    """Derive a condition's setting from its languages (study A, section III-B).

    An encoder that is not bound to a language (spectral features, random weights) counts as being of
    the training language.

    Parameters
    ----------
    encoder_languages : list of str
        Languages the encoder was pre-trained on; empty if it is not bound to any.
    train_languages : list of str
        Languages of the training corpora.
    test_language : str
        Language of the test corpus.

    Returns
    -------
    str
        ``mono`` (encoder, training and test language agree), ``cross`` (trained on the encoder's language,
        tested on another), ``trans`` (trained and tested on a language that is not the encoder's) or
        ``cross-trans`` (trained on a language that is not the encoder's, tested on yet another), which the
        study does not have and which a full source x target matrix brings.

    Examples
    --------
    >>> setting(["zh"], ["zh"], "de"), setting(["zh"], ["de"], "de"), setting([], ["de"], "de")
    ('cross', 'trans', 'mono')
    """
    at_home = not encoder_languages or set(train_languages) <= set(encoder_languages)
    if test_language in train_languages:
        return "mono" if at_home else "trans"
    return "cross" if at_home else "cross-trans"
