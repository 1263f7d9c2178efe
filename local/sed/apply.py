"""Diarize every set with the models that are tested on it, and score: exp/sed/models -> exp/sed/<condition>/.

    python3 -m local.sed.apply [--job J --nj N] [--ngpu N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.sed.plan --for apply``; job J takes every N-th unit of that plan,
starting with the J-th. A condition's folder gets ``hyp.rttm`` (of the first seed), ``eder.csv`` (a row a recording and
seed), ``eder.json`` (means with intervals) and ``config.yaml``. Baselines get theirs too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local import experiment
from local.experiment import Experiment
from local.sed import conditions, plan
from local.sed.conditions import Condition, Training
from utils import stamp
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    from local.sed.data.sets import SedSet
    from local.sed.model.diarizer import Diarizer
    from utils.rttm import Segment


def main() -> None:
    """Diarize and score one job's share of the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", type=int, default=1, help="which job this is, from 1")
    parser.add_argument("--nj", type=int, default=1, help="how many jobs share the work")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that the jobs share; 0 runs on the CPU")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    mine = plan.share("apply", arguments.job, arguments.nj)
    device = f"cuda:{(arguments.job - 1) % arguments.ngpu}" if arguments.ngpu else "cpu"
    if not mine:
        return
    from local.sed.score.baselines import BASELINES

    found = {str(item.directory): item for item in conditions.conditions(settings, list(BASELINES))}
    for unit in mine:
        items = [found[name] for name in unit.split() if name in found]
        if items:
            _make(items, settings, device)


def _make(items: Sequence[Condition], settings: Experiment, device: str) -> None:
    """Make conditions of one system on one set; models of one encoder share its forward passes."""
    from local.sed.data import sets
    from local.sed.score import condition as score
    from local.sed.score.baselines import BASELINES

    data = sets.read(items[0].test, settings.split.scheme, settings.emotions)
    fold_of = conditions.folds_of(data, settings.split.folds)
    stamps = {item: conditions.condition_stamp(item, settings) for item in items}
    if items[0].system == conditions.PUBLISHED:
        hypotheses = {(items[0], 0): _published(data, list(fold_of), settings, device)}
    elif items[0].baseline:
        train = _train_reference(settings)
        hypotheses = {
            (items[0], 0): {
                utterance: segments
                for k in range(settings.split.folds)
                for utterance, segments in BASELINES[items[0].system](
                    data, [utterance for utterance, fold in fold_of.items() if fold == k], train[k]
                ).items()
            }
        }
    else:
        hypotheses = _diarize(items, data, fold_of, settings, device)
    for item in items:
        own = {seed: hypothesis for (other, seed), hypothesis in hypotheses.items() if other == item}
        score.write(item, data, fold_of, own, settings, stamps[item])


def _published(data: SedSet, utterances: list[str], settings: Experiment, device: str) -> dict[str, list[Segment]]:
    """Hypotheses of the published checkpoint, which comes without smoothing."""
    from tqdm import tqdm

    from local.sed.model import decode, published

    model = published.load(settings.sed.published, device, settings.emotions)
    return {
        utterance: decode.decode(
            model.posteriors(data.utterances[utterance].load()), utterance, data.duration[utterance],
            settings.emotions, model.decoder or decode.Decoder(),
        )
        for utterance in tqdm(utterances, f"{data.name}, published", disable=None)
    }  # fmt: skip


def _train_reference(settings: Experiment) -> list[dict[str, Sequence[Segment]]]:
    """Reference of the training parts of all corpora, by fold: what the chance-level baseline may know."""
    from local.sed.data import sets

    data = [sets.read(f"{corpus}.single", settings.split.scheme, settings.emotions) for corpus in settings.sed.corpora]
    return [
        {utterance: own.reference[utterance] for own in data for utterance in own.folds[k]["train"]}
        for k in range(settings.split.folds)
    ]


def _diarize(
    items: Sequence[Condition], data: SedSet, fold_of: dict[str, int], settings: Experiment, device: str
) -> dict[tuple[Condition, int], dict[str, list[Segment]]]:
    """Hypotheses of each condition and seed."""
    import torch
    from tqdm import tqdm

    from local.sed.model import decode
    from utils.feature_cache import InputCache

    seeds = list(dict.fromkeys(settings.sed.seeds))
    found: dict[tuple[Condition, int], dict[str, list[Segment]]] = {(item, s): {} for item in items for s in seeds}
    for k in range(settings.split.folds):
        mine = [utterance for utterance, fold in fold_of.items() if fold == k]
        if not mine:
            continue
        models = {(item, seed): _load(Training(item.model, k, seed), device) for item in items for seed in seeds}
        # What was trained on is there; it is not worth keeping the rest.
        cache = InputCache(conditions.cache_of(items[0].model), next(iter(models.values())).input_kind())

        def one(utterance: str, models: dict = models, cache: InputCache = cache) -> dict:
            first = next(iter(models.values()))
            inputs = cache.get(data.utterances[utterance], first.cached_input)
            return {key: model.posteriors_of(inputs) for key, model in models.items()}

        # One recording a core is faster than one recording on all cores.
        threads = 1 if device != "cpu" else os.cpu_count() or 1
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for utterance, posteriors in zip(
                mine, tqdm(pool.map(one, mine), f"{data.name}, fold {k}", len(mine), False, disable=None), strict=True
            ):
                for key, values in posteriors.items():
                    found[key][utterance] = decode.decode(
                        values, utterance, data.duration[utterance], settings.emotions, models[key].decoder
                    )
    return found


def _load(training: Training, device: str) -> Diarizer:
    from local.sed.model.load import load

    if not (training.directory / stamp.NAME).is_file():
        raise UserError(f"{training.directory}: not trained; run python3 -m local.sed.plan and local.sed.train first")
    return load(training.directory, device)


if __name__ == "__main__":
    run_main(main)
