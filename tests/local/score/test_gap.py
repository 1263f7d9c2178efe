"""What the gap is made of: what was planted in features is found in the part that it belongs to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from local.experiment import Score
from local.results import read
from local.score import collect, gap, tabulate
from local.score.gap import Split
from tests.local.probe import tree
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

CLEAN, MOVED = "enc.logreg.aa-bb", "enc.logreg.aa-bb.adapt=coral"


def make(root: Path, target: Callable[[np.ndarray], np.ndarray] = lambda features: features) -> None:
    """Run probes of two corpora that have the same clusters, after changing the features of the second."""
    for name in ("aa", "bb"):
        made = tree.write_corpus(root, name, separation=(0.0, 1.2))
    tree.write_features(root, "bb", "enc", made.utts, target(made.features))
    probe()


def probe() -> None:
    tree.run("aa", "bb", heads=["logreg"], vary={"normalise": ["train", "per-corpus"]})


def split(via: str) -> Split:
    """Split the drop from aa to bb."""
    conditions = [read.read(path) for path in sorted(Path("exp/probe").iterdir())]
    blocks = {test: collect._blocks(test, conditions, Score()) for test in ("aa", "bb")}
    scored = [tabulate.score(one, blocks[one.test]) for one in conditions]
    (found,) = [
        one for one in gap.splits(scored, blocks)
        if (one.zero.condition.train, one.zero.condition.test, one.via) == ("aa", "bb", via)
    ]  # fmt: skip
    return found


def parts(via: str = "per-corpus") -> dict[str, float]:
    """Each part in points."""
    return {name: 100 * float(pair.difference.influence.value) for name, pair in split(via).parts.items()}


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_other_frequencies_of_classes_are_of_the_priors(recipe: Path) -> None:
    corpus = tree.write_corpus(recipe, "aa", n=600, separation=(0.0, 0.3))
    tree.write_corpus(recipe, "bb", n=600, separation=(0.0, 0.3))
    # Half of the emotions are a tenth as frequent in training.
    rare = {u for i, (u, e) in enumerate(zip(corpus.utts, corpus.emotions, strict=True)) if e < "i" and i // 12 % 10}
    for fold in range(3):
        for part in ("train", "dev"):
            path = recipe / "data/aa/folds/speaker" / str(fold) / part
            tree.write_list(recipe, "aa", fold, part, [utt for utt in path.read_text().split() if utt not in rare])
    probe()
    found = parts()
    assert found["drop"] > 10 and found["priors"] > 0.5 * found["drop"]
    assert abs(found["shift"]) < 5


def test_thresholds_that_moved_are_of_the_priors(recipe: Path) -> None:
    make(recipe, lambda features: features + np.array([4, -4, 0, 0, 0, 0], np.float32))
    found = parts()
    assert found["drop"] > 15 and found["priors"] > 0.6 * found["drop"]


STRETCH = np.array([4, 0.2, 1, 0.3, 3, 1], np.float32)


def test_features_that_were_stretched_are_of_the_shift(recipe: Path) -> None:
    # A shear and a stretch: no threshold mends that.
    make(recipe, lambda features: features * STRETCH)
    found = parts()
    assert found["drop"] > 15 and found["shift"] > 0.6 * found["drop"]


def test_coral_is_a_row_of_its_own(recipe: Path) -> None:
    """A condition made by hand: what an adaptation gives that undoes all that was planted."""
    make(recipe)
    kept = recipe / "kept"
    shutil.copytree(recipe / "exp/probe" / CLEAN, kept)
    shutil.rmtree(recipe / "exp")
    mixing = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0].astype(np.float32)
    make(recipe, lambda features: features @ mixing)
    meta = json.loads((kept / "meta.json").read_text())
    meta["factors"]["adapt"] = "coral"
    (kept / "meta.json").write_text(json.dumps(meta))
    kept.rename(recipe / "exp/probe" / MOVED)
    coral, other = parts("coral"), parts()
    assert coral["shift"] > 0.6 * coral["drop"] > 10  # a rotation, which a stretch along the axes cannot mend
    assert other["shift"] < 0.5 * coral["shift"] and other["drop"] == coral["drop"]


def test_labels_that_mean_something_else_are_of_the_concept(recipe: Path) -> None:
    for name in ("aa", "bb"):
        tree.write_corpus(recipe, name, separation=(0.0, 1.2))
    path = recipe / "data/bb/utt2emo"
    following = dict(zip(tree.EMOTIONS, np.roll(tree.EMOTIONS, 1), strict=True))
    rows = [line.split() for line in path.read_text().splitlines()]
    path.write_text("".join(f"{utt} {following[emotion]}\n" for utt, emotion in rows))
    probe()
    found = parts()
    # Thresholds mend a part of it: any other boundary is better than one where every answer is wrong.
    assert found["drop"] > 90 and found["concept"] > 0.5 * found["drop"] and abs(found["shift"]) < 5


def test_parts_add_up_and_share_utterances(recipe: Path) -> None:
    make(recipe, lambda features: features * STRETCH + 1)
    one = split("per-corpus")
    values = {name: float(pair.difference.influence.value) for name, pair in one.parts.items()}
    assert sum(values[name] for name in gap.SUMMED) == pytest.approx(values["drop"], abs=1e-12)
    assert {(pair.n, pair.speakers) for pair in one.parts.values()} == {(120, 60)}
    assert {"representation"} == set(gap.PARTS) - one.parts.keys()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Two corpora of one language and one of another; one encoder tuned in two ways on one of them."""
    root = tmp_path_factory.mktemp("made") / "toy"
    corpora = [Corpus("eins", "de"), Corpus("zwei", "de"), Corpus("one", "en")]
    encoder = Encoder("big", skill=0.75, languages=["de"])
    made = World(root, corpora, [encoder, Encoder("flat", 1, 0.6)], seeds=[0, 1]).write()
    made.write_condition(encoder, "linear", ["eins", "zwei"], "one")
    for test in ("eins", "one"):
        made.write_condition(encoder, "linear", ["eins"], test, normalise="per-corpus")
    made.write_tuned(encoder, "lora", ["one"], "one", params=9000, gain=0.1)
    made.write_tuned(encoder, "wg", ["one"], "one", params=500, gain=0.3)
    made.write_tuned(encoder, "head", ["one"], "one", params=90000)
    made.write_tuned(encoder, "lora", ["one"], "one", source=["eins"], params=9000, gain=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main([])
    return read_csv(root / "exp/gap.csv"), read_csv(root / "exp/results.csv")


def test_every_pair_has_every_part_and_levels_are_those_of_results(world) -> None:
    rows, results = world
    results = where(results, fold="all", layer="dev", stage="probe", normalise="train")
    ua = {(row["encoder"], row["train"], row["test"]): float(row["ua"]) for row in results}
    pairs = {key for key in ua if key[2] not in key[1].split("+")}
    single = [row for row in rows if row["train"] != "*"]
    assert {(row["encoder"], row["train"], row["test"]) for row in single} == pairs
    for encoder, train, test in pairs:
        own = {row["part"]: row for row in where(single, encoder=encoder, train=train, test=test)}
        assert list(own) == list(gap.PARTS)
        drop = own["drop"]
        levels = float(drop["before"]), float(drop["after"])
        assert levels == (pytest.approx(ua[encoder, train, test]), pytest.approx(ua[encoder, test, test]))
        added = sum(float(own[part]["value"] or 0) for part in gap.SUMMED)
        assert added == pytest.approx(float(drop["value"]), abs=3e-6)
        assert float(drop["lo"]) < float(drop["value"]) < float(drop["hi"])
        assert (drop["n"], drop["speakers"]) == ("160", "8")


def test_what_was_not_run_is_empty_and_says_so(world) -> None:
    rows, _ = world
    (shift,) = where(rows, encoder="flat", train="eins", test="one", part="shift")
    assert shift["value"] == "" and "in concept" in shift["missing"]
    (shift,) = where(rows, encoder="big", train="eins", test="one", part="shift")
    assert (shift["via"], shift["missing"]) == ("per-corpus", "") and shift["value"]
    for row in where(rows, part="representation", encoder="big"):
        # The one that trains most, whatever the test says of the others.
        tuned = row["test"] == "one" or (row["train"], row["languages"], row["via"]) in {("*", "other", "")}
        assert (row["tuned"], bool(row["value"])) == (("lora", True) if tuned else ("", False))


def test_means_are_apart_by_language_and_add_up(world) -> None:
    rows, _ = world
    means = where(rows, train="*", encoder="flat")
    assert {(row["languages"], row["pairs"]) for row in means} >= {("same", "2"), ("other", "4")}
    for languages, tests in (("same", {"eins", "zwei"}), ("other", {"eins", "zwei", "one"})):
        own = {row["part"]: float(row["value"] or 0) for row in where(means, languages=languages)}
        assert sum(own[part] for part in gap.SUMMED) == pytest.approx(own["drop"], abs=3e-6)
        single = [r for r in where(rows, encoder="flat", part="drop", languages=languages) if r["test"] in tests]
        assert own["drop"] == pytest.approx(np.mean([float(row["value"]) for row in single]), abs=2e-6)
