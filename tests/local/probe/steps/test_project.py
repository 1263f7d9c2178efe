"""As many dimensions for every encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from local.experiment import Probe
from local.grid import plan
from local.grid.factors import PROBE, variants
from local.probe.conditions import STAGE
from local.probe.steps import project
from tests.local.probe import tree
from tests.local.probe.steps.made import planted
from tests.local.probe.written import arrays, meta, scores
from utils.errors import UserError


def test_pca_is_scikit_learn_s_of_the_training_utterances() -> None:
    made = planted()
    step = project.fit("pca:5", made.training)
    test = np.repeat(made.looked.x, 2, axis=0)
    found = step(test, "bb")
    for layer in range(2):
        expected = PCA(5, svd_solver="full").fit(made.training.x[layer].astype(float)).transform(test[layer])
        np.testing.assert_allclose(np.abs(found[layer]), np.abs(expected), atol=1e-3)


def test_random_directions_keep_distances_and_look_at_nothing() -> None:
    rng = np.random.default_rng(0)
    made = planted()
    x = rng.standard_normal((1, 200, 1024)).astype(np.float32)
    training = made.training.__class__(x, made.training.labels, [], [], [], None)
    found = project.fit("random:256", training)(x, "aa")
    assert found.shape == (1, 200, 256) and found.dtype == np.float32
    ratio = np.linalg.norm(found[0, 1:] - found[0, :-1], axis=1) / np.linalg.norm(x[0, 1:] - x[0, :-1], axis=1)
    assert abs(ratio.mean() - 1) < 0.02 and ratio.std() < 0.08
    other = training.__class__(x[:, :50] * 3, made.training.labels, [], [], [], None)
    np.testing.assert_array_equal(found, project.fit("random:256", other)(x, "aa"))


@pytest.mark.parametrize("value", ["pca:25", "random:25"])
def test_more_dimensions_than_there_are_is_an_error(value: str) -> None:
    with pytest.raises(UserError, match=f"probe.project: {value}: .* have 24 directions; ask for 24 or fewer"):
        project.fit(value, planted().training)


def test_a_value_that_says_nothing_is_refused_beforehand() -> None:
    with pytest.raises(ValueError, match="'pca' is not none, pca:K or random:K"):
        Probe(project="pca")
    with pytest.raises(UserError, match="vary: .*'pca:0' is not none"):
        list(variants(tree.experiment(["aa"], vary={"project": ["none", "pca:0"]}), PROBE))


def test_encoders_of_other_sizes_have_heads_of_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree.write_corpus(tmp_path, "aa", dim=6)
    tree.write_corpus(tmp_path, "aa", dim=9, encoder="big")
    settings = {"pairs": ["within"], "heads": ["linear"], "vary": {"project": ["none", "pca:4", "random:4"]}}
    tree.make(tree.experiment(["aa"], ["enc", "big"], **settings))
    made = [path.name for path in Path("exp/probe").glob("*") if "project" in path.name]
    assert len(made) == 4 and {meta(name)["params"] for name in made} == {4 * 4 + 4}
    assert {meta(name)["words"]["project"] for name in made} == {"on pca:4", "on random:4"}


def test_encoders_may_be_trained_on_what_all_of_them_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = tree.write_corpus(tmp_path, "aa")
    tree.write_corpus(tmp_path, "aa", encoder="big")
    gone = corpus.utts[5::40]
    lines = [f"{utt}\ttoo short\n" for utt in gone]
    (tmp_path / "dump/big/aa/excluded.tsv").write_text("item\treason\n" + "".join(lines))
    settings = {"pairs": ["within"], "heads": ["logreg"], "vary": {"utterances": ["own", "common"]}}
    asked = tree.experiment(["aa"], ["enc", "big"], **settings)
    tree.make(asked)
    names = {name: f"{name}.logreg.aa-aa" for name in ("enc", "big")}
    tested = {name: set(arrays(name)["utts"]) for own in names.values() for name in (own, f"{own}.utterances=common")}
    assert tested[names["enc"]] - tested[names["big"]] == set(gone)
    common = [tested[f"{own}.utterances=common"] for own in names.values()]
    assert common == [tested[names["big"]]] * 2
    sizes = [scores(f"{own}.utterances=common")[0]["n_train"] for own in names.values()]
    assert sizes[0] == sizes[1] == scores(names["big"])[0]["n_train"] != scores(names["enc"])[0]["n_train"]
    # Another encoder's list makes results stale that rest on it, and no others.
    (tmp_path / "dump/big/aa/excluded.tsv").write_text(f"item\treason\n{gone[0]}\ttoo short\n")
    stale = [condition.name for group in STAGE.groups(asked) for condition in plan.work(STAGE, group).conditions]
    assert set(stale) == {f"{names['enc']}.utterances=common", names["big"], f"{names['big']}.utterances=common"}
