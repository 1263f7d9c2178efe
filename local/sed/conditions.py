"""What stage 6 makes: a model, or what hears nothing or is told the answer, and the set that it is tested on.

A model is an encoder, a mode (frozen or tuned) and the corpora whose recordings train it. Every recording of a set is
tested once: in the fold whose test list holds it, by that fold's model. A set without folds (``zed``) is dealt out to
the folds' models person by person: somebody whose voice is among the models' corpora too is tested by the fold whose
test list holds that voice. Whose voice trains every fold's model cannot be tested, or is marked (``sed.seen_voices``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import encoders
from local.experiment import Experiment
from local.grid import conditions as grid
from local.grid.conditions import Condition, Group, Training
from local.grid.factors import SED, Value
from local.grid.plan import Stage
from local.sed.data.sets import path_of
from utils import stamp
from utils.errors import UserError
from utils.folds import PARTS

if TYPE_CHECKING:
    from local.sed.data.sets import SedSet

PUBLISHED = "published"
BASELINES = ("all_neutral", "oracle_utterance", "oracle_speech", "chance")  # of local/sed/score/baselines.py
# Whose labels the published checkpoint was trained on: of ESD, the English half alone, speakers 0011 to 0020.
PUBLISHED_ON = ("ravdess", "esd_en", "iemocap", "jl_corpus", "emovdb")
# What trains a model, and what tests it, beside the module of its encoder.
TRAINING_CODE, CODE = ["local.sed.run"], ["local.sed.apply"]
SETTINGS = ("epochs", "patience", "batch_seconds", "lr", "lr_encoder", "smoothing")
_MADE_FROM = ("utt2emo", "utt2lang", "utt2spk", "spk2person", "ref.rttm", stamp.NAME)


def asked(experiment: Experiment) -> Iterator[dict[str, Value]]:
    """List what an experiment asks for, in a fixed order: the models', the published checkpoint's, the baselines'.

    ``all``: trained on all of ``sed.corpora``, tested on every set. ``others``: trained without one corpus, tested on
    what was made of that one.

    Raises
    ------
    UserError
        ``others`` is asked for and there is one corpus only, or an encoder has no frames.
    """
    sed = experiment.sed
    if not sed.encoders:
        return
    for encoder in sed.encoders:
        spec = encoders.spec(encoder)
        reason = encoders.untunable(spec)
        if reason:
            raise UserError(f"sed.encoders: '{encoder}' gives no posteriors a frame: {reason}; name another")
        for mode in sed.modes:
            for train, tests in _trained(experiment):
                for test in tests:
                    yield {"encoder": encoder, "method": mode, "train": train, "test": test}
    for name in [PUBLISHED, *BASELINES] if sed.published else BASELINES:
        for test in tested_sets(experiment):
            # Nothing of theirs is decoded.
            yield {"method": name, "test": test, "decoder": "median"}


def _trained(experiment: Experiment) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the corpora that train a model, and the sets that it is tested on."""
    sed = experiment.sed
    if "all" in sed.train:
        yield tuple(sorted(sed.corpora)), tested_sets(experiment)
    if "others" in sed.train:
        if len(sed.corpora) < 2:
            raise UserError("sed.train: 'others' leaves the tested corpus out; name two or more in sed.corpora")
        for corpus in sed.corpora:
            yield tuple(sorted(other for other in sed.corpora if other != corpus)), _made_sets(experiment, corpus)


def _made_sets(experiment: Experiment, corpus: str) -> list[str]:
    """Names of the sets made of a corpus that are tested; ``double`` cannot be made of every corpus."""
    names = [f"{corpus}.{kind}" for kind in experiment.sed.sets]
    return [name for name in names if not name.endswith(".double") or (path_of(name) / "ref.rttm").is_file()]


def tested_sets(experiment: Experiment) -> list[str]:
    """Names of all sets that anything is tested on: corpora with labels of their own first."""
    sed = experiment.sed
    return [*sed.test, *(name for corpus in sed.corpora for name in _made_sets(experiment, corpus))]


def how(condition: Condition) -> str:
    """Say what a model was trained on: ``all`` corpora, or the ``others`` than the tested one; of no model, nothing."""
    if not condition.train:
        return ""
    return "all" if set(condition.train) == set(condition.experiment.sed.corpora) else "others"


def pooled(results: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], list[int]]:
    """Put the recordings of all corpora together.

    Parameters
    ----------
    results : sequence of (str, str, str)
        System, what it was trained on (:func:`how`) and set.

    Returns
    -------
    dict of (str, str, str) to list of int
        For system, ``how`` and ``*.single``, ``*.double`` or ``*.noisy``: the places of at least two results.
    """
    found: dict[tuple[str, str, str], list[int]] = {}
    for place, (system, trained, test) in enumerate(results):
        _, dot, kind = test.partition(".")
        if dot:
            found.setdefault((system, trained, f"*.{kind}"), []).append(place)
    return {key: places for key, places in found.items() if len(places) > 1}


def compared(baseline: Sequence[bool]) -> list[tuple[int, int]]:
    """List what is compared on one set, a family of tests: each model with the later ones and with all baselines.

    Parameters
    ----------
    baseline : sequence of bool
        Whether each result on the set is a baseline's.

    Returns
    -------
    list of (int, int)
        Places.
    """
    models = [place for place, own in enumerate(baseline) if not own]
    baselines = [place for place, own in enumerate(baseline) if own]
    return [(a, b) for at, a in enumerate(models) for b in (*models[at + 1 :], *baselines)]


def family(test: str) -> str:
    """Name the family of all tests on a set."""
    return f"diarization {test}"


def trainings(group: Group) -> list[Training]:
    """List the trainings of a model; a baseline has none."""
    return group.trainings(group.first.experiment.sed.seeds) if group.first.encoder else []


