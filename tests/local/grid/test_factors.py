"""What may vary between conditions: registered factors, fields that become factors, and what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local import experiment
from local.experiment import Experiment, Probe
from local.grid import factors
from local.grid.factors import FACTORS, FINETUNE, OUTSIDE, PROBE, SED, STAGES, Factor
from utils.errors import UserError


def asks(**fields: object) -> Experiment:
    return Experiment(corpora=["a"], encoders=["mini"], **fields)


def varied(stage: str = PROBE, **vary: list) -> list[dict[str, object]]:
    """The factors' values of each variant, by name: those read from fields and those chosen."""
    found = []
    asked = asks(vary={key.replace("__", "."): value for key, value in vary.items()})
    for own, chosen in factors.variants(asked, stage):
        found.append(
            factors.values(own, factors.known(stage)) | {factor.name: value for factor, value in chosen.items()}
        )
    return found


def refused(message: str, **vary: list) -> None:
    for stage in STAGES:
        with pytest.raises(UserError, match=message) as caught:
            varied(stage, **vary)
        assert "\n" not in str(caught.value)


def test_every_factor_has_a_place_and_a_default() -> None:
    for name, factor in FACTORS.items():
        assert name == factor.name and set(factor.stages) <= {*STAGES, OUTSIDE}
    for stage in (*STAGES, OUTSIDE):
        names = [factor.name for factor in factors.known(stage)]
        assert [name for name in names if name != "source"][:4] == ["encoder", "method", "train", "test"]
        # What an experiment leaves alone is what is not mentioned.
        default = {factor.name: factor.default for factor in factors.known(stage) if factor.field}
        assert factors.values(asks(), factors.known(stage)) == default


def test_nothing_varied_is_one_variant() -> None:
    ((own, chosen),) = factors.variants(asks(), PROBE)
    assert own == asks() and chosen == {}


@pytest.mark.parametrize("key", ["normalise", "probe__normalise"])
def test_a_factor_varies_by_its_name_or_field(key: str) -> None:
    found = varied(**{key: ["none", "train", "none"]})
    assert [one["normalise"] for one in found] == ["none", "train"]
    assert [one["cross_dev"] for one in found] == ["source", "source"]


def test_factors_are_multiplied_out_in_their_order() -> None:
    found = varied(cross_dev=["source", "target"], normalise=["train", "none"])
    assert [(one["cross_dev"], one["normalise"]) for one in found] == [
        ("source", "train"), ("source", "none"), ("target", "train"), ("target", "none"),
    ]  # fmt: skip


def test_what_a_stage_does_not_know_is_not_multiplied() -> None:
    vary = {"normalise": ["train", "none"], "layer": [1, 2, 3], "sed__decoder": ["median", "viterbi"]}
    assert [len(varied(stage, **vary)) for stage in (PROBE, FINETUNE, SED)] == [2, 3, 2]


def test_a_field_becomes_a_factor_of_its_own_section() -> None:
    (first, second) = varied(probe__lr=[1e-4, 1e-2])
    assert (first["lr"], second["lr"]) == (1e-4, 1e-2)
    ((own, chosen), (other, _)) = factors.variants(asks(vary={"probe.lr": [1e-4, 1e-2]}), PROBE)
    assert [(factor.name, factor.field, factor.default, factor.stages) for factor in chosen] == [
        ("lr", "probe.lr", Probe().lr, (PROBE,))
    ]
    assert (own.probe.lr, other.probe.lr) == (1e-4, 1e-2)
    assert len(varied(FINETUNE, probe__lr=[1e-4, 1e-2])) == 1


def test_numbers_are_of_the_kind_of_their_field() -> None:
    (found,) = varied(probe__lr=[1])
    assert type(found["lr"]) is float
    assert [one["layer"] for one in varied(FINETUNE, layer=[1, "last"])] == ["1", "last"]
    assert len(varied(probe__logreg_c=[1, 1.0])) == 1


