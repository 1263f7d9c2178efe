"""What losses gain over cross entropy, and what they do to representations: tables of stage 5."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from local.representation.measures import MEASURES
from local.representation.records import COLUMNS
from local.score import collect
from local.score.representation import interval
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

USUAL = {"select": "languages", "sampler": "cells"}
PLAIN = "big.aligned.select=languages.sampler=cells"
FULL = "big.aligned.select=languages.loss=supcon+grl.sampler=cells"


def write_representation(path: Path, gain: float) -> None:
    """Three folds and two seeds, in which losses gain something of emotion, and as much less of speakers."""
    rows = []
    for fold in range(3):
        told = {"emotion_target": 0.4 + 0.1 * fold, "speaker": 0.9, "alignment": ""}
        rows.append({"fold": fold, "side": "input", "seed": ""} | told)
        for seed in range(2):
            told = {"emotion_target": 0.5 + 0.1 * fold + gain, "speaker": 0.8 - gain + 0.02 * seed}
            rows.append({"fold": fold, "side": "hidden", "seed": seed} | told)
    with open(path / "representation.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS["representation.csv"])
        writer.writeheader()
        writer.writerows(dict.fromkeys(MEASURES, 0.5) | {"layer": 1, "speaker_chance": 0.25} | row for row in rows)
    with open(path / "points.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS["points.csv"])
        for side in ("input", "hidden"):
            for number in range(8):
                writer.writerow([side, 1, f"u{number}", f"s{number}", "it", "sad", number / 8, gain, 0.5])


def ablated_world(root: Path) -> World:
    """Each of three corpora in turn unheard; losses, another sampler and another scaling; a corpus's own labels."""
    corpora = [Corpus("uno", "it"), Corpus("due", "de", speakers=6), Corpus("tre", "fr")]
    alone = [([corpus.name], corpus.name) for corpus in corpora]
    world = World(root, corpora, [Encoder("big", 2, 0.8)], heads=["aligned"], pairs=alone).write()
    (encoder,) = world.encoders
    names = [corpus.name for corpus in corpora]
    others = [([name for name in names if name != test], test) for test in names]
    ways = [{}, {"loss": "supcon"}, {"loss": "supcon+grl"}, {"sampler": ""}, {"normalise": "per-corpus"}]
    ways.append({"loss": "supcon", "normalise": "per-corpus"})  # two things at once
    for train, test in others:
        for way in ways:
            own = {name: value for name, value in (USUAL | way).items() if value}
            path = world.write_condition(encoder, "aligned", train, test, **own)
            write_representation(path, 0.1 * way.get("loss", "").count("+"))
        world.write_condition(encoder, "aligned", [test], test, sampler="cells")
        for loss in ({}, {"loss": "supcon+grl"}):
            path = world.write_tuned(encoder, "lora", train, test, sampler="cells", **loss)
            if test == "tre":
                write_representation(path, 0.05 if loss else 0.0)
    return world


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = ablated_world(tmp_path_factory.mktemp("made") / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        collect.main([])
    return world.root / "exp"


def test_every_way_stands_beside_cross_entropy_alone(exp: Path) -> None:
    rows = read_csv(exp / "ablation.csv")
    means = where(rows, test="*", stage="probe", b=PLAIN)
    ways = [("loss", "supcon"), ("loss", "supcon+grl"), ("normalise", "per-corpus"), ("sampler", "plain")]
    assert sorted((row["factor"], row["value"]) for row in means) == sorted([*ways, ("train", "")])
    assert {row["family"] for row in means} == {"ablation means"} and {row["train"] for row in means} == {"*"}
    # And what is scaled otherwise has losses of its own to be compared with its own cross entropy.
    scaled = [row for row in where(rows, stage="probe", test="*") if row["b"] != PLAIN]
    assert [(row["value"], row["b"].count("per-corpus")) for row in scaled] == [("supcon", 1)]
    assert {(r["factor"], r["value"]) for r in where(rows, stage="finetune")} == {("loss", "supcon+grl")}
    assert {row["b"] for row in where(rows, stage="finetune")} == {"big.lora.sampler=cells"}


def test_differences_are_of_what_the_two_reach(exp: Path) -> None:
    results = where(read_csv(exp / "results.csv"), fold="all", layer="dev", test="due", stage="probe")
    reached = {row["system"]: float(row["ua"]) for row in results}
    rows = where(read_csv(exp / "ablation.csv"), test="due", b=PLAIN)
    assert len(rows) == 5
    for row in rows:
        assert float(row["diff"]) == pytest.approx(reached[row["a"]] - reached[PLAIN], abs=1e-5)
        assert float(row["lo"]) < float(row["diff"]) < float(row["hi"]) and int(row["speakers"]) == 6
        assert row["q"] and row["p_holm"] and row["detectable_family"]
    (own,) = where(rows, factor="train")
    assert own["train"] == "uno+tre" and own["a"] == "big.aligned.sampler=cells"
    (mean,) = where(read_csv(exp / "ablation.csv"), test="*", a=FULL)
    singles = [float(row["diff"]) for row in where(read_csv(exp / "ablation.csv"), a=FULL) if row["test"] != "*"]
    assert float(mean["diff"]) == pytest.approx(sum(singles) / 3, abs=1e-5) and mean["speakers"] == "22"


def test_representations_are_averaged_over_seeds_folds_and_corpora(exp: Path) -> None:
    rows = read_csv(exp / "representation.csv")
    (one,) = where(rows, system=FULL, test="uno", side="hidden", measure="emotion_target")
    half = stats.t.ppf(0.975, 2) * 0.1 / 3**0.5
    shown = [float(one[f"value{end}"]) for end in ("", "_lo", "_hi")]
    assert shown == pytest.approx([0.7, 0.7 - half, 0.7 + half], abs=1e-5)
    # Every fold gains as much, so that nothing is left to chance.
    assert [float(one[f"from_input{end}"]) for end in ("", "_lo", "_hi")] == pytest.approx([0.2] * 3)
    assert [float(one[f"from_ce{end}"]) for end in ("", "_lo", "_hi")] == pytest.approx([0.1] * 3)
    (heard,) = where(rows, system=FULL, test="*", side="hidden", measure="speaker")
    assert float(heard["value"]) == pytest.approx(0.71) and float(heard["from_ce"]) == pytest.approx(-0.1)
    assert (heard["conditions"], heard["folds"], heard["seeds"], float(heard["chance"])) == ("3", "9", "2", 0.25)
    (empty,) = where(rows, system=FULL, test="*", side="input", measure="alignment")
    assert empty["value"] == empty["from_input"] == ""
    assert not [row for row in rows if row["system"] == PLAIN and row["from_ce"]]
    assert len(where(read_csv(exp / "points.csv"), system=FULL, test="tre", side="hidden")) == 8


def test_tuned_encoders_have_rows_of_their_own(exp: Path) -> None:
    rows = where(read_csv(exp / "representation.csv"), stage="finetune", measure="emotion_target")
    assert {(row["test"], row["system"].split(".")[1]) for row in rows} == {("tre", "lora")} and len(rows) == 4
    (one,) = where(rows, side="hidden", loss="supcon+grl")
    assert [float(one[name]) for name in ("value", "from_input", "from_ce")] == pytest.approx([0.65, 0.15, 0.05])


def test_intervals_of_means_over_corpora_know_how_each_varies() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 5.0])
    value, low, high = interval([first, second], 0.95)
    assert value == 3.5 and high - value == pytest.approx(stats.t.ppf(0.975, 2) * (1 / 3 / 4) ** 0.5)
    assert low == pytest.approx(2 * value - high)
    wide = interval([first, first + 1], 0.95)
    assert wide[2] - wide[1] == pytest.approx(2 * stats.t.ppf(0.975, 4) * (2 / 3 / 4) ** 0.5)
    assert np.isnan(interval([np.array([np.nan])], 0.95)).all() and np.isnan(interval([np.array([1.0])], 0.95)[1])
