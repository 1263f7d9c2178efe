"""What study A's published code does otherwise than we: each option, and the configuration that takes them all."""

from __future__ import annotations

import argparse
import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from local import encoders, experiment
from local.finetune import conditions, data, fit
from local.finetune import run as finetune
from local.finetune.conditions import STAGE
from local.finetune.data import Batches
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.finetune.trainer import Leg, Run
from local.grid.conditions import Training
from local.models import store
from local.results import corpus as reader
from tests.conftest import REPO
from tests.local.finetune.recipe import (
    EMOTIONS,
    LORA,
    result,
    settings,
    training,
    write_corpus,
    write_encoder,
)
from utils import metrics, stamp
from utils.errors import UserError

CROSSLINGUAL = REPO / "egs/crosslingual"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


def part(name: str) -> data.Examples:
    return data.part(reader.read("a", "small", "speaker", EMOTIONS), 0, name)


def learn(folder: str, *legs: tuple[data.Examples, data.Examples], before: str = "", **finetune: Any) -> Run:
    """Train on pairs of training and dev examples; the model is in the folder."""
    config = settings(**finetune).finetune
    design = Design(2, config.strategies[0], config.pooling, config.head)
    made = [Leg([name], *leg, 1) for name, leg in zip("ab", legs, strict=False)]
    run = Run(
        Path(folder), "small", EMOTIONS, design, 0, config, made, Path("cache"), before=Path(before) if before else None
    )
    fit.fit(run)
    return run


def curve(folder: str, column: str) -> np.ndarray:
    with open(f"{folder}/curve.csv", encoding="utf-8", newline="") as file:
        return np.array([float(row[column]) for row in csv.DictReader(file)])


def weights(folder: str) -> dict[str, torch.Tensor]:
    return store.read(Path(folder))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


class TestConfiguration:
    """egs/crosslingual/conf/published.yaml."""

    @pytest.fixture
    def published(self, monkeypatch: pytest.MonkeyPatch) -> list[conditions.Condition]:
        monkeypatch.chdir(CROSSLINGUAL)
        config = experiment.load(argparse.Namespace(config=Path("conf/published.yaml"), overrides=[]))
        return STAGE.conditions(config)

    def test_cuts_every_encoder_where_its_authors_did(self, published):
        """``--layer`` of the logs is the probe's layer; heads alone are on it, and what is tuned on the next."""
        given = {
            ("wav2vec2_zh", "", "esd", "esd"): 6,
            ("wav2vec2_zh", "", "esd", "pavoque"): 3,
            ("wav2vec2_zh", "", "pavoque", "pavoque"): 4,
            ("wav2vec2_zh", "", "iemocap", "iemocap"): 4,
            ("wav2vec2_zh", "esd", "pavoque", "pavoque"): 3,
            ("wav2vec2_de", "", "pavoque", "pavoque"): 4,
            ("wav2vec2_de", "", "pavoque", "esd"): 4,
            ("wav2vec2_de", "", "esd", "esd"): 4,
            ("wav2vec2_de", "", "iemocap", "iemocap"): 5,
            ("wav2vec2_de", "pavoque", "esd", "esd"): 4,
        }
        wanted = {
            (*place, method): layer + (method != "head")
            for place, layer in given.items()
            for method in (["lora+ba+wg"] if place[1] else ["head", "lora", "lora+ba+wg"])
        }
        found = {}
        for group in conditions.grid.groups(published):
            for one in group.conditions:
                key = (one.encoder, "+".join(one.source), "+".join(one.train), one.test, one.method)
                assert key not in found
                found[key] = conditions.design(Training(group, 0, 0)).layer
        assert found == wanted and len(found) == 26

    def test_gives_frozen_heads_the_procedure_of_the_layer_wise_runs(self, published):
        sizes = {one.method: set() for one in published}
        for one in published:
            own = one.experiment.finetune
            sizes[one.method].add((own.batch_size, one.factors["carry_head"], own.carry_head, own.clip, own.keep))
            assert one.dev == (one.test,)
        assert sizes == {
            "head": {(32, False, False, 0.0, "ua")},
            "lora": {(1, True, True, 0.0, "ua")},
            "lora+ba+wg": {(1, True, True, 0.0, "ua")},
        }