def training_settings(training: Training) -> dict:
    """Everything that decides a trained model, apart from its input files."""
    lead = training.group.first
    return {
        "model": {
            "encoder": lead.encoder, "mode": lead.method, "train": list(lead.train), "decoder": lead.factors["decoder"],
        },
        "fold": training.fold, "seed": training.seed, "words": training.group.words,
        "emotions": list(lead.factors["emotions"]), "labels": list(lead.factors["labels"]),
        "scheme": training.group.scheme, "sed": {name: getattr(lead.experiment.sed, name) for name in SETTINGS},
    }  # fmt: skip


def _training_stamp(training: Training) -> dict:
    lead = training.group.first
    spec = encoders.spec(lead.encoder)
    inputs = [Path("data", corpus, "sed", "single", name) for corpus in lead.train for name in _MADE_FROM]
    made_of = training_settings(training) | {"encoder": spec.identity()}
    return stamp.make(made_of, [*TRAINING_CODE, spec.module], [*inputs, *spec.files()])


def settings(condition: Condition) -> dict:
    """Everything that decides a condition's result, apart from its input files: its ``config.yaml``."""
    names = [*SETTINGS, "seeds", "seen_voices"] if condition.encoder else []
    found = grid.settings(condition, "sed", [*names, *(["published"] if condition.method == PUBLISHED else [])])
    # Of stage 5's settings, what its means and intervals need: tests are made later, in collect.
    score = condition.experiment.score
    drawn = ("resamples", "seed") if score.interval == "bootstrap" else ()
    return found | {"score": {name: getattr(score, name) for name in ("interval", "confidence", *drawn)}}


def _stamp(group: Group, condition: Condition) -> dict:
    inputs = [path_of(condition.test) / name for name in _MADE_FROM]
    inputs += [training.directory / stamp.NAME for training in trainings(group)]
    if not condition.encoder:
        inputs += [Path("data", name, "sed", "single", stamp.NAME) for name in condition.experiment.sed.corpora]
    code = [*CODE, *(["local.encoders.loading"] if condition.method == PUBLISHED else [])]
    code += [encoders.spec(condition.encoder).module] if condition.encoder else []
    return stamp.make(settings(condition), code, inputs)


def _needs(group: Group) -> dict[Path, str]:
    return {Path("data", name, "sed", "single"): SED for name in group.first.train}


STAGE = Stage(SED, asked, _stamp, _needs, trainings, _training_stamp)


def cache_of(encoder: str) -> Path:
    """Tell where what the encoder gives for recordings is kept."""
    return Path("dump") / encoder / "sed"


def folds_of(data: SedSet, folds: int, trained_on: Iterable[SedSet] = ()) -> dict[str, int]:
    """Tell by which fold's model, of so many, each recording of a set is tested, sorted by recording.

    A recording that is in no test list is not there. Of a set without folds, people whom the models' corpora
    (``trained_on``) do not hold are dealt out in turn; others go to a fold that does not train on them, if there is
    one: best to the one that tests them too, and last to one that chose its epoch on them.

    Raises
    ------
    UserError
        A set has another number of folds.
    """
    heard = _heard(trained_on, folds)
    if data.folds:
        _check_number(data, folds)
        return dict(sorted((utterance, k) for k, fold in enumerate(data.folds) for utterance in fold["test"]))
    people = sorted(set(data.person.values()))
    number = {person: _fold_for(person, heard, place % folds) for place, person in enumerate(people)}
    return {utterance: number[person] for utterance, person in sorted(data.person.items())}


def seen_voices(data: SedSet, fold_of: Mapping[str, int], trained_on: Iterable[SedSet], allowed: str) -> list[str]:
    """List the people whose voice trains the very model that tests them.

    Parameters
    ----------
    data : SedSet
        The tested set.
    fold_of : mapping of str to int
        From :func:`folds_of`.
    trained_on : iterable of SedSet
        What the models are trained on.
    allowed : str
        ``sed.seen_voices``.

    Raises
    ------
    UserError
        There are some, and they are not to be marked.
    """
    train: dict[int, set[str]] = {}
    for own in trained_on:
        for k, fold in enumerate(own.folds):
            train.setdefault(k, set()).update(own.person[utterance] for utterance in fold["train"])
    seen = sorted({data.person[u] for u, k in fold_of.items() if data.person[u] in train.get(k, ())})
    if seen and allowed == "refuse":
        raise UserError(
            f"{data.name}: {len(seen)} of its {len(set(data.person.values()))} voices train the model that is to test "
            f"them, first {seen[0]}; cut folds by speaker (split.scheme), take the set out of sed.test, or set "
            "sed.seen_voices to mark, and every table says so"
        )
    return seen


def _fold_for(person: str, heard: Sequence[Mapping[str, set[str]]], otherwise: int) -> int:
    free = [k for k, parts in enumerate(heard) if person not in parts["train"]]
    if not free or not any(person in people for parts in heard for people in parts.values()):
        return otherwise
    return min(free, key=lambda k: (person not in heard[k]["test"], person in heard[k]["dev"], k))


def _heard(trained_on: Iterable[SedSet], folds: int) -> list[dict[str, set[str]]]:
    """Gather whose voices are in each part of each fold of some sets."""
    heard: list[dict[str, set[str]]] = [{part: set() for part in PARTS} for _ in range(folds)]
    for data in trained_on:
        _check_number(data, folds)
        for parts, fold in zip(heard, data.folds, strict=True):
            for part, people in parts.items():
                people.update(data.person[utterance] for utterance in fold[part])
    return heard


def _check_number(data: SedSet, folds: int) -> None:
    if len(data.folds) != folds:
        raise UserError(f"{data.name}: {len(data.folds)} folds, but the models have {folds}; run the data stage again")
