"""The typed shape of a recipe's ``conf/experiment.yaml``: what every stage may be told.

Every field can be set on the command line: ``./run.sh --set probe.epochs=20``. The comments here are what
``python3 -m local.experiment`` prints and what docs/configuration.md is made of: a field's stands beside or above it.
``one_of`` (the first is the default) and ``some_of`` (a list; first its default) say which words a field knows.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.experiment.listen import Listen
from local.experiment.outside import Outside
from local.experiment.tuning import Finetune
from utils import stamp
from utils.config_fields import one_of, some_of

stamp.UNMENTIONED |= {
    "split.repeats": 1, "split.emobox_dir": None, "features.storage": "float32", "probe.keep": "loss",
    "probe.reshuffle": True, "sed.smoothing": None,
}  # fmt: skip


@dataclass
class Cap:
    """At most so many utterances of each emotion in a part of a fold, taken from its speakers in turn; null for all."""

    train: int | None = None  # utterances of each emotion that a fold trains on
    dev: int | None = None  # utterances of each emotion that a fold chooses layer and epoch on
    test: int | None = None  # utterances of each emotion that a fold tests on


@dataclass
class Split:
    """How each corpus is cut into folds of train, dev and test."""

    # What stays together in one part: speakers, or recording sessions (of utt2sess); published reads the folds of
    # split.published_dir, emobox those of split.emobox_dir; random keeps nothing together, so that its scores flatter.
    # speaker+sentence: of each fold's speakers, half of the corpus's sentences (utt2sent) are tested, and the other
    # half are trained and developed on; speaker+matched tests the same and trains on as much, of all sentences: the
    # control of speaker+sentence. speaker+mixed, the control of speaker: as many utterances of each emotion in each
    # part, and the same ones tested, but their speakers are in train too.
    scheme: str = one_of(
        "speaker", "session", "published", "random", "speaker+sentence", "speaker+matched", "speaker+mixed", "emobox"
    )  # fmt: skip
    folds: int = 5  # parts of each corpus, 3 or more; every utterance is tested once
    # Partitions of each corpus, so many times the folds: scores are means over them, with intervals for other ones too.
    repeats: int = 1
    seed: int = 0  # of the partition; another draws other folds
    # What scheme speaker does with a corpus of one speaker: refuse stops; random cuts at random, and tables say so.
    one_speaker: str = one_of("refuse", "random")
    # Groups of speakers beside the folds' that train in every fold: all that the recipe's own pre-training hears.
    reserve: int = 0
    cap: Cap = field(default_factory=Cap)
    published_dir: str | None = None  # folder of published folds: `<corpus>/{train,eval,test}/*_fold<k>.csv`
    # EmoBox's folder: it holds `data/<dataset>/fold_<n>/*.jsonl`, as many folds as it has, whatever split.folds says.
    emobox_dir: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in ("published", "emobox") and self.folds < 3:
            raise ValueError("split.folds must be at least 3: train, dev and test are different groups")
        if self.reserve < 0 or (self.reserve and self.scheme != "speaker"):
            raise ValueError("split.reserve must be 0 or more, and 0 unless split.scheme is speaker")
        if any(cap is not None and cap < 1 for cap in (self.cap.train, self.cap.dev, self.cap.test)):
            raise ValueError("split.cap must be positive, or null for all")
        if self.repeats < 1 or (self.repeats > 1 and self.scheme in ("published", "emobox")):
            raise ValueError("split.repeats must be 1 or more, and 1 where split.scheme is published or emobox")


@dataclass
class Features:
    """How stage 2 runs the encoders."""

    precision: str = one_of("fp32", "bf16")  # of the encoder's arithmetic; bf16 needs hardware that has it
    batch_seconds: float = 16.0  # seconds of audio a batch; nothing is padded
    workers: int = 2  # threads that decode audio ahead
    # How features are kept: float16 takes half of the disk, and rounds to 11 bits; they are computed with as float32.
    storage: str = one_of("float32", "float16")

    def __post_init__(self) -> None:
        if self.batch_seconds <= 0 or self.workers < 1:
            raise ValueError("features.batch_seconds and features.workers must be positive")


@dataclass
class ProbeGrid:
    """Probes beside those of the section ``probe``; what is left empty is as there."""

    encoders: list[str] = field(default_factory=list)  # some of the experiment's
    heads: list[str] = some_of([], "linear", "mlp", "logreg", "aligned")  # as probe.heads
    pairs: list[str] = field(default_factory=list)  # as probe.pairs
    vary: dict[str, list[Any]] = field(default_factory=dict)  # as the experiment's vary, and besides it


@dataclass
class Probe:
    """Classifiers on frozen features (stage 3), one a layer; the optimiser's defaults are study A's (section IV-A)."""

    # linear: one layer; mlp: 128 and 16 units before it, as in study A's published code; logreg: logistic regression;
    # aligned: a hidden layer that contrasts and adversaries shape (see losses).
    heads: list[str] = some_of(["linear"], "mlp", "logreg", "aligned")
    encoders: list[str] = field(default_factory=list)  # some of the experiment's; all where none is named
    # Corpora trained and tested on: all is within and across; others: on each, trained on all others together;
    # languages: on each, trained on all corpora of another language together; or TRAIN[+TRAIN]:TEST, corpora by name.
    pairs: list[str] = field(default_factory=lambda: ["all"])
    also: list[ProbeGrid] = field(default_factory=list)  # further encoders x heads x pairs x what varies there
    # Every one trains anew; tables show means over them, with intervals for other seeds too. logreg draws nothing: one.
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    # Who chooses layer, epochs and penalty: the dev list (dev), or inner folds of train and dev, on both of which heads
    # are then trained (nested); auto is nested where train and dev lists of a fold hold fewer than 40 speakers.
    # languages is nested, and leaves out one training language after the other.
    select: str = one_of("auto", "dev", "nested", "languages")
    # Features scaled to mean 0 and variance 1 by all training corpora together (train) or each by its own training
    # part (per-corpus); or left as they are (none).
    normalise: str = one_of("train", "per-corpus", "none")
    # common leaves out of training and test what one of the experiment's encoders cannot take, so that all are trained
    # on the same; own leaves out what the encoder itself cannot, and tests compare what both of two were tested on.
    utterances: str = one_of("own", "common")
    # Dimensions, as many for all encoders: pca:K, principal components of the training part, or random:K, a Gaussian
    # projection; none leaves each encoder's own.
    project: str = "none"
    # What utterances of the test corpus without labels may mend, across corpora: coral gives training corpora its
    # means and covariances, em corrects for other shares of emotions; tables say so.
    adapt: str = one_of("none", "coral", "em", "coral+em")
    # What linear classifiers are kept from: inlp and leace take speakers out; random takes out as much as inlp, and
    # emotion emotions, to compare with (docs/controls.md).
    erase: str = one_of("none", "inlp", "random", "emotion", "leace")
    # Whose dev part chooses layer and epoch across corpora: target is the published habit, and tables mark it.
    cross_dev: str = one_of("source", "target")
    lr: float = 1e-4  # learning rate of AdamW (linear and mlp)
    eps: float = 1e-8  # AdamW's epsilon
    weight_decay: float = 1e-5  # AdamW's
    epochs: int = 100  # at most so many passes over the training part
    batch_size: int = 32  # utterances
    patience: int = 10  # epochs without a lower loss on dev after which training stops
    keep: str = one_of("loss", "ua")  # weights of the epoch with the lowest loss, or with the highest UA, on dev
    reshuffle: bool = True  # draw the order of utterances anew in every epoch, or once
    logreg_c: float = 1.0  # inverse regularisation strength of the logreg head
    logreg_grid: list[float] = field(default_factory=list)  # strengths to choose from, in the place of logreg_c
    # So many labelled utterances of the test corpus are known, balanced over emotions, from its train lists: beside the
    # training corpora across corpora, alone within one; 0: pairs as they are. Not asked for where the lists hold fewer,
    # nor of other heads than logreg.
    shots: int = 0
    draws: int = 10  # of such utterances, each trained on anew, in the place of seeds
    # How far they may pull a head from the source's, or from zeros; over the number of dimensions, logreg_c of each.
    shots_grid: list[float] = field(default_factory=lambda: [0.1, 1.0, 10.0, 100.0])

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience, len(self.seeds), len(self.heads)) < 1:
            raise ValueError("probe.epochs, batch_size, patience, seeds and heads must not be zero or empty")
        if self.project != "none" and not re.fullmatch(r"(pca|random):[1-9]\d*", self.project):
            raise ValueError(f"probe.project: '{self.project}' is not none, pca:K or random:K, K a number from 1")
        if min([self.logreg_c, *self.logreg_grid]) <= 0:
            raise ValueError("probe.logreg_c and logreg_grid must be positive")
        if self.shots < 0 or self.draws < 1 or min(self.shots_grid, default=0) <= 0:
            raise ValueError("probe.shots must be 0 or more; draws and shots_grid must be positive, and not empty")


@dataclass
class Losses:
    """What is trained beside the cross entropy of emotions, or counted by it: stage 3's head `aligned`, and stage 4."""

    # Joined by +: focal, which counts what is told well for less; weighted, which counts classes alike, however rare;
    # supcon, supervised contrast across languages; grl, a speaker adversary; dann, a language adversary; mixup, mixed
    # pairs of utterances. ce is the cross entropy alone, of all utterances alike.
    loss: str = "ce"
    # Batches are drawn as they come (plain), with as many of every emotion in every language (cells), or of every
    # emotion (classes).
    sampler: str = one_of("plain", "cells", "classes")
    weights: list[float] = field(default_factory=lambda: [0.1, 1.0])  # of the contrast, to choose from
    temperatures: list[float] = field(default_factory=lambda: [0.1, 0.5])  # of the contrast, to choose from
    across: float = 2.0  # weight of a positive of another language; one of the same weighs 1
    reversals: list[float] = field(default_factory=lambda: [0.1, 1.0])  # of adversaries' gradients, to choose from
    mixup: float = 0.4  # parameter of the beta distribution of shares
    gammas: list[float] = field(default_factory=lambda: [2.0])  # of the focal loss, to choose from
    hidden: int = 128  # units of what is classified, contrasted and hidden from adversaries
    projection: int = 64  # dimensions in which is contrasted

    def __post_init__(self) -> None:
        if min(map(len, (self.weights, self.temperatures, self.reversals, self.gammas))) < 1:
            raise ValueError("losses.weights, temperatures, reversals and gammas must not be empty")
        strengths = *self.weights, *self.reversals, *self.gammas, self.across
        if min(self.temperatures) <= 0 or min(strengths) < 0 or self.mixup <= 0:
            raise ValueError(
                "losses.temperatures and mixup must be positive, weights, reversals, gammas and across 0 or more"
            )
        if min(self.hidden, self.projection) < 1:
            raise ValueError("losses.hidden and projection must be positive")


