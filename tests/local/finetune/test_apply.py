"""The files of a condition: stage 5 reads them as a probe's."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from local.finetune import data, train
from local.finetune import run as finetune
from local.finetune.model import EmotionClassifier
from local.results import corpus as reader
from local.results import read as scored
from local.score import tabulate
from tests.local.finetune.recipe import (
    EMOTIONS,
    run,
    settings,
    training,
    write_corpus,
    write_encoder,
    write_experiment,
    write_plan,
    write_probe,
)
from utils import intervals
from utils.errors import UserError
from utils.table import read_table

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


def scores(condition: str) -> list[dict[str, str]]:
    with open(f"exp/finetune/{condition}/scores.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def meta(condition: str) -> dict:
    return json.loads(Path(f"exp/finetune/{condition}/meta.json").read_text())


def test_stage_5_reads_and_scores_it(recipe):
    run(settings(seeds=[0, 3]))
    found = scored.read(Path("exp/finetune/small.head.a-a.layer=2"))
    assert (found.seeds, found.layers, found.group) == ([0, 3], [2], "within")
    assert dict(found.system).items() >= {"encoder": "small", "method": "head", "source": (), "layer": "2"}.items()
    assert len(found.utts) == 24 and len(set(found.tested)) == 24
    emotion = read_table(recipe / "data/a/utt2emo")
    assert [EMOTIONS[label] for label in found.reference] == [emotion[utt] for utt in found.utts]
    speakers = read_table(recipe / "data/a/utt2spk")
    rng = np.random.default_rng(0)
    blocks = intervals.make_blocks(speakers, dict(zip(found.utts, found.reference, strict=True)), 100, rng)
    rows = tabulate.condition_rows(tabulate.score(found, blocks), tabulate.Names.of([found], "recipe"), 0.95)
    assert len(rows) == 3 * 2 + 2 and {row["stage"] for row in rows} == {"finetune"}
    assert {row["n_train"] for row in rows} == {"8"}


def test_what_it_says_is_what_the_models_say():
    config = settings(seeds=[0, 3])
    run(config)
    lines = Path("exp/finetune/small.head.a-a.layer=2/hyp").read_text().splitlines()
    assert lines[0] == "# utt fold seed emo p_angry p_happy p_neutral p_sad" and len(lines) == 1 + 2 * 24
    one = training(config, 3)
    assert (one.fold, one.seed) == (1, 3)
    classifier = EmotionClassifier.load(one.directory)
    own = [line.split() for line in lines[1:] if line.split()[1:3] == ["1", "3"]]
    part = data.part(reader.read("a", "small", "speaker", EMOTIONS), 1, "test")
    assert [line[0] for line in own] == [utterance.id for utterance in part.utterances]
    shares = classifier.posteriors([utterance.load() for utterance in part.utterances])
    assert np.abs(shares - np.array([line[4:] for line in own], dtype=float)).max() < 5e-3
    row = scores("small.head.a-a.layer=2")[3]
    assert (row["fold"], row["seed"], row["cut"]) == ("1", "3", "2")
    assert float(row["dev_loss"]) == pytest.approx(classifier.provenance["dev_loss"], abs=1e-6)
    assert meta("small.head.a-a.layer=2")["params"] == classifier.counts()[0] == 4 * 33


def test_corpora_of_other_languages_are_tested_with_the_same_models(recipe):
    write_corpus(recipe, "b", language="zh")
    config = settings("ab", pairs=["a:a", "a:b"])
    run(config)
    assert meta("small.head.a-a.layer=2")["setting"] == "mono" and meta("small.head.a-b.layer=2")["setting"] == "cross"
    assert meta("small.head.a-b.layer=2")["dev"] == ["a"] and len(list(Path("exp/finetune/models").iterdir())) == 1
    row, other = (scores(f"small.head.a-{test}.layer=2")[0] for test in "ab")
    assert row["dev_loss"] == other["dev_loss"] and row["ua"] != other["ua"]
    assert scored.read(Path("exp/finetune/small.head.a-b.layer=2")).group == "across"


def test_layers_that_differ_between_folds_have_one_name(recipe):
    write_probe(settings(), "a", "a", [3, 1, 2])
    run(settings(layer="probe"))
    assert [(row["layer"], row["cut"]) for row in scores("small.head.a-a")] == [("-1", "3"), ("-1", "1"), ("-1", "2")]
    assert scored.read(Path("exp/finetune/small.head.a-a")).layers == [-1]


def test_two_stages_are_told_with_all_that_they_heard(recipe):
    write_corpus(recipe, "b", language="zh")
    with open(recipe / "conf/encoders.yaml", "a") as file:
        file.write("  pretrained_on: [a]\n")
    run(settings("ab", pairs=["a>b:b"]))
    name = "small.head.b-b.source=a.layer=2"
    found = meta(name)
    assert found["factors"].items() >= {"method": "head", "source": ["a"], "train": ["b"], "test": "b"}.items()
    assert found["words"]["source"] and found["models"] == "small.head.b.source=a.layer=2"
    assert Path("exp/finetune/models", found["models"], "fold2.seed0/.done").is_file()
    assert found["train_languages"] == ["de", "zh"] and found["contaminated"] == ["a"] and found["setting"] == "trans"
    assert scores(name)[0]["n_train"] == "16"
    assert scored.read(Path("exp/finetune", name)).group == "within"


def test_settings_are_kept():
    run(settings())
    kept = yaml.safe_load(Path("exp/finetune/small.head.a-a.layer=2/config.yaml").read_text())
    assert kept["condition"].items() >= {"method": "head", "dev": ["a"], "layer": "2"}.items()
    assert kept["finetune"]["lr"] == 1e-2
    assert "fold 2 seed 0 layer 2: best epoch" in Path("exp/finetune/small.head.a-a.layer=2/train.log").read_text()


def test_a_condition_that_is_asked_for_later_trains_nothing(recipe, monkeypatch):
    write_corpus(recipe, "b")
    run(settings("ab", pairs=["a:a"]))
    monkeypatch.setattr(finetune, "train", None)
    run(settings("ab", pairs=["a:a", "a:b"]))
    assert len(scores("small.head.a-b.layer=2")) == 3


def test_nothing_is_tested_before_all_models_are_there(recipe, capsys, monkeypatch):
    config = settings()
    write_experiment(recipe, config)
    write_plan(config, [str(training(config).directory)])
    monkeypatch.setattr(sys, "argv", ["train"])
    train.main()
    assert "2 of its models are still to be trained" in capsys.readouterr().out
    assert not Path("exp/finetune/small.head.a-a.layer=2").exists()


def test_a_test_corpus_has_to_have_one_language_and_as_many_folds(recipe):
    write_corpus(recipe, "b", folds=4)
    with pytest.raises(UserError, match="same number of folds: data/a/folds/speaker has 3, data/b/folds/speaker has 4"):
        run(settings("ab", pairs=["a:b"]))
    write_corpus(recipe, "b")
    path = recipe / "data/b/utt2lang"
    path.write_text(path.read_text().replace(" de", " zh", 1))
    with pytest.raises(UserError, match="data/b/utt2lang: has de and zh"):
        run(settings("ab", pairs=["a:b"]))
