"""Losses in stage 4: nothing at strength 0, something above it, weights of the training lists, a resume to the bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from local.experiment import Experiment, Losses
from local.finetune import conditions, data, run, trainer
from local.finetune.conditions import STAGE
from local.finetune.model import EmotionClassifier
from local.losses.objective import balanced
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


def test_the_focal_loss_is_cross_entropy_at_gamma_0_to_the_bit() -> None:
    plain, none, focal = weights(asks("ce")), weights(asks("focal", gammas=[0.0])), weights(asks("focal"))
    assert all(np.array_equal(plain[name], none[name]) for name in plain)
    assert not all(np.array_equal(plain[name], focal[name]) for name in plain)


def test_weights_are_counted_on_the_training_list_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(Path(), "b", n=15)  # two, two, one and none of the emotions in a fold's training list
    config = dataclasses.replace(asks("weighted"), corpora=["b"])
    one = training(config)
    labels = data.part(reader.read("b", "small", "speaker", EMOTIONS), 0, "train").labels
    counted = []
    monkeypatch.setattr(trainer, "balanced", lambda *given: counted.append(given) or balanced(*given))
    found = weights(config)
    ((seen, classes),) = counted
    assert sorted(seen) == sorted(labels) and classes == 4 and len(set(np.bincount(labels, minlength=4))) > 1
    plain = weights(dataclasses.replace(asks("ce"), corpora=["b"]))
    assert not all(np.array_equal(plain[name], found[name]) for name in plain)
    assert one.directory != training(dataclasses.replace(asks("ce"), corpora=["b"])).directory


def test_losses_of_the_cross_entropy_stand_side_by_side() -> None:
    config = settings(vary={"loss": ["ce", "focal", "weighted", "focal+weighted"]}, **LORA)
    groups = STAGE.groups(config)
    assert [group.first.factors["loss"] for group in groups] == ["ce", "focal", "weighted", "focal+weighted"]
    told = [conditions.training_settings(STAGE.trainings(group)[0]) for group in groups]
    assert "strength" not in told[0] and [own["strength"]["gamma"] for own in told if "strength" in own] == [2.0, 2.0]
    one = STAGE.trainings(groups[3])[0]
    run.train(one)
    assert EmotionClassifier.load(one.directory).objective is None


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