@dataclass
class Score:
    """Intervals and tests (stages 5 and 6)."""

    # t-intervals that hold with few speakers too (docs/statistics.md), or a percentile bootstrap over speakers.
    interval: str = one_of("linearised", "bootstrap")
    confidence: float = 0.95  # level of the intervals; 1 minus it is the level of the tests
    resamples: int = 2000  # draws of speakers behind an interval by bootstrap
    permutations: int = 50000  # random sign flips of speakers behind a p value; p cannot be below one in so many
    seed: int = 0  # of both draws
    # Points of UA, and of EDER, that would matter: a smaller difference, shown to be smaller, is called equivalent.
    margin: float = 5.0

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise ValueError("score.margin must be positive")


@dataclass
class Plan:
    """What ``--plan`` takes for granted of results that are not there yet (docs/statistics.md says whence)."""

    # Standard deviations between speakers of the difference of two systems in UA, in points, the chance of utterances
    # apart: lowest, middle and highest, or one. What is said is of the middle; the others say how much hangs on it.
    sd: list[float] = field(default_factory=lambda: [7.0, 10.0, 15.0])
    # Variance of an utterance's difference (one system right and the other wrong: 1 or -1; else 0) around its speaker's
    # mean; at most the share of utterances that one system recognises and the other does not.
    within: float = 0.25
    eder_sd: list[float] = field(default_factory=lambda: [5.5, 6.5, 9.0])  # as sd, of mean EDER, chance included
    seed_sd: float = 2.0  # standard deviation of the difference of two systems between seeds, in points

    def __post_init__(self) -> None:
        if not (self.sd and self.eder_sd) or min(*self.sd, *self.eder_sd, self.seed_sd) < 0:
            raise ValueError("plan.sd, eder_sd and seed_sd must be 0 or more, and not empty")
        if not 0 <= self.within <= 1:
            raise ValueError("plan.within must be between 0 and 1")


