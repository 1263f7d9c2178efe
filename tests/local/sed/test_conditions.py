"""Which models there are, what each is tested on, and by whom."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from local.corpora import spec
from local.corpora.prepare import prepare
from local.experiment import Split
from local.grid.conditions import Training
from local.sed import conditions
from local.sed.conditions import BASELINES, STAGE
from local.sed.data import sets
from local.sed.data.sets import SedSet
from local.splits.make import make as make_folds
from tests.conftest import REPO
from tests.local.sed import recipe
from utils.data_dir import read_persons
from utils.errors import UserError
from utils.folds import PARTS, read_folds


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(recipe.root(tmp_path))
    for name in ("emodb", "nemo"):  # what seeds derive from
        (tmp_path / "data" / name / "utt2spk").write_text(f"{name}-1 {name}\n")
        (tmp_path / "data" / name / "utt2digest").write_text(f"{name}-1 samples_of_{name}\n")
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


def heard(name: str, folder: Path) -> SedSet:
    """A training set whose recordings are a corpus's utterances: who is heard in which part is all that counts."""
    person = read_persons(folder)
    return SedSet(name, {}, {}, {}, person, {}, {}, {}, read_folds(folder / "folds/speaker"))


@pytest.mark.integration
def test_no_voice_of_the_bundled_changes_is_tested_by_a_model_that_it_trained() -> None:
    languages, emotions = ("zh", "de", "en", "bn", "th"), ["angry", "happy", "neutral", "sad"]
    trained_on = []
    for name in [*(f"mini_{language}" for language in languages), "mini_sed"]:
        prepare(spec(name, REPO / "egs/mini"), REPO / "egs/mini/corpus", Path("data", name))
        if name != "mini_sed":
            make_folds(Path("data", name), Split(folds=6), emotions, name)
            trained_on.append(heard(f"{name}.single", Path("data", name)))
    data = sets.read("mini_sed", "speaker", emotions)
    fold_of = conditions.folds_of(data, 6, trained_on)
    assert fold_of.keys() == data.utterances.keys() and len(set(data.person.values())) == 30
    assert conditions.seen_voices(data, fold_of, trained_on, "refuse") == []
    for utterance, k in fold_of.items():
        assert any(data.person[utterance] == own.person[u] for own in trained_on for u in own.folds[k]["test"])
    # Dealt out blindly, most of them would be.
    blind = conditions.folds_of(data, 6)
    assert len(conditions.seen_voices(data, blind, trained_on, "mark")) > 15
    with pytest.raises(UserError, match=r"mini_sed: .* of its 30 voices train the model .* sed.seen_voices to mark"):
        conditions.seen_voices(data, blind, trained_on, "refuse")


def test_who_is_heard_nowhere_is_dealt_out_as_before_and_who_is_heard_everywhere_is_seen() -> None:
    train = recipe.made_up("emodb.single")
    data = dataclasses.replace(recipe.made_up("zed"), folds=[])
    assert conditions.folds_of(data, 3, [train]) == conditions.folds_of(data, 3)
    # One of them speaks in the training set too, where fold 1 tests them.
    (known,) = {train.person[u] for u in train.folds[1]["test"][:1]}
    same = {u: known if own == "zed_0" else own for u, own in data.person.items()}
    data = dataclasses.replace(data, person=same)
    fold_of = conditions.folds_of(data, 3, [train])
    assert {k for u, k in fold_of.items() if data.person[u] == known} == {1}
    assert conditions.seen_voices(data, fold_of, [train], "refuse") == []
    everywhere = [{part: fold["train"] + train.folds[1]["test"] if part == "train" else fold[part] for part in PARTS}
                  for fold in train.folds]  # fmt: skip
    train = dataclasses.replace(train, folds=everywhere)
    fold_of = conditions.folds_of(data, 3, [train])
    assert conditions.seen_voices(data, fold_of, [train], "mark") == [known]


def test_what_only_tests_need_tests_nothing_again() -> None:
    def stamps(**score) -> list[dict]:
        settings = recipe.experiment()
        settings.score = dataclasses.replace(settings.score, **score)
        return [STAGE.stamp(group, one) for group in STAGE.groups(settings) for one in group.conditions]

    plain = stamps()
    assert stamps(permutations=7) == stamps(seed=9) == stamps(resamples=11) == plain
    assert stamps(confidence=0.9) != plain and stamps(interval="bootstrap") != plain
    assert stamps(interval="bootstrap", resamples=11) != stamps(interval="bootstrap")
