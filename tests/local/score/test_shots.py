"""Is a source worth anything beside few utterances of the test corpus: what is compared with what."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

SIZES, DRAWS = (10, 50), 4
# Chance to be right of ten and fifty shots: beside a source, and alone.
SKILLS = {"beside": (0.75, 0.8), "alone": (0.45, 0.8)}


def write(root: Path) -> World:
    """Two German corpora and an English one; a source helps ten utterances, and not fifty."""
    encoder = Encoder("plain", layers=3, skill=0.6)
    names = {"eins": "de", "zwei": "de", "one": "en"}
    corpora = [Corpus(name, language, speakers=12, each=8) for name, language in names.items()]
    world = World(root, corpora, [encoder], heads=["logreg"], score={"permutations": 5000}).write()
    world.seeds = list(range(DRAWS))
    for place, k in enumerate(SIZES):
        for train, test in world.all_pairs():
            skill = SKILLS["alone" if train == [test] else "beside"][place]
            # What make-believe conditions across languages lose, shots bring back.
            skill += 0.25 * (names[train[0]] != names[test])
            world.write_condition(dataclasses.replace(encoder, skill=skill), "logreg", train, test, shots=k)
    world.seeds = [0]
    return world


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = write(tmp_path_factory.mktemp("made") / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        collect.main([])
    return world.root


def test_every_source_is_compared_with_none_on_the_same_shots(made: Path) -> None:
    rows = read_csv(made / "exp/shots.csv")
    pairs = [(a, b) for a in ("eins", "zwei", "one") for b in ("eins", "zwei", "one") if a != b]
    found = where(rows, family="shots plain.logreg")
    assert sorted((row["train"], row["test"], row["shots"]) for row in found) == sorted(
        (*pair, str(k)) for pair in pairs for k in SIZES
    )
    headlines = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev")
    ua = {(row["train"], row["test"], row["shots"]): float(row["ua"]) for row in headlines}
    for row in found:
        beside, alone = (ua[train, row["test"], row["shots"]] for train in (row["train"], row["test"]))
        assert (float(row["ua_a"]), float(row["ua_b"])) == (pytest.approx(beside), pytest.approx(alone))
        assert float(row["lo"]) < float(row["diff"]) < float(row["hi"])
        assert row["family_size"] == "12"
    # What was made so is found: a source is worth something to ten utterances, in every pair, and to fifty in none.
    ten, fifty = ([float(row["p_holm"]) < 0.05 for row in where(found, shots=str(k))] for k in SIZES)
    assert all(ten) and not any(fifty)


def test_pairs_are_averaged_over_all_and_by_language(made: Path) -> None:
    rows = read_csv(made / "exp/shots.csv")
    single = {(r["train"], r["test"], r["shots"]): float(r["diff"]) for r in where(rows, family="shots plain.logreg")}
    languages = where(rows, family="shots plain.logreg, languages")
    assert {(row["train"], row["test"]) for row in languages} == {("de", "en"), ("en", "de")}
    for row in languages:
        own = [("eins", "one"), ("zwei", "one")] if row["train"] == "de" else [("one", "eins"), ("one", "zwei")]
        assert float(row["diff"]) == pytest.approx(np.mean([single[(*pair, row["shots"])] for pair in own]), abs=2e-6)
    for row in where(rows, family="shots means"):
        every = [value for key, value in single.items() if key[2] == row["shots"]]
        assert float(row["diff"]) == pytest.approx(np.mean(every), abs=2e-6)
        assert row["speakers"] == "36"


def test_draws_are_runs_of_an_interval(made: Path) -> None:
    headlines = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev")
    for row in headlines:
        assert (float(row["seed_sd"]) > 0) if row["shots"] != "0" else row["seed_sd"] == ""


def test_numbers_of_shots_are_compared_with_none_alone_and_are_in_no_other_table(made: Path) -> None:
    rows = read_csv(made / "exp/significance.csv")
    sides = {(row["a"], row["b"]) for row in rows}
    assert sides == {("plain.logreg", f"plain.logreg.shots={k}") for k in SIZES}
    for name in ("breakdown.csv", "calibration.csv", "mixed.csv"):
        assert not any("shots" in value for row in read_csv(made / "exp" / name) for value in row.values() if value)
    assert not [row for row in where(read_csv(made / "exp/summary.csv"), group="drop") if row["shots"] != "0"]
