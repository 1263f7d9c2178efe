"""Train diarization models: data/<corpus>/sed/single -> exp/sed/models/<model>/fold<k>.seed<s>/.

    python3 -m local.sed.train [--job J --nj N] [--ngpu N] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder, after ``python3 -m local.sed.plan``; job J takes every N-th training of that plan, starting
with the J-th. Epoch and smoothing are chosen on the dev parts of the training corpora. A training that was interrupted
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
from typing import TYPE_CHECKING

from local import encoders, experiment
from local.experiment import Experiment
from local.sed import conditions, plan
from local.sed.conditions import Training
from utils import stamp
from utils.errors import run_main

if TYPE_CHECKING:
    from local.sed.model.brain import Example
    from local.sed.model.decode import Decoder
    from local.sed.model.diarizer import Diarizer


def main() -> None:
    """Train one job's share of the models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", type=int, default=1, help="which job this is, from 1")
    parser.add_argument("--nj", type=int, default=1, help="how many jobs share the work")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that the jobs share; 0 trains on the CPU")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    mine = set(plan.share("train", arguments.job, arguments.nj))
    device = f"cuda:{(arguments.job - 1) % arguments.ngpu}" if arguments.ngpu else "cpu"
    for training in conditions.trainings(settings):
        if str(training.directory) in mine:
            train(training, settings, device)


def train(training: Training, settings: Experiment, device: str = "cpu") -> None:
    """Train a model, tune its smoothing on dev, and save both.

    Parameters
    ----------
    training : Training
        What to train; an older result is replaced.
    settings : Experiment
        The recipe's.
    device : str
        As torch names it.

    Raises
    ------
    UserError
        A set has not been made, or there is nothing to train on.
    """
    from local.sed.data import sets
    from local.sed.model import brain

    made_from = conditions.training_stamp(training, settings)
    folder = training.directory
    # Only what an interruption left may stay: a finished model of other settings must not be gone on with.
    if (folder / stamp.NAME).is_file():
        shutil.rmtree(folder)
    data = [sets.read(f"{corpus}.single", settings.split.scheme, settings.emotions) for corpus in training.model.train]
    for own in data:
        conditions.folds_of(own, settings.split.folds)

    def examples(part: str) -> list[brain.Example]:
        return [
            brain.Example(own.utterances[utterance], own.reference[utterance])
            for own in data
            for utterance in own.folds[training.fold][part]
        ]

    dev = examples("dev")
    diarizer = brain.fit(
        brain.Run(
            folder, training.model.encoder, training.model.mode, settings.emotions, examples("train"), dev,
            conditions.seed_of(training), settings.sed, conditions.cache_of(training.model), device,
        )
    )  # fmt: skip
    diarizer.decoder = _smoothing(diarizer, training, settings, examples("train"), dev)
    languages = sorted({language for own in data for language in own.language.values()})
    diarizer.provenance |= {
        "trained_on": list(training.model.train), "languages": languages,
        "encoder": encoders.spec(training.model.encoder).name, "fold": training.fold,
    }  # fmt: skip
    diarizer.save(folder)
    stamp.write(folder, made_from)
    print(f"{folder}: decoder {diarizer.decoder.method} {diarizer.decoder.value:g}, chosen on dev", flush=True)


def _smoothing(
    diarizer: Diarizer, training: Training, settings: Experiment, train: list[Example], dev: list[Example]
) -> Decoder:
    """Tune a trained diarizer's smoothing on dev; transitions, where it has some, are counted on train."""
    from local.sed.data import sets
    from local.sed.model import decode
    from utils.feature_cache import InputCache

    cache = InputCache(conditions.cache_of(training.model), diarizer.input_kind())
    posteriors = {
        example.utterance.id: diarizer.posteriors_of(cache.get(example.utterance, diarizer.cached_input))
        for example in dev
    }
    frames = (
        sets.frame_labels(example.reference, round(example.utterance.duration / sets.HOP), settings.emotions)
        for example in train
    )
    moves = decode.transitions(frames, len(settings.emotions)) if settings.sed.decoder == "viterbi" else None
    return decode.tune(
        posteriors, {example.utterance.id: example.reference for example in dev},
        {example.utterance.id: example.utterance.duration for example in dev}, settings.emotions, settings.sed.decoder,
        moves,
    )  # fmt: skip


if __name__ == "__main__":
    run_main(main)
