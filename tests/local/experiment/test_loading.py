"""What loading an experiment does beyond reading it: stand-ins of a smoke run."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local import experiment
from local.experiment import Experiment, Grid
from utils.errors import UserError

CONFIG = """
corpora: [esd, pavoque]
encoders: [big]
probe: {pairs: ["esd+pavoque:pavoque", within]}
finetune:
  encoders: [big]
  pairs: ["esd:pavoque"]
  epochs: 100
  also: [{pairs: ["esd>pavoque:pavoque"], strategies: [lora+ba+wg]}]
pretrain: [{name: big, data: [pavoque]}]
study:
  stand_ins: {esd: mini_zh, pavoque: mini_de, big: mini}
  smoke_set: [finetune.epochs=2, split.folds=3]
"""


def load(folder: Path, *overrides: str, text: str = CONFIG) -> Experiment:
    path = folder / "experiment.yaml"
    path.write_text(text)
    return experiment.load(argparse.Namespace(config=path, overrides=list(overrides)))


def test_a_smoke_run_is_the_same_matrix_with_stand_ins(tmp_path: Path) -> None:
    smoke = load(tmp_path, "study.smoke=true")
    assert (smoke.corpora, smoke.encoders) == (["mini_zh", "mini_de"], ["mini"])
    assert smoke.probe.pairs == ["mini_zh+mini_de:mini_de", "within"]
    assert (smoke.finetune.encoders, smoke.finetune.pairs) == (["mini"], ["mini_zh:mini_de"])
    assert smoke.finetune.also == [Grid(pairs=["mini_zh>mini_de:mini_de"], strategies=["lora+ba+wg"])]
    assert smoke.pretrain[0].data == ["mini_de"]
    assert (smoke.finetune.epochs, smoke.split.folds) == (2, 3)
    assert load(tmp_path, "study.smoke=true", "finetune.epochs=1").finetune.epochs == 1
    whole = load(tmp_path)
    assert (whole.corpora, whole.finetune.epochs, whole.split.folds) == (["esd", "pavoque"], 100, 5)


def test_outside_a_recipe_the_way_into_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.yaml: no such file; run this in a recipe's folder, or name .* --config"):
        experiment.load(argparse.Namespace(config=tmp_path / "none.yaml", overrides=[]))


def test_a_smoke_run_needs_a_stand_in_for_everything(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="experiment.yaml: study.stand_ins has nothing for 'pavoque'"):
        load(tmp_path, "study.smoke=true", text=CONFIG.replace("pavoque: mini_de, ", ""))


def test_a_misspelt_field_of_a_grid_or_of_an_encoder_to_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key .*strategys"):
        load(tmp_path, text=CONFIG.replace("strategies: [lora+ba+wg]", "strategys: [lora]"))
    with pytest.raises(UserError, match=r"finetune.also\[0\] is a section"):
        load(
            tmp_path,
            text=CONFIG.replace('also: [{pairs: ["esd>pavoque:pavoque"], strategies: [lora+ba+wg]}]', "also: [lora]"),
        )
    with pytest.raises(UserError, match="needs a name, and data to hear"):
        load(tmp_path, text=CONFIG.replace("data: [pavoque]", "data: []"))


@pytest.mark.parametrize("override", ["finetune.precision=fp8", "probe.heads=[svm]", "split.scheme=recording"])
def test_a_word_that_a_field_does_not_know_is_named(tmp_path: Path, override: str) -> None:
    name, _, value = override.partition("=")
    with pytest.raises(UserError, match=rf"{name}: '{value.strip('[]')}' is not one of "):
        load(tmp_path, override)


@pytest.mark.parametrize("smoothing", ["-1", "4"])  # 4 frames have no middle
def test_a_smoothing_that_no_decoder_has(tmp_path: Path, smoothing: str) -> None:
    with pytest.raises(UserError, match="sed.smoothing must not be negative, and odd for the median"):
        load(tmp_path, f"sed.smoothing={smoothing}")