@pytest.mark.integration
class TestClip:
    """The norm to which gradients are cut."""

    def test_leaves_gradients_alone_at_nought(self, recipe):
        both = part("train"), part("dev")
        for folder, clip in (("none", 0.0), ("far", 1e9), ("near", 1e-3), ("default", 1.0)):
            learn(folder, both, clip=clip)
        assert same(weights("none"), weights("far"))
        assert not same(weights("none"), weights("near"))

    def test_is_one_unless_said_otherwise(self, recipe):
        both = part("train"), part("dev")
        learn("said", both, clip=1.0)
        learn("unsaid", both)
        assert same(weights("said"), weights("unsaid"))


class TestKept:
    """The epoch whose weights are kept."""

    @pytest.mark.parametrize(
        ("keep", "column", "choose"), [("loss", "dev_loss", np.argmin), ("ua", "dev_ua", np.argmax)]
    )
    def test_is_the_first_best(self, recipe, keep, column, choose):
        run = learn("model", (part("train"), part("dev")), lr=0.3, epochs=12, patience=12, keep=keep)
        best = EmotionClassifier.load("model").provenance["best_epoch"]
        assert best == 1 + int(choose(curve("model", column)))
        loaded = EmotionClassifier.load("model")
        dev = run.legs[0].dev
        found = loaded.posteriors([one.load() for one in dev.utterances]).argmax(1)
        assert (found == dev.labels).mean() == pytest.approx(curve("model", "dev_ua")[best - 1])

    def test_differs_between_the_rules_here(self, recipe):
        learn("model", (part("train"), part("dev")), lr=0.3, epochs=12, patience=12)
        assert curve("model", "dev_ua").argmax() != curve("model", "dev_loss").argmin()


def test_a_curve_tells_the_accuracy_on_what_is_learnt(recipe):
    """Where nothing moves, it is that of the initial weights."""
    train = part("train")
    learn("model", (train, part("dev")), lr=0.0, weight_decay=0.0, epochs=2)
    found = EmotionClassifier.load("model").posteriors([one.load() for one in train.utterances]).argmax(1)
    counts = np.zeros((4, 4), dtype=int)
    np.add.at(counts, (train.labels, found), 1)
    assert curve("model", "train_ua") == pytest.approx([float(metrics.unweighted_accuracy(counts))] * 2)


def test_batches_of_one_come_in_any_order():
    """Long utterances beside short ones, each as often at each place, and every one alone."""
    frames = [40] * 5 + [400] * 5
    batches = Batches(frames, 1, seed=0)
    places = np.zeros((10, 10))
    for epoch in range(2000):
        batches.set_epoch(epoch)
        order = list(batches)
        assert {len(batch) for batch in order} == {1}
        places[range(10), [batch[0] for batch in order]] += 1
    assert abs(places / 2000 - 0.1).max() < 0.03