@dataclass
class Sed:
    """Emotion diarization (stage 6); nothing is done while ``encoders`` is empty."""

    encoders: list[str] = field(default_factory=list)  # encoders that models are trained on, by name
    corpora: list[str] = field(default_factory=list)  # recordings are made of their neutral and emotional utterances
    test: list[str] = field(default_factory=list)  # corpora with segment-level labels of their own (zed)
    train: list[str] = some_of(["all"], "others")  # all: on all `corpora`; others: on all but the tested one
    # Recordings to test on: one emotional span in neutral speech; two spans; or one, with noise and reverberation.
    sets: list[str] = some_of(["single", "double", "noisy"])
    # frozen: a linear classifier of a weighted sum of all layers; context: a recurrent one of the same; tuned: the
    # encoder's blocks trained too; recipe: all but its convolutions, with the published recipe's normalisation of the
    # last state and head without a bias.
    modes: list[str] = some_of(["frozen"], "context", "tuned", "recipe")
    seeds: list[int] = field(default_factory=lambda: [0])  # every one trains anew
    epochs: int = 20  # at most so many passes over the training recordings
    patience: int = 4  # epochs without a lower loss on dev after which training stops
    batch_seconds: float = 48.0  # seconds of audio a batch
    lr: float = 1e-4  # learning rate of the classifier (Wang et al. 2023)
    lr_encoder: float = 1e-5  # learning rate of a tuned encoder (Wang et al. 2023)
    decoder: str = one_of("median", "minimum", "viterbi")  # smoothing of the frames; its parameter is tuned on dev
    smoothing: float | None = None  # that parameter, in the place of tuning: frames, seconds or a weight
    # What becomes of a voice that trains every model that could test it: refuse stops; mark: tested, and tables say so.
    seen_voices: str = one_of("refuse", "mark")
    published: str = ""  # SpeechBrain's checkpoint, hub id or folder, to be tested beside ours
    seed: int = 0  # of the recordings that are made

    def __post_init__(self) -> None:
        if self.encoders and not (self.corpora and self.train and self.modes and self.seeds):
            raise ValueError("sed.encoders asks for diarization: name corpora, train, modes and seeds too")
        if min(self.epochs, self.patience) < 1 or self.batch_seconds <= 0:
            raise ValueError("sed.epochs, patience and batch_seconds must be positive")
        if self.smoothing is not None and (self.smoothing < 0 or self.decoder == "median" and self.smoothing % 2 != 1):
            raise ValueError("sed.smoothing must not be negative, and odd for the median")


