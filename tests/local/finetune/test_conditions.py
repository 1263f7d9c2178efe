"""Which conditions an experiment has, what they share, which layer they use, and when they are made again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.experiment import Experiment, Finetune, Grid
from local.finetune import conditions
from local.finetune import plan as finetune_plan
from local.finetune.conditions import STAGE
from local.grid import manifest, plan
from local.grid.conditions import Training
from tests.conftest import REPO
from tests.local.finetune.recipe import settings, write_corpus, write_encoder, write_experiment, write_probe
from utils import stamp
from utils.data_dir import fingerprint
from utils.errors import UserError


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    for name in ("a", "b"):
        write_corpus(tmp_path, name, n=12)
    return tmp_path


def make(*trainings: Training) -> None:
    for one in trainings:
        stamp.write(one.directory, STAGE.training_stamp(one))


def finish(config: Experiment) -> list[str]:
    """Stamp all that an experiment asks for; give the names of its conditions."""
    for group in STAGE.groups(config):
        make(*STAGE.trainings(group))
        for condition in group.conditions:
            stamp.write(condition.directory, STAGE.stamp(group, condition))
    return [condition.name for condition in STAGE.conditions(config)]


def work(config: Experiment) -> list[plan.Work]:
    return [plan.work(STAGE, group) for group in STAGE.groups(config)]


def test_what_is_trained_alike_is_trained_once():
    (first, second) = STAGE.groups(settings("ab", pairs=["all"]))
    assert [one.name for one in first.conditions] == ["small.head.a-a.layer=2", "small.head.a-b.layer=2"]
    assert (first.name, second.name) == ("small.head.a.layer=2", "small.head.b.layer=2")


def test_dev_of_the_target_takes_a_model_for_every_test_corpus():
    groups = STAGE.groups(settings("ab", "target", pairs=["all"], layer="probe"))
    names = ["small.head.a", "small.head.b", "small.head.a.dev-b", "small.head.b.dev-a"]
    assert [group.name for group in groups] == names
    held = [fingerprint(f"data/{name}") for name in "ab"]
    dev = [f"train {held[0]} dev {held[1]}", f"train {held[1]} dev {held[0]}"]
    assert [group.words for group in groups] == [*(f"train {own}" for own in held), *dev]


def test_two_stages_are_told_from_one_by_a_factor():
    one, two = STAGE.groups(settings("ab", pairs=["b:b", "a>b:b"], strategies=["wg+lora"]))
    assert [group.conditions[0].name for group in (one, two)] == [
        "small.lora+wg.b-b.layer=2", "small.lora+wg.b-b.source=a.layer=2",
    ]  # fmt: skip
    a, b = (fingerprint(f"data/{name}") for name in "ab")
    assert [group.words for group in (one, two)] == [f"train {b}", f"source {a} train {b}"]
    assert one.directory != two.directory
    assert one.learnt == ["b"] and two.learnt == ["a", "b"]
    (joined,) = STAGE.groups(settings("abc", pairs=["c+a>b:b"]))
    assert joined.first.source == ("a", "c") and joined.learnt == ["a", "c", "b"]


def test_further_grids_add_to_the_first_and_nothing_is_there_twice():
    config = settings(
        "ab", pairs=["a:a"], strategies=["head", "lora"],
        also=[
            Grid(pairs=["a:a", "a:b"], strategies=["lora"]),
            Grid(pairs=["a>b:b"], strategies=["wg+lora", "lora+wg"]),
        ],
    )  # fmt: skip
    assert [one.name for group in STAGE.groups(config) for one in group.conditions] == [
        "small.head.a-a.layer=2", "small.lora.a-a.layer=2", "small.lora.a-b.layer=2",
        "small.lora+wg.b-b.source=a.layer=2",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"finetune.encoders: 'smal' is not among .* did you mean 'small'"):
        STAGE.groups(settings("ab", also=[Grid(encoders=["smal"])]))


def test_a_further_grid_may_have_a_layer_of_its_own():
    config = settings("ab", pairs=["a:a"], also=[Grid(layer="1"), Grid(layer="2"), Grid(layer="last", pairs=["b:b"])])
    assert [one.name for one in STAGE.conditions(config)] == [
        "small.head.a-a.layer=2", "small.head.a-a.layer=1", "small.head.b-b.layer=last",
    ]  # fmt: skip
    cuts = [{conditions.design(one).layer for one in STAGE.trainings(group)} for group in STAGE.groups(config)]
    assert cuts == [{2}, {1}, {3}]
    assert len({group.directory for group in STAGE.groups(config)}) == 3


def test_a_further_grid_may_vary_what_it_likes():
    further = [
        Grid(vary={"finetune.clip": [0.0]}),
        Grid(strategies=["lora"], pairs=["b:b"], vary={"init": [True], "finetune.batch_size": [1]}),
    ]
    config = settings("ab", pairs=["a:a"], also=further)
    found = STAGE.conditions(config)
    assert [one.name for one in found] == [
        "small.head.a-a.layer=2.batch_size=8", "small.head.a-a.layer=2.clip=0.0.batch_size=8",
        "small.lora.b-b.layer=2.init=true.batch_size=1",
    ]  # fmt: skip
    # What one grid varies tells all: what is at the default, 1.0, is there but not named.
    assert [one.factors["clip"] for one in found] == [1.0, 0.0, 1.0]
    own = [one.experiment.finetune for one in found]
    assert [(one.clip, one.batch_size, one.published_init) for one in own] == [
        (1, 8, False),
        (0, 8, False),
        (1, 1, True),
    ]


def test_grids_alone_are_enough():
    config = settings("ab", also=[Grid(encoders=["small"], pairs=["b:a"])])
    config.finetune.encoders = []
    assert [one.name for one in STAGE.conditions(config)] == ["small.head.b-a.layer=2"]


def test_an_encoder_that_cannot_be_tuned_is_refused(recipe):
    config = settings()
    config.finetune.encoders = ["smal"]
    with pytest.raises(UserError, match="'smal' is not among.*small"):
        STAGE.groups(config)
    with open(recipe / "conf/encoders.yaml", "a") as file:
        file.write("mel: {kind: logmel, layers: 1, dim: 160}\n")
    config.encoders = config.finetune.encoders = ["mel"]
    with pytest.raises(UserError, match=r"'mel' cannot be tuned: kind logmel has no transformer blocks"):
        STAGE.groups(config)


@pytest.mark.parametrize(
    "wrong", [{"layer": "best"}, {"batch_size": 0}, {"clip": -1.0}, {"encoders": ["e"], "seeds": []}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="finetune"):
        Finetune(**wrong)


class TestLayer:
    """Behind which layer the encoder is cut."""

    def layers(self, *place, **finetune) -> list[int]:
        group = STAGE.groups(settings(*(place or ("ab",)), **{"layer": "probe"} | finetune))[0]
        return [conditions.design(one).layer for one in STAGE.trainings(group)]

    def test_is_the_one_that_the_probe_chose_in_each_fold(self):
        write_probe(settings("ab"), "a", "a", [3, 1, 2])
        assert self.layers() == [3, 1, 2]
        write_probe(settings("ab"), "a", "a", [2, 2, 2], head="mlp")
        assert self.layers(head="mlp") == [2, 2, 2]
        assert self.layers() == [3, 1, 2]

    def test_is_the_first_seed_s_where_the_probe_has_other_seeds(self):
        write_probe(settings("ab"), "a", "a", [3, 1, 2])
        assert self.layers(seeds=[7]) == [3, 1, 2]

    def test_is_one_with_blocks_where_blocks_are_tuned(self):
        write_probe(settings("ab"), "a", "a", [0, 1, 2], best_above=3)
        assert self.layers(strategies=["lora"]) == [3, 1, 2]
        assert self.layers(strategies=["head"]) == [0, 1, 2]

    @pytest.mark.parametrize(
        "grid",
        [
            {"strategies": ["head", "lora", "full"], "seeds": [0, 1]},
            {"strategies": ["head"], "also": [Grid(strategies=["lora"], pairs=["b:a", "a:a"])]},
            {"strategies": ["head"], "also": [Grid(strategies=["wg"], pairs=["b>a:a"])]},
        ],
    )
    def test_is_one_for_all_strategies_of_a_training_set_fold_and_seed(self, grid):
        for name in "ab":
            write_probe(settings("ab"), name, name, [0, 1, 0], best_above=3)
        cuts, methods = {}, set()
        config = settings("ab", **{"layer": "probe", "pairs": ["all"]} | grid)
        for group in STAGE.groups(config):
            methods.add(group.first.method)
            for one in STAGE.trainings(group):
                cuts.setdefault((group.first.train, one.fold, one.seed), set()).add(conditions.design(one).layer)
        assert len(methods) > 1 and {key[1]: cut for key, cut in cuts.items()} == {0: {3}, 1: {1}, 2: {3}}
        assert all(len(cut) == 1 for cut in cuts.values())

    def test_of_equals_above_0_is_the_one_with_the_lower_dev_loss(self):
        path = write_probe(settings("ab"), "a", "a", [1, 1, 1], lowest_loss=2)
        path.write_text(path.read_text().replace("0.5,0.5", "0.9,0.5"))
        assert self.layers(strategies=["lora"]) == self.layers(strategies=["head", "lora"]) == [2, 2, 2]
        assert self.layers(strategies=["head"]) == [1, 1, 1]

    def test_of_the_head_is_free_where_blocks_are_tuned_at_a_given_layer_only(self):
        write_probe(settings("ab"), "a", "a", [0, 1, 2], best_above=3)
        assert self.layers(strategies=["head"], also=[Grid(strategies=["lora"], layer="2")]) == [0, 1, 2]

    def test_changes_no_seed(self):
        drawn = {
            group.draw(1, 0) for layer in ("probe", "2")
            for group in STAGE.groups(settings("a", layer=layer, strategies=["head", "lora"]))
        }  # fmt: skip
        assert len(drawn) == 1

    def test_comes_from_any_test_corpus_as_long_as_dev_is_the_source_s(self):
        write_probe(settings("ab"), "a", "b", [3, 1, 2])
        assert self.layers(pairs=["a:a"]) == [3, 1, 2]
        with pytest.raises(UserError, match="exp/probe: has no condition"):
            self.layers("ab", "target", pairs=["a:b"])

    @pytest.mark.parametrize("pairs", [["a:b", "a:a"], ["a:a", "a:b"]])
    def test_was_chosen_by_the_dev_lists_that_stop_the_training(self, pairs):
        target = settings("ab", "target", layer="probe", pairs=pairs)
        write_probe(target, "a", "b", [1, 1, 1])
        write_probe(target, "a", "a", [3, 3, 3])
        found = {
            group.first.test: [conditions.design(one).layer for one in STAGE.trainings(group)]
            for group in STAGE.groups(target)
        }
        assert found == {"a": [3, 3, 3], "b": [1, 1, 1]}
        # Within a corpus, dev of the target and of the source are one.
        assert self.layers("ab", "source", pairs=["a:b"]) == [3, 3, 3]

    @pytest.mark.parametrize("other", [{"emotions": ["angry", "sad"]}, {"labels": ["exc_as_happy"]}])
    def test_does_not_come_from_a_probe_of_other_labels(self, other):
        probe = settings("ab")
        for name, value in other.items():
            setattr(probe, name, value)
        write_probe(probe, "a", "a", [3, 1, 2])
        with pytest.raises(UserError, match="no condition of small with the linear head trained on a, "):
            self.layers()

    def test_may_be_given(self):
        assert self.layers(layer="last") == [3, 3, 3]
        assert self.layers(layer="1") == [1, 1, 1]

    def test_is_missing_before_the_probe_stage(self):
        with pytest.raises(UserError, match="exp/probe: .*linear.*trained on a.*run the probe stage.*finetune.layer"):
            self.layers()
        # A probe that is asked for and not made is no better than none.
        path = write_probe(settings("ab"), "a", "a", [3, 1, 2])
        path.unlink()
        with pytest.raises(UserError, match="run the probe stage with mlp among probe.heads"):
            self.layers(head="mlp")
        with pytest.raises(UserError, match="run the probe stage"):
            self.layers()

    @pytest.mark.parametrize("damage", [lambda text: text.replace(",1,", ",0,"), lambda text: text[:40]])
    def test_is_not_guessed_from_damaged_scores(self, damage):
        path = write_probe(settings("ab"), "a", "a", [3, 1, 2])
        path.write_text(damage(path.read_text()))
        with pytest.raises(UserError, match=r"small.linear.a-a/scores.csv"):
            self.layers()


class TestWork:
    """What has to be done, and why."""

    def test_is_a_training_each_then_the_tests(self):
        config = settings()
        (group,) = STAGE.groups(config)
        first, *others = STAGE.trainings(group)
        assert plan.work(STAGE, group).units == [str(one.directory) for one in (first, *others)]
        make(first)
        assert plan.work(STAGE, group).units == [str(one.directory) for one in others]
        make(*others)
        left = plan.work(STAGE, group)
        assert left.units == ["exp/finetune/models/small.head.a.layer=2"]
        assert set(left.conditions.values()) == {"not made yet"}
        stamp.write(group.first.directory, STAGE.stamp(group, group.first))
        assert plan.work(STAGE, group).units == []

    def test_is_there_again_when_a_setting_changes(self):
        finish(settings())
        (found,) = work(settings(lr=0.5))
        assert set(found.trainings.values()) == {"finetune.lr changed from 0.01 to 0.5"} and len(found.trainings) == 3
        assert set(found.conditions.values()) == {"finetune.lr changed from 0.01 to 0.5"}

    def test_is_only_the_new_seed_s_and_the_tests(self):
        finish(settings(seeds=[0]))
        (found,) = work(settings(seeds=[0, 4]))
        assert [(one.fold, one.seed) for one in found.trainings] == [(0, 4), (1, 4), (2, 4)]
        assert set(found.conditions.values()) == {"finetune.seeds changed from [0] to [0, 4]"}

    def test_is_none_where_another_value_of_a_factor_is_asked_for(self):
        """Both stand side by side, and the first stays as it is."""
        finish(settings())
        for other in ({"pooling": "weighted"}, {"head": "mlp"}, {"layer": "1"}, {"published_init": True}):
            (found,) = work(settings(**other))
            assert set(found.trainings.values()) == {"not made yet"}
        assert work(settings())[0].units == []

    def test_of_a_test_corpus_leaves_the_models_alone(self, recipe):
        finish(settings("ab", pairs=["a:a", "a:b"]))
        (recipe / "data/b/utt2emo").write_text((recipe / "data/b/utt2emo").read_text().replace("sad", "happy", 1))
        (found,) = work(settings("ab", pairs=["a:a", "a:b"]))
        assert found.trainings == {}
        assert {one.test: why for one, why in found.conditions.items()} == {"b": "input data/b/utt2emo changed"}

    def test_of_a_training_corpus_begins_with_the_models(self, recipe):
        finish(settings("ab", pairs=["a:a", "a:b"]))
        (recipe / "data/a/folds/speaker/digest").write_text("another")
        (found,) = work(settings("ab", pairs=["a:a", "a:b"]))
        assert set(found.trainings.values()) == {"input data/a/folds/speaker/digest changed"}
        assert {one.test: why for one, why in found.conditions.items()} == {
            "a": "input data/a/folds/speaker/digest changed", "b": "a model of it is to be trained",
        }  # fmt: skip

    def test_of_a_first_stage_counts_too(self, recipe):
        finish(settings("ab", pairs=["a>b:b"]))
        (recipe / "data/a/utt2lang").write_text((recipe / "data/a/utt2lang").read_text() + " ")
        (found,) = work(settings("ab", pairs=["a>b:b"]))
        assert set(found.trainings.values()) == {"input data/a/utt2lang changed"}

    def test_of_other_folds_stays_done_when_the_probe_chose_anew(self):
        config = settings(layer="probe")
        write_probe(config, "a", "a", [3, 1, 2])
        (group,) = STAGE.groups(config)
        make(*STAGE.trainings(group))
        write_probe(config, "a", "a", [3, 3, 2])
        stale = plan.work(STAGE, group).trainings
        assert {one.fold: reason for one, reason in stale.items()} == {1: "design.layer changed from 1 to 3"}

    def test_cannot_be_told_without_folds(self, recipe):
        (recipe / "data/a/folds/speaker/.done").unlink()
        with pytest.raises(UserError, match="data/a/folds/speaker: not finished.*data stage"):
            work(settings())

    def test_of_shared_models_is_planned_once(self, monkeypatch, capsys):
        """Within a corpus, dev of the target is dev of the source: two conditions, one model, trained by one job."""
        config = settings(vary={"cross_dev": ["source", "target"]})
        assert [one.name for one in STAGE.conditions(config)] == [
            "small.head.a-a.layer=2", "small.head.a-a.cross_dev=target.layer=2",
        ]  # fmt: skip
        write_experiment(Path(), config)
        monkeypatch.setattr(sys, "argv", ["plan"])
        finetune_plan.main()
        assert capsys.readouterr().out == "3\n"
        planned = Path("exp/finetune/plan").read_text().splitlines()
        assert planned == [f"exp/finetune/models/small.head.a.layer=2/fold{fold}.seed0" for fold in range(3)]


def test_the_plan_is_written_and_told(recipe):
    (recipe / "conf/experiment.yaml").write_text(
        "corpora: [a, b]\nencoders: [small]\nfinetune: {encoders: [small], strategies: [head], layer: 2}\n"
    )
    command = [sys.executable, "-m", "local.finetune.plan"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True)
    assert done.stdout == "6\n", done.stderr
    first = "exp/finetune/models/small.head.a.layer=2/fold0"
    assert done.stderr.startswith(f"finetune: 6 to be trained, not made yet: {first}")
    assert len((recipe / "exp/finetune/plan").read_text().splitlines()) == 6
    asked = manifest.read(recipe / "exp/finetune")
    assert [entry.path.name for entry in asked] == ["small.head.a-a.layer=2", "small.head.b-b.layer=2"]


def test_the_plan_has_the_layer_of_every_grid(recipe, monkeypatch, capsys):
    (recipe / "conf/experiment.yaml").write_text(
        "corpora: [a, b]\nencoders: [small]\nfinetune:\n  strategies: [lora]\n  also:\n"
        "  - {encoders: [small], pairs: ['a:a'], layer: 1, strategies: [head], vary: {finetune.batch_size: [4]}}\n"
        "  - {encoders: [small], pairs: ['a:b'], layer: 2}\n  - {encoders: [small], pairs: ['a>b:b'], layer: 3}\n"
    )
    monkeypatch.setattr(sys, "argv", ["plan"])
    finetune_plan.main()
    assert capsys.readouterr().out == "9\n"
    found = {entry.path.name: entry.factors["layer"] for entry in manifest.read(Path("exp/finetune"))}
    assert found == {
        "small.head.a-a.layer=1.batch_size=4": "1",
        "small.lora.a-b.layer=2": "2",
        "small.lora.b-b.source=a.layer=3": "3",
    }


def test_an_experiment_that_tunes_nothing_has_no_work():
    config = settings()
    config.finetune.encoders = []
    assert STAGE.groups(config) == [] and plan.describe("finetune", []) == []