def test_a_factor_without_a_field_takes_whatever_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FACTORS, "erase", Factor("erase", (PROBE,), default="none"))
    found = varied(erase=["none", "speaker", ["speaker", "corpus"], 3])
    assert [one["erase"] for one in found] == ["none", "speaker", ("speaker", "corpus"), 3]
    assert len(varied(FINETUNE, erase=["none", "speaker"])) == 1


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"normalize": ["none"]}, "vary: 'normalize' is neither a factor nor a field; did you mean 'normalise'"),
        ({"probe__rate": [1.0]}, "vary: 'probe.rate' is neither a factor nor a field"),
        ({"probe": [1]}, "vary: 'probe' cannot vary within one experiment"),
        ({"probe__seeds": [1]}, "vary: 'probe.seeds' cannot vary .*it is a list already"),
        ({"finetune__also": [1]}, "vary: 'finetune.also' cannot vary"),
        ({"emotions": [["angry", "sad"]]}, "vary: 'emotions' cannot vary .*--tag"),
        ({"labels": ["exc_as_happy"]}, "vary: 'labels' cannot vary"),
        ({"split__folds": [3, 4]}, "vary: 'split.folds' cannot vary"),
        ({"score__resamples": [10]}, "vary: 'score.resamples' cannot vary"),
        ({"encoder": ["mini"]}, "vary: 'encoder' is varied by naming several"),
        ({"method": ["mlp"]}, "vary: 'method' is varied by naming several"),
        ({"train": ["a"]}, "vary: 'train' is varied by naming several"),
        ({"normalise": []}, "vary.normalise: name at least one value"),
    ],
)
def test_what_cannot_vary_is_named_whatever_the_stage(vary: dict, message: str) -> None:
    refused(message, **vary)


@pytest.mark.parametrize(
    ("stage", "vary", "message"),
    [
        (PROBE, {"normalise": ["standard"]}, "vary: probe.normalise: 'standard' is not one of train, per-corpus, none"),
        (PROBE, {"split": ["recording"]}, "vary: split.scheme: 'recording' is not one of speaker"),
        (FINETUNE, {"precision": ["fp8"]}, "vary: finetune.precision: 'fp8' is not one of"),
        (FINETUNE, {"layer": ["best"]}, "vary: finetune.layer: 'best' is not probe, last or a number"),
        (FINETUNE, {"init": ["yes"]}, "vary: 'yes' is not of the kind of published_init, which is False"),
        (PROBE, {"probe__lr": ["high"]}, "vary: 'high' is not of the kind of lr, which is 0.0001"),
        (PROBE, {"probe__epochs": [True]}, "vary: 'True' is not of the kind of epochs, which is 100"),
        (PROBE, {"probe__epochs": [1.5]}, "vary: '1.5' is not of the kind of epochs"),
        (PROBE, {"probe__epochs": [0]}, "vary: probe.epochs, batch_size, patience, seeds and heads must not be zero"),
    ],
)  # fmt: skip
def test_values_are_checked_as_those_of_the_file_are(stage: str, vary: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        varied(stage, **vary)


def test_an_experiment_s_file_names_what_varies(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text("corpora: [a]\nencoders: [mini]\nvary: {normalise: [train, none], probe.lr: [1e-4, 1e-3]}\n")
    read = experiment.load(argparse.Namespace(config=path, overrides=["vary.split=[speaker, random]"]))
    assert len(list(factors.variants(read, PROBE))) == 8
    assert factors.schemes(read) == ["speaker", "random"]
    with pytest.raises(UserError, match="vary"):
        experiment.load(argparse.Namespace(config=path, overrides=["vary.normalise=none"]))


def test_schemes_are_all_that_any_condition_is_split_by() -> None:
    assert factors.schemes(asks()) == ["speaker"]
    assert factors.schemes(asks(vary={"split": ["session", "random"]})) == ["session", "random"]
    assert factors.schemes(asks(vary={"split.scheme": ["random"]})) == ["random"]


def test_words_of_values() -> None:
    by_name = {factor.name: factor for factor in factors.known(FINETUNE)}
    assert by_name["cross_dev"].says("target") == "dev of the target" and by_name["cross_dev"].says("source") == ""
    assert by_name["source"].says(("a", "b")) == "after a+b" and by_name["init"].says(True) == "published start"
    assert Factor("erase", default="none").says("speaker") == "erase speaker"
    assert Factor("erase", phrase="without {value}").says(("a", "b")) == "without a+b"
