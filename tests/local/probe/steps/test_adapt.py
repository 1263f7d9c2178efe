"""Adaptation without labels: CORAL against its formula, EM against a plain loop and a planted shift of shares."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm

from local.probe.conditions import STAGE
from local.probe.scale import Training
from local.probe.steps import adapt
from tests.local.probe import tree
from tests.local.probe.written import arrays, hyp, meta, scores
from utils.errors import UserError


def features(utterances: int, dim: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((2, utterances, dim)) @ rng.standard_normal((2, dim, dim)) + seed).astype(np.float32)


def covariance(x: np.ndarray) -> np.ndarray:
    return np.cov(x.astype(np.float64), rowvar=False)


def regular(x: np.ndarray, ridge: float) -> np.ndarray:
    found = covariance(x)
    return found + ridge * np.trace(found) / len(found) * np.eye(len(found))


@pytest.mark.parametrize(("source", "target"), [(200, 150), (10, 150), (200, 9), (8, 9)])
def test_coral_is_its_formula(source: int, target: int) -> None:
    s, t = features(source, 20, 1), features(target, 20, 2)
    found = adapt.recolour(s, t)(s)
    for layer in range(2):
        mean, there = s[layer].mean(0), t[layer].mean(0)
        turned = inv(sqrtm(regular(s[layer], 1))) @ sqrtm(regular(t[layer], 1))
        np.testing.assert_allclose(found[layer], there + (s[layer] - mean) @ turned.real, atol=2e-3, rtol=1e-3)


def test_with_hardly_a_ridge_means_and_covariances_are_the_same() -> None:
    s, t = features(300, 12, 1), features(200, 12, 2)
    found = adapt.recolour(s, t, ridge=1e-9)(s)
    for layer in range(2):
        np.testing.assert_allclose(covariance(found[layer]), covariance(t[layer]), rtol=1e-2, atol=1e-2)
        np.testing.assert_allclose(found[layer].mean(0), t[layer].mean(0), atol=1e-3)


def test_training_corpora_are_recoloured_each_and_the_tested_one_is_left_alone() -> None:
    a, b, t = (features(100, 6, seed) for seed in (1, 2, 3))
    names = ["aa"] * 100 + ["bb"] * 100
    training = Training(np.concatenate([a, b], 1), np.zeros(200, int), names, names, names, t)
    step = adapt.fit("coral+em", training)
    np.testing.assert_array_equal(step(a, "aa"), adapt.recolour(a, t)(a))
    np.testing.assert_array_equal(step(b, "bb"), adapt.recolour(b, t)(b))
    assert step(t, "cc") is t
    assert adapt.fit("em", dataclasses.replace(training))(a, "aa") is a


def by_hand(probabilities: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Saerens et al. 2002, equation 2.9, utterance by utterance."""
    found = list(shares)
    for _ in range(2000):
        corrected = []
        for row in probabilities:
            scaled = [found[k] / shares[k] * row[k] for k in range(len(row))]
            corrected.append([value / sum(scaled) for value in scaled])
        found = [sum(row[k] for row in corrected) / len(corrected) for k in range(len(shares))]
    return np.array(corrected)


def test_em_is_its_formula_of_all_seeds_and_layers_at_once() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.4, 0.6, 0.5], size=(2, 3, 40))
    shares = np.array([0.5, 0.3, 0.2])
    found = adapt.posteriors("em", probabilities, shares)
    for cell in np.ndindex(2, 3):
        np.testing.assert_allclose(found[cell], by_hand(probabilities[cell], shares), atol=2e-3)
    assert adapt.posteriors("coral", probabilities, shares) is probabilities


def test_em_finds_shares_that_were_planted_and_mends_what_they_cost() -> None:
    rng = np.random.default_rng(0)
    shares, there = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.7, 0.1, 0.1, 0.1])
    y = rng.choice(4, size=4000, p=there)
    centres = 1.2 * np.eye(4)
    x = centres[y] + rng.standard_normal((len(y), 4))
    likelihood = np.exp(-0.5 * ((x[:, None] - centres) ** 2).sum(-1))
    posteriors = likelihood * shares / (likelihood * shares).sum(1, keepdims=True)
    found = adapt.posteriors("em", posteriors[None, None], shares)[0, 0]
    np.testing.assert_allclose(found.mean(0), there, atol=0.04)
    assert (found.argmax(1) == y).mean() > (posteriors.argmax(1) == y).mean() + 0.05
    # Nothing to mend: as many of each.
    same = rng.choice(4, size=4000, p=shares)
    x = centres[same] + rng.standard_normal((len(same), 4))
    likelihood = np.exp(-0.5 * ((x[:, None] - centres) ** 2).sum(-1))
    posteriors = likelihood / likelihood.sum(1, keepdims=True)
    assert np.abs(adapt.posteriors("em", posteriors, shares) - posteriors).max() < 0.1


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, shift in (("aa", 0.0), ("bb", 1.0), ("cc", 2.0)):
        tree.write_corpus(tmp_path, name, separation=[0.0, 1.5], shift=shift)
    return tmp_path


VALUES = ["none", "coral", "em", "coral+em"]


@pytest.mark.parametrize("rule", ["dev", "nested"])
def test_what_is_trained_on_is_not_adapted_to_and_tables_mark_the_rest(recipe: Path, rule: str) -> None:
    pairs = ["within", "aa:bb", "aa+bb:cc", "aa+bb:bb"]
    tree.run("aa", "bb", "cc", pairs=pairs, heads=["logreg"], vary={"adapt": VALUES}, select=rule)
    made = {path.name for path in recipe.glob("exp/probe/*")}
    for pair, adapted in (("aa-aa", False), ("aa+bb-bb", False), ("aa-bb", True), ("aa+bb-cc", True)):
        for value in VALUES[1:]:
            assert (f"enc.logreg.{pair}.select={rule}.adapt={value}" in made) == adapted
    name = f"enc.logreg.aa-bb.select={rule}"
    assert meta(f"{name}.adapt=coral+em")["words"]["adapt"] == "adapted without labels by coral+em"
    # EM changes posteriors, and nothing of what is learnt or chosen.
    plain, em = (scores(name + own) for own in ("", ".adapt=em"))
    assert [row["dev_loss"] for row in plain] == [row["dev_loss"] for row in em]
    assert hyp(name) != hyp(f"{name}.adapt=em") and hyp(name) != hyp(f"{name}.adapt=coral")
    assert (arrays(f"{name}.adapt=em")["ref"] == arrays(name)["ref"]).all()


def test_no_label_of_the_tested_corpus_counts(recipe: Path) -> None:
    settings = {"pairs": ["aa:bb"], "heads": ["logreg"], "vary": {"adapt": ["coral+em"]}, "select": "dev"}
    tree.run("aa", "bb", **settings)
    name = "enc.logreg.aa-bb.select=dev.adapt=coral+em"
    before = hyp(name)
    listed = [line for part in ("train", "dev") for line in Path(f"data/bb/folds/speaker/0/{part}").read_text().split()]
    tree.permute_labels(recipe, "bb", set(listed))
    tree.run("aa", "bb", **settings)
    assert [row for row in hyp(name) if row[1] == "0"] == [row for row in before if row[1] == "0"]


def test_pairs_within_corpora_alone_cannot_be_adapted(recipe: Path) -> None:
    with pytest.raises(UserError, match="probe.adapt: coral adapts to a corpus that is not trained on"):
        list(STAGE.groups(tree.experiment(["aa"], pairs=["within"], adapt="coral")))