@dataclass
class Pretrain:
    """An encoder that the recipe pre-trains itself (local/pretrain) before stage 2."""

    name: str  # the encoder's name in `encoders`
    data: list[str]  # corpora whose (unlabelled) audio it hears; with `split.reserve`, of reserved speakers only
    config: str = "conf/pretrain.yaml"  # its model and training, a file of the recipe

    def __post_init__(self) -> None:
        if not self.name or not self.data:
            raise ValueError("pretrain: every encoder needs a name, and data to hear")


@dataclass
class Study:
    """A published study that the recipe repeats."""

    reference: str = ""  # its figures, a CSV of the recipe: encoder,setting,train,test,method,ua and perhaps folds
    claims: str = ""  # its claims, a YAML file of the recipe (local/report/claims.py)
    # EmoBox's figures, which the page sets beside ours: a CSV of the recipe or else of the repository; '' for none.
    emobox: str = "conf/emobox.csv"
    listeners: str = ""  # its figures of listeners, to be checked and set beside ours: conf/study_a_listeners.yaml
    smoke: bool = False  # run the same matrix with stand-ins, to see that it runs; its scores mean nothing
    stand_ins: dict[str, str] = field(default_factory=dict)  # for each corpus and encoder, what stands for it
    smoke_set: list[str] = field(default_factory=list)  # further overrides of a smoke run, as KEY.PATH=VALUE


