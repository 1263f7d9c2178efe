"""A factor of frozen features that is plugged in from the outside: one line in the registry and one module."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import local.probe
from local.grid.factors import FACTORS, PROBE, Factor
from tests.local.probe import tree
from tests.local.probe.tree import run
from tests.local.probe.written import everything, meta
from utils import closure


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


HALF = """
def fit(value, training):
    assert value == "first half" and len(training.labels) == len(training.utts) == training.x.shape[1]
    return lambda x, corpus: x[:, :, : x.shape[2] // 2]
"""


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a factor as its author would, with one line in the registry and one module, to a copy of the packages."""
    for package in ("local", "utils"):
        shutil.copytree(closure.ROOT / package, tmp_path / "code" / package, ignore=shutil.ignore_patterns("*.pyc"))
    (tmp_path / "code/local/probe/half.py").write_text(HALF)
    monkeypatch.setattr(closure, "ROOT", tmp_path / "code")
    monkeypatch.setattr(local.probe, "__path__", [*local.probe.__path__, str(tmp_path / "code/local/probe")])
    monkeypatch.setitem(FACTORS, "dims", Factor("dims", (PROBE,), default="all", module="local.probe.half"))
    yield "local/probe/half.py"
    sys.modules.pop("local.probe.half", None)


@pytest.mark.parametrize("head", ["linear", "mlp", "logreg"])
def test_a_step_plugged_in_from_outside_stands_beside_the_untouched(recipe: Path, plugged_in: str, head: str) -> None:
    corpus = tree.write_corpus(recipe, "aa", separation=[0.0, 1.5])
    tree.write_corpus(recipe, "bb", separation=[0.0, 1.5])
    run("aa", "bb", pairs=["aa:bb", "aa:aa"], heads=[head], vary={"dims": ["all", "first half"]})
    plain, half = f"enc.{head}.aa-bb", f"enc.{head}.aa-bb.dims=first_half~" + digest("first half")
    names = sorted(path.name for path in recipe.glob("exp/probe/*"))
    assert names == sorted([plain, half, plain.replace("-bb", "-aa"), half.replace("-bb", "-aa")])
    assert meta(half)["params"] < meta(plain)["params"]
    assert (meta(plain)["factors"]["dims"], meta(half)["factors"]["dims"]) == ("all", "first half")
    assert meta(half)["words"]["dims"] == "dims first half"
    # The code of the step is part of what was treated by it, and of nothing else.
    made_by = {name: json.loads(Path("exp/probe", name, ".done").read_text())["code"] for name in (plain, half)}
    assert plugged_in in made_by[half] and plugged_in not in made_by[plain]
    # What the step leaves is all that there is to learn: the same as from features that never had the rest.
    both = {name: everything(name) for name in (plain, half)}
    results = ("scores.csv", "hyp", "pred")
    shutil.rmtree(recipe / "exp")
    FACTORS.pop("dims")
    run("aa", "bb", pairs=["aa:bb"], heads=[head])
    assert {name: both[plain][name] for name in results} == {name: everything(plain)[name] for name in results}
    for name in ("aa", "bb"):
        own = corpus if name == "aa" else tree.write_corpus(recipe, name, separation=[0.0, 1.5])
        tree.write_features(recipe, name, "enc", own.utts, own.features[:, :, :3])
    shutil.rmtree(recipe / "exp")
    run("aa", "bb", pairs=["aa:bb"], heads=[head])
    assert {name: both[half][name] for name in results} == {name: everything(plain)[name] for name in results}


LOOK = """
SEEN = []
def fit(value, training):
    SEEN.append(training)
    return lambda x, corpus: x
"""


@pytest.mark.parametrize("rule", ["dev", "nested"])
def test_a_step_may_look_at_the_train_list_of_the_test_corpus(
    recipe: Path, plugged_in: str, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    (recipe / "code" / plugged_in).write_text(LOOK)
    monkeypatch.setitem(
        FACTORS, "looks", Factor("looks", (PROBE,), default=0, module="local.probe.half", sees_test=True)
    )
    corpora = {name: tree.write_corpus(recipe, name, separation=[0.0, 1.5]) for name in ("aa", "bb", "cc")}
    run("aa", "bb", "cc", pairs=["aa:bb", "aa:cc"], heads=["logreg"], vary={"looks": [1]}, select=rule)
    made = sorted(path.name for path in recipe.glob("exp/probe/*.looks=1"))
    assert made == [f"enc.logreg.aa-{test}.select={rule}.looks=1" for test in ("bb", "cc")]
    seen = sys.modules["local.probe.half"].SEEN
    # Of each test corpus, three folds; nested, each with four inner ones.
    assert len(seen) == 2 * 3 * (5 if rule == "nested" else 1)
    assert all({*one.corpora} == {"aa"} and len(one.persons) == one.x.shape[1] for one in seen)
    parts = ("train", "dev") if rule == "nested" else ("train",)
    lists = []
    for name in ("bb", "cc"):
        for fold in range(3):
            listed = [Path(f"data/{name}/folds/speaker/{fold}/{part}").read_text().split() for part in parts]
            rows = [corpora[name].utts.index(utt) for part in listed for utt in part]
            # Unscaled again, and in an order that does not count.
            lists.append(np.sort(corpora[name].features[rows, 1, 0]))
    for one in seen:
        found = np.sort(one.target[1, :, 0])
        scaled = [(own - own.mean()) / own.std() for own in lists if len(own) == len(found)]
        assert any(np.allclose((found - found.mean()) / found.std(), own, atol=1e-4) for own in scaled)


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:8]
