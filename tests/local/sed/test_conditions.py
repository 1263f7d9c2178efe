"""Which models there are, what each is tested on, and by whom."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from local.grid.conditions import Training
from local.sed import conditions
from local.sed.conditions import BASELINES, STAGE
from tests.local.sed import recipe
from utils.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(recipe.root(tmp_path))
    return tmp_path


def trainings(settings) -> list[Training]:
    return [training for group in STAGE.groups(settings) for training in STAGE.trainings(group)]


def test_models_and_their_tests() -> None:
    settings = recipe.experiment(test=["mini_sed"], sets=["single", "noisy"])
    found = {
        (group.first.encoder, group.first.method, group.first.train): [one.test for one in group.conditions]
        for group in STAGE.groups(settings)
    }
    both, one, other = ("emodb", "nemo"), ("nemo",), ("emodb",)
    made = {corpus: [f"{corpus}.single", f"{corpus}.noisy"] for corpus in both}
    everything = ["mini_sed", *made["emodb"], *made["nemo"]]
    assert found == {
        ("mini", "frozen", both): everything,
        ("mini", "frozen", one): made["emodb"],
        ("mini", "frozen", other): made["nemo"],
        **{("", name, ()): everything for name in BASELINES},
    }


def test_directories_are_named_for_people() -> None:
    names = [one.name for one in STAGE.conditions(recipe.experiment(decoder="viterbi"))]
    assert names[0] == "mini.frozen.emodb+nemo-emodb.single.decoder=viterbi"
    assert "all_neutral-emodb.single" in names


def test_a_kind_of_set_that_could_not_be_made_is_not_tested(folder: Path) -> None:
    settings = recipe.experiment(sets=["single", "double"], corpora=["emodb"], train=["all"])
    assert conditions.tested_sets(settings) == ["emodb.single"]
    (folder / "data/emodb/sed/double").mkdir(parents=True)
    (folder / "data/emodb/sed/double/ref.rttm").touch()
    assert conditions.tested_sets(settings) == ["emodb.single", "emodb.double"]


def test_others_needs_others_and_an_encoder_needs_frames() -> None:
    with pytest.raises(UserError, match="sed.train: 'others' leaves the tested corpus out"):
        STAGE.conditions(recipe.experiment(corpora=["emodb"]))
    with pytest.raises(UserError, match=r"'logmel' gives no posteriors a frame: kind logmel"):
        STAGE.conditions(recipe.experiment(encoders=["logmel"]))


def test_every_training_has_its_own_name_place_and_seed() -> None:
    found = trainings(recipe.experiment(seeds=[0, 1]))
    assert len(found) == 3 * 3 * 2
    assert len({training.directory for training in found}) == len({t.draw() for t in found}) == len(found)


def test_what_else_is_trained_changes_no_seed_and_no_stamp() -> None:
    def stamp_of(settings) -> dict:
        wanted = "mini.frozen.emodb/fold1.seed0"
        (one,) = [training for training in trainings(settings) if str(training.directory).endswith(wanted)]
        return STAGE.training_stamp(one)

    small, large = recipe.experiment(), recipe.experiment(seeds=[0, 1], modes=["frozen", "tuned"], test=["mini_sed"])
    assert stamp_of(small) == stamp_of(large)
    assert stamp_of(small) != stamp_of(recipe.experiment(lr=1.0))


def test_a_recording_is_tested_once_in_its_fold() -> None:
    data = recipe.made_up("emodb.single")
    found = conditions.folds_of(data, 3)
    assert found.keys() == data.utterances.keys()
    assert all(utterance in data.folds[k]["test"] for utterance, k in found.items())
    with pytest.raises(UserError, match=r"emodb.single: 3 folds, but the models have 4"):
        conditions.folds_of(data, 4)


def test_a_set_without_folds_is_dealt_out_by_speaker() -> None:
    data = dataclasses.replace(recipe.made_up("zed"), folds=[])
    found = conditions.folds_of(data, 3)
    assert found.keys() == data.utterances.keys()
    by_speaker = {}
    for utterance, k in found.items():
        assert by_speaker.setdefault(data.speaker[utterance], k) == k
    assert sorted(by_speaker.values()) == [0, 0, 1, 1, 2, 2]