@dataclass
class Experiment:
    """One recipe's experiment: every corpus x encoder x method that its tables hold."""

    corpora: list[str] = field(default_factory=list)  # corpora to train and test on, by name (egs/README.md)
    # Harmonised emotions, or names of `sets` in conf/emotions.yaml: `emotions: [six]`.
    emotions: list[str] = field(default_factory=lambda: ["angry", "happy", "neutral", "sad"])
    labels: list[str] = field(default_factory=list)  # choices on labels: names of `variants` in conf/emotions.yaml
    encoders: list[str] = field(default_factory=list)  # encoders to probe, by name (conf/encoders.yaml), or a+b
    # Factors, or fields of probe, finetune and sed, and the values that each takes side by side.
    vary: dict[str, list[Any]] = field(default_factory=dict)
    tag: str = ""  # keeps results apart: exp_<tag>, RESULTS.<tag>.md, results.<tag>; by default a --config's own name
    expdir: str = ""  # where results go, if not to exp or exp_<tag>
    split: Split = field(default_factory=Split)
    features: Features = field(default_factory=Features)
    probe: Probe = field(default_factory=Probe)
    losses: Losses = field(default_factory=Losses)
    score: Score = field(default_factory=Score)
    plan: Plan = field(default_factory=Plan)
    sed: Sed = field(default_factory=Sed)
    finetune: Finetune = field(default_factory=Finetune)
    pretrain: list[Pretrain] = field(default_factory=list)  # encoders that the recipe pre-trains itself before stage 2
    outside: list[Outside] = field(default_factory=list)  # systems from outside, to be scored beside ours
    listen: Listen = field(default_factory=Listen)
    study: Study = field(default_factory=Study)

    def __post_init__(self) -> None:
        for name in ("corpora", "emotions", "encoders"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names something twice: {', '.join(values)}")
        if self.split.repeats > 1 and self.sed.encoders:
            raise ValueError("split.repeats must be 1 where sed.encoders are named: they test a voice in one fold")

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
    def kept(self) -> Path:
        """The tables and the figure that are kept beside them."""
        return Path(".".join(filter(None, ("results", self.tag))))

    @property
    def folded(self) -> list[str]:
        """Corpora that are cut into folds, each once."""
        heard = [corpus for own in self.pretrain for corpus in own.data] if self.split.reserve else []
        return list(dict.fromkeys([*self.corpora, *self.sed.corpora, *heard]))

    @property
    def prepared(self) -> list[str]:
        """Corpora that stage 1 prepares, each once."""
        heard = [corpus for own in self.pretrain for corpus in own.data]
        return list(dict.fromkeys([*self.folded, *heard, *self.sed.test, *self.listen.corpora, *self.listen.segments]))

    @property
    def pretrained(self) -> list[str]:
        """Encoders that the recipe pre-trains."""
        return [own.name for own in self.pretrain]

    @property
    def tuned(self) -> list[str]:
        """Encoders that stage 4 tunes, each once."""
        asked = [self.finetune.encoders, *(own.encoders for own in self.finetune.also)]
        return list(dict.fromkeys(name for own in asked for name in own))
