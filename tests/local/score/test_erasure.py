"""Curves of erasure are averaged over folds, layers and draws."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

CHANCE = {"seen_chance": 0.2, "seen_high": 0.3, "unseen_chance": 0.5, "unseen_high": 0.7}


def write_curves(path: Path) -> None:
    """Two folds: the first is at chance after one iteration, the second after two; three random draws."""
    rows = []

    def add(fold: int, kind: str, draw: int, iteration: int, rank: int, seen: float, unseen: object, ua: float) -> None:
        made = {"fold": fold, "layer": 1, "kind": kind, "draw": draw, "iteration": iteration, "rank": rank}
        rows.append(made | {"seen": seen, "unseen": unseen, "emotion": ua} | CHANCE)

    for fold, seen in enumerate(((0.9, 0.2), (0.7, 0.5, 0.3))):
        unseen = 0.8 if fold else ""  # one speaker in the first fold's test list
        for iteration, value in enumerate(seen):
            add(fold, "inlp", 0, iteration, 4 * iteration, value, unseen, 0.6 - 0.1 * iteration)
            for draw in range(3):
                ua = 0.6 + 0.01 * draw * iteration
                add(fold, "random", draw, iteration, 4 * iteration, seen[0], unseen, ua)
        for kind in ("emotion", "leace"):
            add(fold, kind, 0, 0, 0, seen[0], unseen, 0.6)
            add(fold, kind, 0, 1, 3, 0.25, unseen, 0.5)
    with open(path / "erasure.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def erased_world(root: Path) -> World:
    """Each condition as it is, erased by INLP, and with as much erased at random."""
    world = World(root, [Corpus("uno", "it"), Corpus("due", "de")], [Encoder("big", 2, 0.9), Encoder("flat", 1, 0.6)])
    world.write()
    for encoder in world.encoders:
        for train, test in world.all_pairs():
            for value in ("inlp", "random"):
                path = world.write_condition(encoder, "linear", train, test, erase=value)
                if value == "inlp":
                    write_curves(path)
    return world


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = erased_world(tmp_path_factory.mktemp("made") / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        collect.main([])
    return world.root / "exp"


def test_folds_that_are_done_stay_as_they_are(exp: Path) -> None:
    rows = where(read_csv(exp / "erasure.csv"), system="big.linear.erase=inlp", train="uno", test="due", kind="inlp")
    assert [row["iteration"] for row in rows] == ["0", "1", "2"]
    assert [float(row["rank"]) for row in rows] == [0, 4, 6]
    assert [float(row["seen"]) for row in rows] == pytest.approx([0.8, 0.35, 0.25])
    assert [float(row["emotion"]) for row in rows] == pytest.approx([0.6, 0.5, 0.45])
    assert [float(row["unseen"]) for row in rows] == [0.8] * 3  # of the fold that has any
    assert [float(row["done"]) for row in rows] == [0, 0.5, 1]
    assert {row["emotion_lo"] for row in rows} == {""} and {row["folds"] for row in rows} == {"2"}


def test_random_draws_have_a_band(exp: Path) -> None:
    rows = where(read_csv(exp / "erasure.csv"), system="flat.linear.erase=inlp", train="due", test="due", kind="random")
    last = {key: float(rows[-1][f"emotion{key}"]) for key in ("", "_lo", "_hi")}
    # Draws differ by 0.01 in the first fold and 0.02 in the second; 2.5% of the way from the lowest to the middle one.
    assert last == pytest.approx({"": 0.615, "_lo": 0.6 + 0.05 * 0.015, "_hi": 0.63 - 0.05 * 0.015})
    assert {row["draws"] for row in rows} == {"3"}


def test_conditions_that_differ_in_erasure_alone_are_compared(exp: Path) -> None:
    rows = where(read_csv(exp / "significance.csv"), family="erase, probe", train="uno", test="due")
    pairs = {(row["a"], row["b"]) for row in rows if row["a"].startswith("big")}
    plain, inlp, drawn = (f"big.linear{own}" for own in ("", ".erase=inlp", ".erase=random"))
    assert pairs == {(plain, inlp), (plain, drawn), (inlp, drawn)}
    assert len(read_csv(exp / "erasure.csv")) == 2 * 4 * (3 + 3 + 2 + 2)
