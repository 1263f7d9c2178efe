"""Contrasts and adversaries in stage 4: nothing at strength 0, something above it, and a resume to the bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from local.experiment import Experiment, Losses
from local.finetune import conditions, data, run
from local.finetune.model import EmotionClassifier
from local.models.store import WEIGHTS
from local.results import corpus as reader
from tests.local.finetune.recipe import EMOTIONS, LORA, settings, training, write_corpus, write_encoder
from tests.local.finetune.test_resume import compare_interrupted
from utils.errors import UserError


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


def asks(loss: str, strength: float = 1.0, **losses: object) -> Experiment:
    own = Losses(loss=loss, weights=[strength], temperatures=[0.2], reversals=[strength], **losses)
    return dataclasses.replace(settings(**LORA), losses=own)


def weights(config: Experiment) -> dict[str, np.ndarray]:
    one = training(config)
    run.train(one)
    return load_file(one.directory / WEIGHTS)


@pytest.mark.parametrize("loss", ["supcon", "grl", "supcon+grl+dann"])
def test_at_strength_0_it_is_cross_entropy_to_the_bit(loss: str) -> None:
    plain, beside, other = weights(asks("ce")), weights(asks(loss, 0.0)), weights(asks(loss))
    # What stands beside the classifier is given up after training.
    assert plain.keys() == beside.keys() == other.keys()
    assert all(np.array_equal(plain[name], beside[name]) for name in plain)
    assert not all(np.array_equal(plain[name], other[name]) for name in plain)


def test_batches_hold_every_emotion_alike() -> None:
    corpus = reader.read("a", "small", "speaker", EMOTIONS)
    examples = data.part(corpus, 0, "train")
    frames = np.arange(len(examples.labels)) % 7
    drawn = list(data.Cells(examples, "cells", frames, 1, 0, 1))
    assert all(np.bincount(examples.labels[rows], minlength=4).tolist() == [4] * 4 for rows in drawn)
    shares = [list(data.Cells(examples, "cells", frames, 1, rank, 2)) for rank in (0, 1)]
    for whole, first, second in zip(drawn, *shares, strict=True):
        assert sorted(first + second) == sorted(whole)


def test_a_training_with_all_of_it_is_resumed_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    compare_interrupted(asks("supcon+grl", sampler="cells"), monkeypatch, [2, 1], "after")


def test_what_is_saved_is_a_plain_classifier() -> None:
    one = training(asks("supcon+grl", sampler="cells"))
    run.train(one)
    loaded = EmotionClassifier.load(one.directory)
    assert loaded.objective is None and not [name for name in loaded.trainable() if "objective" in name]


def test_strengths_are_those_that_the_probe_chose() -> None:
    config = dataclasses.replace(settings(**LORA), losses=Losses(loss="supcon"))
    with pytest.raises(UserError, match="no condition of small with the aligned head and loss supcon"):
        conditions.strength(training(config))


def test_what_stage_4_does_not_mix_is_not_called_so() -> None:
    with pytest.raises(UserError, match="losses.loss: mixup is for stage 3's head aligned alone"):
        training(asks("supcon+mixup"))
