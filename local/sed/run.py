"""Trains the diarizer of one fold and seed, and tunes its smoothing on dev."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from local import encoders
from local.grid.conditions import Training
from local.sed.conditions import STAGE, cache_of, folds_of, seen_voices
from local.sed.data import sets
from local.sed.model import brain, decode
from utils import stamp
from utils.feature_cache import InputCache

if TYPE_CHECKING:
    from local.sed.model.diarizer import Diarizer


def train(training: Training, device: str = "cpu") -> None:
    """Train a model, tune its smoothing on dev, and save both; an older result is replaced.

    Raises
    ------
    UserError
        A set has not been made, there is nothing to train on, or a voice that is to be tested is trained on.
    """
    made_from = STAGE.training_stamp(training)
    folder, group, lead = training.directory, training.group, training.group.first
    sed, emotions = lead.experiment.sed, list(lead.factors["emotions"])
    # Only what an interruption left may stay: a finished model of other settings must not be gone on with.
    if (folder / stamp.NAME).is_file():
        shutil.rmtree(folder)
    data = [sets.read(f"{corpus}.single", group.scheme, emotions) for corpus in lead.train]
    for tested in {condition.test for condition in group.conditions}:
        # Before anything is trained, not when it is to be tested.
        own = sets.read(tested, group.scheme, emotions)
        seen_voices(own, folds_of(own, group.folds, data), data, sed.seen_voices)

    def examples(part: str) -> list[brain.Example]:
        return [
            brain.Example(own.utterances[utterance], own.reference[utterance])
            for own in data
            for utterance in own.folds[training.fold][part]
        ]

    dev, cached = examples("dev"), cache_of(lead.encoder)
    diarizer = brain.fit(
        brain.Run(
            folder, lead.encoder, lead.method, emotions, examples("train"), dev, training.draw(), sed, cached,
            made_from, device,
        )
    )  # fmt: skip
    frames = (
        sets.frame_labels(example.reference, round(example.utterance.duration / sets.HOP), emotions)
        for example in examples("train")
    )
    moves = decode.transitions(frames, len(emotions)) if sed.decoder == "viterbi" else ()
    if sed.smoothing is None:
        diarizer.decoder = _tuned(diarizer, dev, InputCache(cached, diarizer.input_kind()), sed.decoder, moves)
    else:
        diarizer.decoder = decode.Decoder(sed.decoder, sed.smoothing, moves)
    languages = sorted({language for own in data for language in own.language.values()})
    diarizer.provenance |= {
        "trained_on": list(lead.train), "languages": languages, "encoder": encoders.spec(lead.encoder).name,
        "fold": training.fold,
    }  # fmt: skip
    diarizer.save(folder)
    stamp.write(folder, made_from, keep=True)
    whence = "chosen on dev" if sed.smoothing is None else "as sed.smoothing says"
    print(f"{folder}: decoder {diarizer.decoder.method} {diarizer.decoder.value:g}, {whence}", flush=True)


def _tuned(
    diarizer: Diarizer, dev: Sequence[brain.Example], cache: InputCache, method: str,
    moves: tuple[tuple[float, ...], ...],
) -> decode.Decoder:  # fmt: skip
    posteriors = {
        example.utterance.id: diarizer.posteriors_of(cache.get(example.utterance, diarizer.cached_input))
        for example in dev
    }
    return decode.tune(
        posteriors, {example.utterance.id: example.reference for example in dev},
        {example.utterance.id: example.utterance.duration for example in dev}, diarizer.emotions, method, moves,
    )  # fmt: skip
