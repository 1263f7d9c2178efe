"""Erasure: speakers go, what is not theirs stays, and nothing is learnt from what is tested."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from local.probe.scale import FoldFeatures
from local.probe.steps import curve, erase, leace, nullspace
from local.results import corpus as reader
from tests.local.probe import tree
from tests.local.probe.steps.made import DIM, SPEAKERS, linear_accuracy, planted
from tests.local.probe.written import everything, meta
from utils import csv_file
from utils.errors import UserError

CHANCE = 1 / SPEAKERS


def heard(value: str, overlap: bool = False) -> tuple[float, float]:
    """What a logistic regression hears after a step: train speakers (on held-out utterances), and test emotions."""
    made = planted(overlap)
    training, looked = made.training, made.looked
    step = erase.fit(value, training) if value != "none" else lambda x, corpus: x
    x, test = step(training.x, "aa")[0], step(np.repeat(looked.x, 2, axis=0), "bb")[0]
    speakers, held = erase.shared(training)
    return (
        linear_accuracy(x[~held], speakers[~held], x[held], speakers[held]),
        linear_accuracy(x, training.labels, test, looked.labels),
    )


def test_what_was_planted_is_heard() -> None:
    assert min(heard("none")) > 0.95


@pytest.mark.parametrize("value", ["inlp", "leace"])
def test_speakers_beside_emotions_go_and_emotions_stay(value: str) -> None:
    speaker, emotion = heard(value)
    assert speaker < CHANCE + 0.15 and emotion > 0.95


def test_a_random_subspace_of_the_same_rank_leaves_speakers() -> None:
    training = planted().training
    found, drawn = (erase.fit(value, training)(np.eye(DIM)[None].repeat(2, 0), "aa") for value in ("inlp", "random"))
    assert (np.linalg.matrix_rank(found, tol=1e-3) == np.linalg.matrix_rank(drawn, tol=1e-3)).all()
    assert heard("random")[0] > 0.8


def test_erasing_emotions_leaves_speakers_alone() -> None:
    speaker, emotion = heard("emotion")
    assert speaker > 0.95 and emotion < 0.45


def test_emotions_that_lie_where_speakers_do_fall_with_them() -> None:
    assert heard("inlp", overlap=True)[1] < heard("random", overlap=True)[1] - 0.2


def test_leace_agrees_with_its_authors_package() -> None:
    concept_erasure = pytest.importorskip("concept_erasure")
    rng = np.random.default_rng(0)
    for utterances in (40, 200):
        x = rng.standard_normal((2, utterances, 60)) @ rng.standard_normal((60, 60))
        y = np.arange(utterances) % 5
        x[:, np.arange(utterances), y] += 4
        found = leace.erase(x, y)(x)
        for layer in range(2):
            own, z = torch.from_numpy(x[layer]), torch.nn.functional.one_hot(torch.from_numpy(y)).double()
            fitter = concept_erasure.LeaceFitter.fit(own, z, svd_tol=1e-9, constrain_cov_trace=False)
            np.testing.assert_allclose(found[layer], fitter.eraser(own).numpy(), atol=1e-6)
            # No class has another mean than the rest: no linear classifier beats a constant.
            means = np.stack([found[layer][y == k].mean(0) for k in range(5)])
            np.testing.assert_allclose(means, np.broadcast_to(x[layer].mean(0), means.shape), atol=1e-8)


@pytest.mark.parametrize("value", ["inlp", "random", "emotion", "leace"])
def test_the_same_whatever_else_is_there(value: str) -> None:
    training = planted().training
    step, again = erase.fit(value, training), erase.fit(value, training)
    alone = erase.fit(value, dataclasses.replace(training, x=training.x[1:]))
    np.testing.assert_array_equal(step(training.x, "aa"), again(training.x, "bb"))
    np.testing.assert_allclose(step(training.x, "aa")[1:], alone(training.x[1:], "aa"), atol=1e-5)
    renamed = dataclasses.replace(training, persons=[f"{name[::-1]}" for name in training.persons])
    np.testing.assert_array_equal(step(training.x, "aa"), erase.fit(value, renamed)(training.x, "aa"))


@pytest.mark.parametrize("value", ["inlp", "random", "leace"])
def test_one_speaker_cannot_be_erased(value: str) -> None:
    training = planted().training
    one = dataclasses.replace(training, persons=["anna"] * len(training.persons))
    with pytest.raises(UserError, match="a train list of aa is of one speaker.*leave aa out of probe.pairs"):
        erase.fit(value, one)


def test_chance_is_binomial() -> None:
    share, high = nullspace.chance(np.repeat([0, 1], [30, 10]))
    draws = np.random.default_rng(0).binomial(40, 0.75, 20000) / 40
    assert share == 0.75 and (draws > high).mean() <= 0.025 < (draws > high - 1 / 40).mean()


def test_the_curve_says_what_each_iteration_does_beside_its_controls() -> None:
    looked = planted().looked
    rows = erase.record("inlp", looked)["erasure.csv"]
    assert erase.record("leace", looked) == {}
    assert all(set(row) <= set(curve.COLUMNS) for row in rows)
    last = {row["kind"]: row for row in rows}  # of random, the last draw
    first = {row["kind"]: row for row in rows if row["iteration"] == 0}
    assert {row["draw"] for row in rows if row["kind"] == "random"} == set(range(curve.DRAWS))
    before, after = (float(own["inlp"]["seen"]) for own in (first, last))
    assert before > 0.95 and after <= float(last["inlp"]["seen_high"])
    assert last["inlp"]["rank"] == last["random"]["rank"] and float(last["random"]["seen"]) > 0.5
    assert float(last["inlp"]["emotion"]) > 0.95 and float(last["emotion"]["emotion"]) < 0.5
    # Speakers of the test list lie in the same directions; LEACE takes out the train speakers alone, as is its aim.
    assert float(first["inlp"]["unseen"]) > 0.95 and float(last["inlp"]["unseen"]) < 0.4
    assert float(last["leace"]["seen"]) <= float(last["leace"]["seen_high"])


def test_the_curve_s_projection_is_the_step_s() -> None:
    looked = planted().looked
    training = looked.training
    speakers, held = erase.shared(training)
    found = nullspace.erase(training.x, speakers, held)
    ranks = [row["rank"] for row in curve.rows(looked, speakers, held) if row["kind"] == "inlp"]
    assert ranks == found.ranks[:, 0].tolist()
    left = erase.fit("inlp", training)(np.eye(DIM, dtype=np.float32)[None], "aa")[0]
    assert np.linalg.matrix_rank(left, tol=1e-3) == DIM - ranks[-1]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("value", ["inlp", "random", "emotion", "leace"])
def test_test_utterances_change_nothing_in_what_is_erased(recipe: Path, value: str) -> None:
    from local.probe import features as reading

    tree.write_corpus(recipe, "aa", speakers=6, dim=12)
    corpus = reader.read("aa", "enc", "speaker", tree.EMOTIONS)
    features = reading.read(corpus, "enc")
    disturbed = features.copy()
    for part in ("dev", "test"):
        disturbed[corpus.folds[1][part][1:]] *= 100
    steps = {"local.probe.steps.erase": value}
    found = [FoldFeatures([(corpus, own)], 1, range(3), "train", steps) for own in (features, disturbed)]
    np.testing.assert_array_equal(found[0].x, found[1].x)
    before, after = (one.of(corpus, own, "test")[:, 0] for one, own in zip(found, (features, disturbed), strict=True))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("rule", ["dev", "nested"])
def test_erased_and_not_stand_beside_each_other(recipe: Path, rule: str) -> None:
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name, speakers=12, separation=[0.0, 1.5])
    values = ["none", "inlp", "random", "emotion", "leace"]
    settings = {"pairs": ["aa:aa", "aa:bb"], "heads": ["logreg"], "vary": {"erase": values}, "select": rule}
    tree.run("aa", "bb", **settings)
    names = [f"enc.logreg.aa-bb.select={rule}" + (f".erase={value}" if value != "none" else "") for value in values]
    made = dict(zip(values, names, strict=True))
    assert all((recipe / "exp/probe" / name).is_dir() for name in names)
    assert meta(made["inlp"])["words"]["erase"] == "erased: inlp"
    assert {name for name in values if Path("exp/probe", made[name], "erasure.csv").exists()} == {"inlp"}
    rows = csv_file.read(Path("exp/probe", made["inlp"], "erasure.csv"))
    assert {row["fold"] for row in rows} == {"0", "1", "2"} and list(rows[0]) == curve.COLUMNS
    code = {value: json.loads(Path("exp/probe", made[value], ".done").read_text())["code"] for value in values}
    assert "local/probe/steps/nullspace.py" in code["inlp"] and "local/probe/steps/nullspace.py" not in code["none"]
    before = everything(made["inlp"])
    for path in (recipe / "exp/probe").glob("*"):
        (path / ".done").unlink(missing_ok=True)
    tree.run("aa", "bb", **settings)
    assert everything(made["inlp"]) == before
