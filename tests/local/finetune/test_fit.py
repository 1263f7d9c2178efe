"""One training: that it learns, from what it should alone, and what its result depends on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from local.encoders.transformer import Transformer
from local.finetune import data, fit
from local.finetune import run as finetune
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.finetune.trainer import Leg, Run
from local.results import corpus as reader
from tests.local.finetune.recipe import (
    EMOTIONS,
    LORA,
    curve,
    result,
    run,
    settings,
    training,
    write_corpus,
    write_encoder,
)
from utils import stamp


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


def learn(recipe: Path, examples: data.Examples, dev: data.Examples, **finetune) -> tuple[EmotionClassifier, float]:
    """Train on examples; returns the classifier and its UA (classes are equally frequent) on dev."""
    config = settings(**finetune).finetune
    design = Design(2, config.strategies[0], config.pooling, config.head)
    leg = Leg(["a"], examples, dev, 1)
    classifier = fit.fit(Run(recipe / "model", "small", EMOTIONS, design, 0, config, [leg], recipe / "cache"))
    return classifier, classifier.provenance["dev_ua"]


def sixteen() -> data.Examples:
    """Four utterances of each emotion."""
    corpus = reader.read("a", "small", "speaker", EMOTIONS)
    rows = [row for label in range(4) for row in np.flatnonzero(corpus.labels == label)[:4]]
    return data.everything(corpus).some(rows)


@pytest.mark.integration
class TestLearning:
    """A classifier."""

    @pytest.mark.parametrize(
        "finetune",
        [
            {"strategies": ["head"], "lr": 5e-2, "epochs": 60},
            {"strategies": ["full"], "lr": 3e-3},
            {"strategies": ["lora+ba+wg"], "lr": 1e-2},
            {"strategies": ["prompt"], "lr": 3e-2, "epochs": 60},
            {"strategies": ["lora"], "lr": 1e-2, "pooling": "weighted"},
        ],
        ids=lambda finetune: "-".join(map(str, finetune.values())),
    )
    def test_learns_sixteen_utterances_by_heart(self, recipe, finetune):
        examples = sixteen()
        _, right = learn(recipe, examples, examples, **({"epochs": 30, "patience": 30} | finetune))
        assert right == 1.0

    def test_learns_nothing_of_labels_that_mean_nothing(self, recipe):
        write_corpus(recipe, "a", n=96, speakers=8)
        corpus = reader.read("a", "small", "speaker", EMOTIONS)
        part = {name: data.part(corpus, 0, name) for name in ("train", "test")}
        rng = np.random.default_rng(0)
        shuffled = {name: replace(one, labels=rng.permutation(one.labels)) for name, one in part.items()}
        _, sense = learn(recipe, part["train"], part["test"], lr=5e-2, epochs=30, patience=30)
        _, nonsense = learn(recipe, shuffled["train"], shuffled["test"], lr=5e-2, epochs=30, patience=30)
        assert sense > 0.8 and nonsense < 0.5

    def test_runs_a_frozen_encoder_once_an_utterance(self, recipe, monkeypatch):
        runs = []
        blocks = Transformer.blocks
        monkeypatch.setattr(Transformer, "blocks", lambda *args: runs.append(args) or blocks(*args))
        examples = sixteen()
        learn(recipe, examples, examples, epochs=4, patience=4)
        assert len(runs) == 16
        learn(recipe, examples, examples, epochs=4, patience=4)
        assert len(runs) == 16

    def test_has_the_weights_of_the_best_epoch(self, recipe):
        corpus = reader.read("a", "small", "speaker", EMOTIONS)
        dev = data.part(corpus, 0, "dev")
        classifier, _ = learn(recipe, data.part(corpus, 0, "train"), dev, lr=0.3, epochs=12, patience=3)
        with open("model/curve.csv") as file:
            rows = list(csv.DictReader(file))
        losses = [float(row["dev_loss"]) for row in rows]
        best = classifier.provenance["best_epoch"]
        assert best == 1 + int(np.argmin(losses)) and len(rows) == min(12, best + 3)
        waves = [utterance.load() for utterance in dev.utterances]
        for one in (classifier, EmotionClassifier.load("model")):
            shares = one.posteriors(waves)[range(len(waves)), dev.labels]
            assert -np.log(shares).mean() == pytest.approx(min(losses), abs=2e-3)

    def test_shows_its_curve_in_tensorboard(self, recipe):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        examples = sixteen()
        learn(recipe, examples, examples, lr=1e-2, epochs=3, patience=3)
        shown = EventAccumulator("model/tensorboard/a").Reload()
        with open("model/curve.csv") as file:
            rows = list(csv.DictReader(file))
        for tag, column in (("train/loss", "train_loss"), ("eval/loss", "dev_loss"), ("eval/ua", "dev_ua")):
            values = [event.value for event in shown.Scalars(tag)]
            assert values == pytest.approx([float(row[column]) for row in rows], abs=1e-4)

    def test_has_a_rate_for_its_head(self, recipe):
        before = EmotionClassifier(data.encoders.spec("small"), EMOTIONS, Design(2, "lora"), 0).trainable()
        examples = sixteen()
        after, _ = learn(recipe, examples, examples, **LORA | {"lr_head": 0.0, "weight_decay": 0.0})
        same = {name: torch.equal(before[name], parameter) for name, parameter in after.trainable().items()}
        assert same["head.weight"] and same["head.bias"] and not all(same.values())


class TestResult:
    """A training's result."""

    def test_depends_on_no_other_fold(self, recipe):
        config = settings(**LORA)
        last = training(config, 2)
        finetune.train(last)
        alone = result(last)
        (last.directory / stamp.NAME).unlink()
        run(config)
        assert result(last) == alone
        assert result(training(config, 1))[0] != alone[0]

    def test_is_that_of_larger_batches_if_gradients_are_accumulated(self, recipe):
        examples = sixteen()
        one, other = (
            learn(recipe, examples, examples, lr=1e-2, epochs=6, patience=6, **sizes)[0].trainable()
            for sizes in ({"batch_size": 16}, {"batch_size": 4, "accumulate": 4})
        )
        for name, parameter in one.items():
            assert torch.allclose(parameter, other[name], atol=1e-5)

    def test_does_not_depend_on_checkpointing(self, recipe, monkeypatch):
        examples, runs = sixteen(), []
        block = Transformer._block
        monkeypatch.setattr(Transformer, "_block", lambda *args: runs.append(args[0].checkpointing) or block(*args))
        one, other = (
            learn(recipe, examples, examples, **LORA, checkpointing=on)[0].trainable() for on in (False, True)
        )
        assert runs.count(True) > runs.count(False)
        assert all(torch.allclose(parameter, other[name], atol=1e-6) for name, parameter in one.items())

    def test_says_what_it_was_trained_on(self, recipe):
        config = settings(**LORA)
        one = training(config)
        finetune.train(one)
        loaded = EmotionClassifier.load(one.directory)
        assert loaded.provenance["trained_on"] == [["a"]] and loaded.provenance["n_train"] == 8
        assert sorted(path.name for path in one.directory.iterdir()) == [
            ".done", "config.json", "curve.csv", "model.safetensors", "tensorboard",
        ]  # fmt: skip


class TestTwoStages:
    """Training on one corpus, then on another."""

    @pytest.fixture
    def config(self, recipe: Path):
        write_corpus(recipe, "b")
        return settings("ab", pairs=["a>b:b"], **LORA)

    def test_keeps_both_curves(self, config):
        one = training(config)
        finetune.train(one)
        rows = curve(one)
        assert [row["train"] for row in rows] == ["a"] * 5 + ["b"] * 5
        assert [int(row["epoch"]) for row in rows] == [*range(1, 6)] * 2
        assert EmotionClassifier.load(one.directory).provenance["trained_on"] == [["a"], ["b"]]

    def test_goes_on_from_the_first_stage(self, config):
        config.finetune.lr = 1e-2
        one = training(config)
        finetune.train(one)
        first = {row["train"]: float(row["train_loss"]) for row in reversed(curve(one))}
        assert first["b"] < 0.8 * first["a"]
