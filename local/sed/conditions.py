"""Which models an experiment's diarization has, which sets each is tested on, and where their results are.

A model is an encoder, a mode and the corpora whose recordings train it; a training is one fold and seed of it. A
condition is a model and a set that it is tested on; baselines, which hear nothing or are told the answer, have
conditions too.
Every recording of a set is tested once: in the fold whose test list holds it, by that fold's model. A set without folds
(``zed``) is dealt out to the folds' models speaker by speaker.
"""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local import encoders
from local.experiment import Experiment
from local.sed.data.sets import path_of
from utils import stamp
from utils.errors import UserError

if TYPE_CHECKING:
    from local.sed.data.sets import SedSet

EXP = Path("exp/sed")
PLAN = EXP / "plan"
# What trains a model, beside the module of its encoder.
TRAINING_CODE = ["local.sed.train"]
PUBLISHED = "published"
# Of our corpora, those whose labels the published checkpoint was trained on (beside JL-Corpus and EmoV-DB).
PUBLISHED_ON = ("ravdess", "esd", "esd_en", "iemocap")
_SETTINGS = ("epochs", "patience", "batch_seconds", "lr", "lr_encoder", "decoder")
MADE_FROM = ("utt2emo", "utt2lang", "utt2spk", "ref.rttm", stamp.NAME)


@dataclass(frozen=True)
class Model:
    """An encoder, frozen or tuned, and the corpora whose recordings train it."""

    encoder: str
    mode: str
    train: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.encoder}.{self.mode}.{'+'.join(self.train)}"

    @property
    def system(self) -> str:
        """What tables call it, whatever it was trained on."""
        return f"{self.encoder}.{self.mode}"


@dataclass(frozen=True)
class Training:
    """One fold and seed of a model."""

    model: Model
    fold: int
    seed: int

    @property
    def directory(self) -> Path:
        """Where the trained model is."""
        return EXP / "models" / self.model.name / f"fold{self.fold}.seed{self.seed}"


@dataclass(frozen=True)
class Condition:
    """A model, or a baseline or the published checkpoint (then ``model`` is None), and the set that it is tested on."""

    system: str
    model: Model | None
    test: str

    @property
    def baseline(self) -> bool:
        """Whether no model made it."""
        return self.model is None and self.system != PUBLISHED

    @property
    def directory(self) -> Path:
        """Where its hypotheses and scores are."""
        return EXP / f"{self.model.name if self.model else self.system}-{self.test}"


def made_sets(experiment: Experiment, corpus: str) -> list[str]:
    """Names of the sets made of a corpus that are tested; ``double`` cannot be made of every corpus."""
    names = [f"{corpus}.{kind}" for kind in experiment.sed.sets]
    return [name for name in names if not name.endswith(".double") or (path_of(name) / "ref.rttm").is_file()]


def tested_sets(experiment: Experiment) -> list[str]:
    """Names of all sets that anything is tested on: corpora with labels of their own first."""
    sed = experiment.sed
    return [*sed.test, *(name for corpus in sed.corpora for name in made_sets(experiment, corpus))]


def models(experiment: Experiment) -> dict[Model, list[str]]:
    """Tell which models there are, and on which sets each is tested.

    ``all``: trained on all of ``sed.corpora``, tested on every set. ``others``: trained without one corpus, tested on
    what was made of that one.

    Raises
    ------
    UserError
        ``others`` is asked for and there is one corpus only, or an encoder has no frames.
    """
    sed = experiment.sed
    found: dict[Model, list[str]] = {}
    for encoder in sed.encoders:
        spec = encoders.spec(encoder)
        reason = encoders.untunable(spec)
        if reason:
            raise UserError(f"sed.encoders: '{encoder}' gives no posteriors a frame: {reason}; name another")
        for mode in sed.modes:
            if "all" in sed.train:
                found[Model(encoder, mode, tuple(sorted(sed.corpora)))] = tested_sets(experiment)
            if "others" in sed.train:
                if len(sed.corpora) < 2:
                    raise UserError("sed.train: 'others' leaves the tested corpus out; name two or more in sed.corpora")
                for corpus in sed.corpora:
                    rest = tuple(sorted(other for other in sed.corpora if other != corpus))
                    found[Model(encoder, mode, rest)] = made_sets(experiment, corpus)
    return found


def trainings(experiment: Experiment) -> list[Training]:
    """List all trainings, in a fixed order."""
    folds = range(experiment.split.folds)
    seeds = dict.fromkeys(experiment.sed.seeds)
    return [Training(model, fold, seed) for model in models(experiment) for fold in folds for seed in seeds]


def conditions(experiment: Experiment, baselines: list[str]) -> list[Condition]:
    """List all conditions: the models', the published checkpoint's, the baselines'; each in the order of the sets."""
    found = [Condition(model.system, model, test) for model, tests in models(experiment).items() for test in tests]
    others = [PUBLISHED, *baselines] if experiment.sed.published else baselines
    return found + [Condition(name, None, test) for name in others for test in tested_sets(experiment)]


def training_settings(training: Training, experiment: Experiment) -> dict:
    """Everything that decides a trained model, apart from its input files."""
    return {
        "model": dataclasses.asdict(training.model), "fold": training.fold, "seed": training.seed,
        "emotions": experiment.emotions, "labels": experiment.labels, "scheme": experiment.split.scheme,
        "sed": {name: getattr(experiment.sed, name) for name in _SETTINGS},
    }  # fmt: skip


def training_stamp(training: Training, experiment: Experiment) -> dict:
    """Describe what a trained model is made from (utils.stamp)."""
    spec = encoders.spec(training.model.encoder)
    inputs = [Path("data", corpus, "sed", "single", name) for corpus in training.model.train for name in MADE_FROM]
    if spec.folder:
        inputs += [spec.folder / name for name in ("config.json", "model.safetensors")]
    settings = training_settings(training, experiment) | {"encoder": spec.identity()}
    return stamp.make(settings, [*TRAINING_CODE, spec.module], inputs)


def cache_of(model: Model) -> Path:
    """Tell where what the encoder gives for recordings is kept."""
    return Path("dump") / model.encoder / "sed"


def seed_of(training: Training) -> int:
    """Derive a training's seed from its own name, so that nothing depends on what else is trained."""
    return zlib.crc32(f"{training.model.name} fold {training.fold} seed {training.seed}".encode())


def folds_of(data: SedSet, folds: int) -> dict[str, int]:
    """Tell by which fold's model each recording of a set is tested.

    Parameters
    ----------
    data : SedSet
        The set.
    folds : int
        How many the models have.

    Returns
    -------
    dict of str to int
        Recording to fold, sorted by recording. A recording that is in no test list is not there.

    Raises
    ------
    UserError
        The set has another number of folds.
    """
    if not data.folds:
        number = {speaker: place % folds for place, speaker in enumerate(sorted(set(data.speaker.values())))}
        return {utterance: number[speaker] for utterance, speaker in sorted(data.speaker.items())}
    if len(data.folds) != folds:
        raise UserError(f"{data.name}: {len(data.folds)} folds, but split.folds is {folds}; run the data stage again")
    return dict(sorted((utterance, k) for k, fold in enumerate(data.folds) for utterance in fold["test"]))
