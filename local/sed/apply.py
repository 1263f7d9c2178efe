"""Diarizes the sets that a group of conditions is tested on, and scores: models -> exp/sed/<condition>/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from tqdm import tqdm

from local.grid.conditions import Condition, Group
from local.sed.conditions import PUBLISHED, STAGE, cache_of, folds_of, seen_voices, trainings
from local.sed.data import sets
from local.sed.data.sets import SedSet
from local.sed.model import decode, published
from local.sed.model.diarizer import Diarizer
from local.sed.model.load import load
from local.sed.score import condition as score
from local.sed.score.baselines import FUNCTIONS, Hypothesis
from utils.feature_cache import InputCache
from utils.rttm import Segment


def test(group: Group, device: str = "cpu") -> None:
    """Diarize the set of every condition of a group, whose models are trained, and write their directories anew.

    Raises
    ------
    UserError
        A set has not been made, has another number of folds than the models, or holds voices that these are trained on.
    """
    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    stamps = {condition: STAGE.stamp(group, condition) for condition in group.conditions}
    for condition in group.conditions:
        data = sets.read(condition.test, group.scheme, list(condition.factors["emotions"]))
        folds = group.folds if condition.encoder else condition.experiment.split.folds
        trained_on = [sets.read(f"{name}.single", group.scheme, list(condition.factors["emotions"]))
                      for name in condition.train]  # fmt: skip
        fold_of = folds_of(data, folds, trained_on)
        seen = seen_voices(data, fold_of, trained_on, condition.experiment.sed.seen_voices)
        if condition.encoder:
            hypotheses = _diarize(group, data, fold_of, device)
        elif condition.method == PUBLISHED:
            hypotheses = {0: _published(condition, data, list(fold_of), device)}
        else:
            hypotheses = {0: _baseline(condition, data, fold_of, folds)}
        score.write(condition, data, fold_of, hypotheses, stamps[condition], len(seen))


def _published(condition: Condition, data: SedSet, utterances: list[str], device: str) -> Hypothesis:
    """Hypotheses of the published checkpoint, which comes without smoothing."""
    emotions = list(condition.factors["emotions"])
    model = published.load(condition.experiment.sed.published, device, emotions)
    return {
        utterance: decode.decode(
            model.posteriors(data.utterances[utterance].load()), utterance, data.duration[utterance],
            emotions, model.decoder or decode.Decoder(),
        )
        for utterance in tqdm(utterances, f"{data.name}, published", disable=None)
    }  # fmt: skip


def _baseline(condition: Condition, data: SedSet, fold_of: dict[str, int], folds: int) -> Hypothesis:
    train = _train_reference(condition, folds)
    return {
        utterance: segments
        for k in range(folds)
        for utterance, segments in FUNCTIONS[condition.method](
            data, [utterance for utterance, fold in fold_of.items() if fold == k], train[k]
        ).items()
    }


def _train_reference(condition: Condition, folds: int) -> list[dict[str, Sequence[Segment]]]:
    """Reference of the training parts of all corpora, by fold: what the chance-level baseline may know."""
    own, emotions = condition.experiment, list(condition.factors["emotions"])
    data = [sets.read(f"{corpus}.single", own.split.scheme, emotions) for corpus in own.sed.corpora]
    return [
        {utterance: one.reference[utterance] for one in data for utterance in one.folds[k]["train"]}
        for k in range(folds)
    ]


def _diarize(group: Group, data: SedSet, fold_of: dict[str, int], device: str) -> dict[int, Hypothesis]:
    """Hypotheses of each seed."""
    emotions = list(group.first.factors["emotions"])
    found: dict[int, Hypothesis] = {training.seed: {} for training in trainings(group)}
    for k in range(group.folds):
        mine = [utterance for utterance, fold in fold_of.items() if fold == k]
        if not mine:
            continue
        models = {one.seed: load(one.directory, device) for one in trainings(group) if one.fold == k}
        first = next(iter(models.values()))
        # What was trained on is there; it is not worth keeping the rest.
        cache = InputCache(cache_of(group.first.encoder), first.input_kind())

        def one(utterance: str, models: dict = models, first: Diarizer = first, cache: InputCache = cache) -> dict:
            inputs = cache.get(data.utterances[utterance], first.cached_input)
            return {seed: model.posteriors_of(inputs) for seed, model in models.items()}

        # One recording a core is faster than one recording on all cores.
        threads = 1 if device != "cpu" else os.cpu_count() or 1
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for utterance, posteriors in zip(
                mine, tqdm(pool.map(one, mine), f"{data.name}, fold {k}", len(mine), False, disable=None), strict=True
            ):
                for seed, values in posteriors.items():
                    found[seed][utterance] = decode.decode(
                        values, utterance, data.duration[utterance], emotions, models[seed].decoder
                    )
    return found
