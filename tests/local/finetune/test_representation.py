"""What stage 4 says of the layer before tuning and after: an oracle, tuning that changes nothing, one that aligns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from local import encoders
from local.experiment import Losses
from local.representation.measures import MEASURES
from local.representation.reader import RIDGE
from local.representation.records import HIDDEN, INPUT
from local.results import corpus as reader
from tests.local.finetune.recipe import EMOTIONS, LORA, run, settings, write_corpus, write_encoder
from utils import csv_file

LANGUAGES = {"a": "de", "b": "ur", "c": "pl"}
PAIR = ["a+b:c"]


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    for name, language in LANGUAGES.items():
        write_corpus(tmp_path, name, language=language)
    return tmp_path


def made(name: str = "representation.csv", **finetune: object) -> list[dict[str, str]]:
    """Run stage 4 on two sources and another target, and read a file of its condition."""
    run(settings("abc", **{"pairs": PAIR} | finetune))
    (path,) = Path("exp/finetune").glob(f"*.a+b-c*/{name}")
    return csv_file.read(path)


def sides(rows: list[dict[str, str]]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Give the numbers of either side, fold by fold."""
    return tuple([{k: float(row[k]) for k in MEASURES} for row in rows if row["side"] == s] for s in (INPUT, HIDDEN))


def test_a_head_alone_leaves_what_an_oracle_reads_from_the_frozen_layer() -> None:
    before, after = sides(made(epochs=1))
    assert before == after and len(before) == 3
    encoder = encoders.load(encoders.spec("small"), "cpu")
    corpora = [reader.read(name, "small", "speaker", EMOTIONS) for name in "abc"]
    layer = [encoder.pooled([one.load() for one in corpus.utterances])[:, 2] for corpus in corpora]
    for fold, found in enumerate(before):
        rows = [[corpus.folds[fold][part] for part in ("train", "test")] for corpus in corpora]
        train = np.concatenate([x[own] for x, (own, _) in zip(layer[:2], rows, strict=False)])
        labels = np.concatenate([corpus.labels[own] for corpus, (own, _) in zip(corpora[:2], rows, strict=False)])
        scale = StandardScaler().fit(train)
        x = scale.transform(train)
        weight = (len(labels) / len(EMOTIONS) / np.bincount(labels))[labels]
        mean = np.average(x, axis=0, weights=weight)
        ridge = RIDGE * (weight[:, None] * (x - mean) ** 2).sum() / x.shape[1]
        oracle = Ridge(alpha=ridge).fit(x, np.eye(len(EMOTIONS))[labels], sample_weight=weight)
        told = [
            (oracle.predict(scale.transform(x[own])).argmax(axis=1), corpus.labels[own])
            for x, corpus, (_, own) in zip(layer, corpora, rows, strict=True)
        ]
        assert found["emotion_target"] == pytest.approx(balanced_accuracy_score(told[2][1], told[2][0]), abs=1e-6)
        said, true = (np.concatenate(own) for own in zip(*told[:2], strict=True))
        assert found["emotion_source"] == pytest.approx(balanced_accuracy_score(true, said), abs=1e-6)


def test_matrices_that_stay_nothing_change_nothing_but_by_rounding() -> None:
    # The front end's output is kept in 16 bits for what is tuned.
    before, after = sides(made(strategies=["lora"], lr=1e-12, lr_head=1e-2, epochs=1))
    for one, other in zip(before, after, strict=True):
        assert other == pytest.approx(one, abs=0.02)


@pytest.mark.integration
def test_there_is_a_row_a_seed_and_points_of_the_first(recipe: Path) -> None:
    rows = made(seeds=[0, 3], epochs=1)
    asked = [(str(fold), *side) for fold in range(3) for side in ((INPUT, ""), (HIDDEN, "0"), (HIDDEN, "3"))]
    assert [(row["fold"], row["side"], row["seed"]) for row in rows] == asked
    assert {row["layer"] for row in rows} == {"2"}
    points = made("points.csv", seeds=[0, 3], epochs=1)
    utts = [[row["utt"] for row in points if row["side"] == side] for side in (INPUT, HIDDEN)]
    tested = {utt for name in LANGUAGES for utt in (recipe / f"data/{name}/folds/speaker/0/test").read_text().split()}
    assert utts[0] == utts[1] and set(utts[0]) == tested


def test_all_that_is_pooled_is_read_before_and_after() -> None:
    rows = made(epochs=1, layer="1", pooling="weighted", lr=0.3)
    before, after = sides(rows)
    assert {row["layer"] for row in rows} == {"1"} and before != after


def test_nothing_is_read_where_there_is_nothing_to_compare() -> None:
    run(settings("abc", pairs=["a:b", "a+b:b"], epochs=1))
    assert len(list(Path("exp/finetune").glob("*/scores.csv"))) == 2
    assert not list(Path("exp/finetune").glob("*/representation.csv"))


@pytest.mark.integration
def test_contrast_across_languages_aligns_what_is_tuned() -> None:
    own = Losses(loss="supcon", sampler="cells", weights=[1.0], temperatures=[0.2], across=3.0)
    config = settings("abc", pairs=PAIR, **LORA | {"lr": 3e-2, "epochs": 8, "patience": 8})
    run(dataclasses.replace(config, losses=own))
    (path,) = Path("exp/finetune").glob("*.a+b-c*/representation.csv")
    before, after = (np.mean([one["alignment"] for one in side]) for side in sides(csv_file.read(path)))
    assert after > before + 0.15
