"""Which models there are, what each is tested on, and by whom."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from local.sed import conditions
from local.sed.conditions import Model, Training
from tests.local.sed import recipe
from utils.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(recipe.root(tmp_path))
    return tmp_path


def test_models_and_their_tests() -> None:
    found = conditions.models(recipe.experiment(test=["mini_sed"], sets=["single", "noisy"]))
    both, one, other = ("emodb", "nemo"), ("nemo",), ("emodb",)
    made = {corpus: [f"{corpus}.single", f"{corpus}.noisy"] for corpus in both}
    assert found == {
        Model("mini", "frozen", both): ["mini_sed", *made["emodb"], *made["nemo"]],
        Model("mini", "frozen", one): made["emodb"],
        Model("mini", "frozen", other): made["nemo"],
    }


def test_a_kind_of_set_that_could_not_be_made_is_not_tested(folder: Path) -> None:
    settings = recipe.experiment(sets=["single", "double"])
    assert conditions.made_sets(settings, "emodb") == ["emodb.single"]
    (folder / "data/emodb/sed/double").mkdir(parents=True)
    (folder / "data/emodb/sed/double/ref.rttm").touch()
    assert conditions.made_sets(settings, "emodb") == ["emodb.single", "emodb.double"]


def test_others_needs_others_and_an_encoder_needs_frames() -> None:
    with pytest.raises(UserError, match="sed.train: 'others' leaves the tested corpus out"):
        conditions.models(recipe.experiment(corpora=["emodb"]))
    with pytest.raises(UserError, match=r"'logmel' gives no posteriors a frame: kind logmel"):
        conditions.models(recipe.experiment(encoders=["logmel"]))


def test_every_training_has_its_own_name_place_and_seed() -> None:
    found = conditions.trainings(recipe.experiment(seeds=[0, 1]))
    assert len(found) == 3 * 3 * 2
    assert len({training.directory for training in found}) == len({conditions.seed_of(t) for t in found}) == len(found)


def test_what_else_is_trained_changes_no_seed_and_no_stamp() -> None:
    training = Training(Model("mini", "frozen", ("emodb",)), 1, 0)
    small, large = recipe.experiment(), recipe.experiment(seeds=[0, 1], modes=["frozen", "tuned"], test=["mini_sed"])
    assert conditions.training_stamp(training, small) == conditions.training_stamp(training, large)
    assert conditions.training_stamp(training, small) != conditions.training_stamp(training, recipe.experiment(lr=1.0))


def test_a_recording_is_tested_once_in_its_fold() -> None:
    data = recipe.made_up("emodb.single")
    found = conditions.folds_of(data, 3)
    assert found.keys() == data.utterances.keys()
    assert all(utterance in data.folds[k]["test"] for utterance, k in found.items())
    with pytest.raises(UserError, match=r"emodb.single: 3 folds, but split.folds is 4"):
        conditions.folds_of(data, 4)


def test_a_set_without_folds_is_dealt_out_by_speaker() -> None:
    data = dataclasses.replace(recipe.made_up("zed"), folds=[])
    found = conditions.folds_of(data, 3)
    assert found.keys() == data.utterances.keys()
    by_speaker = {}
    for utterance, k in found.items():
        assert by_speaker.setdefault(data.speaker[utterance], k) == k
    assert sorted(by_speaker.values()) == [0, 0, 1, 1, 2, 2]