class TestSecondStage:
    """The second stage, where it goes on from all that the first leaves."""

    def run(self, epochs: int, patience: int) -> Run:
        config = settings(epochs=epochs, patience=patience, second_stage="continued").finetune
        legs = [Leg([name], *[data.Examples([], np.array([]), [], [])] * 2, 0) for name in "ab"]
        return Run(Path("x"), "small", EMOTIONS, Design(2), 0, config, legs, Path("c"))

    @pytest.mark.parametrize(("first", "second"), [(49, 51), (48, 1), (12, 37)])
    def test_begins_in_the_middle_at_the_latest_and_ends_there_if_it_began_before(self, first, second):
        """By the counts of the published loop: epoch 50 of 100 begins the second stage, or ends it."""
        run = self.run(epochs=100, patience=200)
        rows = [{"epoch": epoch, "dev_loss": 1 / epoch} for epoch in range(1, 101)]
        assert [run.is_over(rows[:count]) for count in (48, 49)] == [False, True]
        assert [run.is_over(rows[:count], rows[:first]) for count in (second - 1, second)] == [False, True]

    @pytest.mark.integration
    def test_goes_on_with_weights_and_optimiser(self, recipe):
        """Where all is one batch, two stages on the same data are one: to that, a fresh optimiser would not come."""
        both = part("train"), part("dev")
        whole = {"lr": 3e-2, "batch_size": 64, "epochs": 10, "patience": 10, "weight_decay": 0.1}
        learn("one", both, **whole)
        learn("two", both, both, **whole, second_stage="continued")
        learn("fresh", both, both, **whole | {"epochs": 5})
        one, two, fresh = (curve(folder, "dev_loss") for folder in ("one", "two", "fresh"))
        assert len(two) == 10 and np.abs(one - two).max() < 1e-5
        assert np.abs(one - fresh).max() > 1e-3

    @pytest.mark.integration
    def test_may_leave_the_first_stage_s_epoch_the_best(self, recipe):
        train = part("train")
        wrong = replace(train, labels=(train.labels + 1) % 4)
        rates = {"lr": 3e-2, "epochs": 40, "patience": 3, "keep": "ua"}
        learn("model", (train, train), (wrong, train), **rates, second_stage="continued")
        made = EmotionClassifier.load("model")
        best = int(curve("model", "dev_ua").argmax())
        assert len(curve("model", "dev_ua")) > 19 > best and made.provenance["best_epoch"] == best + 1
        waves = [one.load() for one in train.utterances]
        shares = made.posteriors(waves)[range(len(waves)), train.labels]
        assert -np.log(shares).mean() == pytest.approx(curve("model", "dev_loss")[best], abs=2e-3)

    @pytest.mark.integration
    def test_has_the_first_stopped_by_its_own_dev_list(self, recipe):
        write_corpus(recipe, "b", seed=1)
        losses = {}
        for rule in ("fresh", "continued"):
            still = {"lr": 0.0, "weight_decay": 0.0, "epochs": 2}
            one = training(settings("ab", pairs=["a>b:b"], second_stage=rule, **still))
            finetune.train(one)
            losses[rule] = curve(str(one.directory), "dev_loss")
            shutil.rmtree(one.directory)
        # Weights do not move, so that losses differ where dev lists do.
        assert len(set(losses["fresh"])) == 2 and len(set(losses["continued"])) == 1

    def test_is_refused_beside_other_losses(self, recipe):
        config = settings("ab", pairs=["a>b:b"], second_stage="continued")
        config.losses.loss = "supcon"
        with pytest.raises(UserError, match="second_stage: continued does not go with losses.loss supcon; use fresh"):
            STAGE.conditions(config)
        config.losses.loss = "focal+weighted"  # train nothing of their own that would have to be carried on
        assert STAGE.conditions(config)


@pytest.mark.integration
class TestCarriedHead:
    """A head that goes on from fold to fold."""

    def test_begins_as_the_last_epoch_of_the_one_before_left_it(self, recipe):
        both = part("train"), part("dev")
        learn("before", both, lr=0.3, epochs=12, patience=12, carry_head=True)
        last = weights("before/last")
        assert curve("before", "dev_loss").argmin() < 11 and not torch.equal(
            last["weight"], weights("before")["head.weight"]
        )
        learn("after", both, before="before", lr=0.0, weight_decay=0.0, epochs=1, carry_head=True)
        assert torch.equal(weights("after")["head.weight"], last["weight"])

    def test_makes_a_fold_depend_on_those_before(self, recipe):
        plain, carried = settings(), settings(carry_head=True)
        folds = [training(carried, fold) for fold in range(3)]
        with pytest.raises(UserError, match=r"fold0.seed0: not trained yet, .*carry_head=true fold 1 .* --nj 1"):
            finetune.train(folds[1])
        for one in folds:
            finetune.train(one)
        finetune.train(training(plain, 0))
        finetune.train(training(plain, 1))
        assert result(folds[0]) == result(training(plain, 0))
        assert result(folds[1]) != result(training(plain, 1))
        assert [stamp.why_stale(one.directory, STAGE.training_stamp(one)) for one in folds] == [None] * 3
        (folds[0].directory / stamp.NAME).write_text("{}")
        assert stamp.why_stale(folds[1].directory, STAGE.training_stamp(folds[1])).startswith(
            "input exp/finetune/models"
        )
        assert stamp.why_stale(folds[2].directory, STAGE.training_stamp(folds[2])) is None

    def test_is_named_by_its_conditions(self, recipe):
        (condition,) = STAGE.conditions(settings(carry_head=True))
        assert condition.name == "small.head.a-a.layer=2.carry_head=true"
        (factor,) = [factor for factor, _ in condition.values if factor.name == "carry_head"]
        assert factor.says(True) == "heads kept from fold to fold"


def test_what_is_masked_is_the_same_at_every_start(recipe):
    """Also where a checkpoint lacks the mask, so that loading draws it."""
    spec = encoders.spec("small")
    assert spec.folder is not None
    masks = []
    for _ in range(2):
        torch.rand(())
        run = learn("model", (part("train"), part("dev")), **LORA | {"augment": True, "epochs": 1})
        masks.append(fit._make(run).model.masked_spec_embed.detach().clone())
    assert torch.equal(*masks)
