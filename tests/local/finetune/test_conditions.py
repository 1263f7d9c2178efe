"""Which conditions an experiment has, what they share, which layer they use, and when they are made again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.experiment import Finetune, Grid
from local.finetune import conditions, plan
from tests.conftest import REPO
from tests.local.finetune.recipe import settings, write_corpus, write_encoder, write_probe
from utils import stamp
from utils.errors import UserError


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    for name in ("a", "b"):
        write_corpus(tmp_path, name, n=12)
    return tmp_path


def make(*training, config) -> None:
    for one in training:
        stamp.write(one.directory, conditions.training_stamp(one, config))


def test_what_is_trained_alike_is_trained_once():
    (first, second) = conditions.groups(settings("ab", pairs=["all"]))
    assert [one.name for one in first.conditions] == ["small.head.a-a", "small.head.a-b"]
    assert (first.name, second.name) == ("small.head.a", "small.head.b")


def test_dev_of_the_target_takes_a_model_for_every_test_corpus():
    names = [group.name for group in conditions.groups(settings("ab", "target", pairs=["all"]))]
    assert names == ["small.head.a", "small.head.b", "small.head.a.dev-b", "small.head.b.dev-a"]


def test_two_stages_are_another_method_than_one():
    one, two = conditions.groups(settings("ab", pairs=["b:b", "a>b:b"], strategies=["wg+lora"]))
    assert [group.conditions[0].name for group in (one, two)] == [
        "small.lora+wg.b-b", "small.lora+wg.after.a.b-b",
    ]  # fmt: skip
    assert one.learnt == ["b"] and two.learnt == ["a", "b"]


def test_further_grids_add_to_the_first_and_nothing_is_there_twice():
    config = settings(
        "ab", pairs=["a:a"], strategies=["head", "lora"],
        also=[
            Grid(pairs=["a:a", "a:b"], strategies=["lora"]),
            Grid(pairs=["a>b:b"], strategies=["wg+lora", "lora+wg"]),
        ],
    )  # fmt: skip
    assert [one.name for group in conditions.groups(config) for one in group.conditions] == [
        "small.head.a-a", "small.lora.a-a", "small.lora.a-b", "small.lora+wg.after.a.b-b",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"finetune.encoders: 'smal' is not among .* did you mean 'small'"):
        conditions.groups(settings("ab", also=[Grid(encoders=["smal"])]))


def test_seeds_derive_from_names():
    first, second = conditions.groups(settings("ab"))
    seeds = {
        training.draw(what)
        for group in (first, second) for training in conditions.trainings(group, settings("ab", seeds=[0, 1]))
        for what in ("weights", "training")
    }  # fmt: skip
    assert len(seeds) == 2 * 3 * 2 * 2


def test_an_encoder_that_cannot_be_tuned_is_refused(recipe):
    config = settings()
    config.finetune.encoders = ["smal"]
    with pytest.raises(UserError, match="'smal' is not among.*small"):
        conditions.groups(config)
    with open(recipe / "conf/encoders.yaml", "a") as file:
        file.write("mel: {kind: logmel, layers: 1, dim: 160}\n")
    config.encoders = config.finetune.encoders = ["mel"]
    with pytest.raises(UserError, match=r"'mel' cannot be tuned: kind logmel has no transformer blocks"):
        conditions.groups(config)


@pytest.mark.parametrize(
    "wrong", [{"layer": "best"}, {"precision": "fp8"}, {"batch_size": 1}, {"encoders": ["e"], "seeds": []}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="finetune"):
        Finetune(**wrong)


class TestLayer:
    """Behind which layer the encoder is cut."""

    def layers(self, **finetune) -> list[int]:
        config = settings("ab", **finetune)
        group = conditions.groups(config)[0]
        return [conditions.design(one, config).layer for one in conditions.trainings(group, config)]

    def test_is_the_one_that_the_probe_chose_in_each_fold(self, recipe):
        write_probe(recipe, "small.linear.a-a", [3, 1, 2])
        assert self.layers(layer="probe") == [3, 1, 2]
        write_probe(recipe, "small.mlp.a-a", [2, 2, 2])
        assert self.layers(layer="probe", head="mlp") == [2, 2, 2]

    def test_is_the_first_seed_s_where_the_probe_has_other_seeds(self, recipe):
        write_probe(recipe, "small.linear.a-a", [3, 1, 2])
        assert self.layers(layer="probe", seeds=[7]) == [3, 1, 2]

    def test_is_one_with_blocks_where_blocks_are_tuned(self, recipe):
        write_probe(recipe, "small.linear.a-a", [0, 1, 2], best_above=3)
        assert self.layers(layer="probe", strategies=["lora"]) == [3, 1, 2]
        assert self.layers(layer="probe", strategies=["head"]) == [0, 1, 2]

    def test_comes_from_any_test_corpus_as_long_as_dev_is_the_source_s(self, recipe):
        write_probe(recipe, "small.linear.a-b", [3, 1, 2])
        assert self.layers(layer="probe", pairs=["a:a"]) == [3, 1, 2]
        config = settings("ab", "target", layer="probe", pairs=["a:a"])
        with pytest.raises(UserError, match="small.linear.a-a/scores.csv"):
            conditions.design(conditions.trainings(conditions.groups(config)[0], config)[0], config)

    def test_may_be_given(self):
        assert self.layers(layer="last") == [3, 3, 3]
        assert self.layers(layer="1") == [1, 1, 1]

    def test_is_missing_before_the_probe_stage(self):
        with pytest.raises(UserError, match="small.linear.a-a/scores.csv.*run the probe stage.*finetune.layer"):
            self.layers(layer="probe")


class TestWork:
    """What has to be done, and why."""

    def test_is_a_training_each_then_the_tests(self):
        config = settings()
        (group,) = conditions.groups(config)
        first, *others = conditions.trainings(group, config)
        assert conditions.work(group, config).units == [str(one.directory) for one in (first, *others)]
        make(first, config=config)
        assert conditions.work(group, config).units == [str(one.directory) for one in others]
        make(*others, config=config)
        left = conditions.work(group, config)
        assert left.units == ["exp/finetune/models/small.head.a"] and set(left.conditions.values()) == {"not made yet"}
        stamp.write(group.conditions[0].directory, conditions.condition_stamp(group, group.conditions[0], config))
        assert conditions.work(group, config).units == []

    def test_is_there_again_when_a_setting_changes(self):
        config = settings()
        (group,) = conditions.groups(config)
        make(*conditions.trainings(group, config), config=config)
        (reason,) = set(conditions.work(group, settings(lr=0.5)).trainings.values())
        assert reason == "finetune.lr changed from 0.01 to 0.5"

    def test_of_other_folds_stays_done_when_the_probe_chose_anew(self, recipe):
        config = settings(layer="probe")
        write_probe(recipe, "small.linear.a-a", [3, 1, 2])
        (group,) = conditions.groups(config)
        make(*conditions.trainings(group, config), config=config)
        (recipe / "exp/probe/small.linear.a-a/scores.csv").unlink()
        (recipe / "exp/probe/small.linear.a-a").rmdir()
        write_probe(recipe, "small.linear.a-a", [3, 3, 2])
        stale = conditions.work(group, config).trainings
        assert {one.fold: reason for one, reason in stale.items()} == {1: "design.layer changed from 1 to 3"}

    def test_cannot_be_told_without_folds(self, recipe):
        (recipe / "data/a/folds/speaker/.done").unlink()
        config = settings()
        with pytest.raises(UserError, match="data/a/folds/speaker: not finished.*data stage"):
            conditions.work(conditions.groups(config)[0], config)


def test_the_plan_is_written_and_told(recipe):
    (recipe / "conf/experiment.yaml").write_text(
        "corpora: [a, b]\nencoders: [small]\nfinetune: {encoders: [small], strategies: [head], layer: 2}\n"
    )
    command = [sys.executable, "-m", "local.finetune.plan"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True)
    assert done.stdout == "6\n", done.stderr
    assert done.stderr.startswith("finetune: 6 to be trained, not made yet: exp/finetune/models/small.head.a/fold0")
    assert len((recipe / "exp/finetune/plan").read_text().splitlines()) == 6


def test_an_experiment_that_tunes_nothing_has_no_work():
    config = settings()
    config.finetune.encoders = []
    assert conditions.groups(config) == [] and plan.describe([]) == []
