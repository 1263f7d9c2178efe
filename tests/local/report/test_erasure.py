"""Speaker erasure on the page: what stage 5 says, beside what the heads lost."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from local import experiment
from local.report import inputs
from tests.local.report.page import Page, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import World, read_csv, small_world, where
from tests.local.score.test_erasure import erased_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return erased_world(tmp_path_factory.mktemp("made") / "toy")


@pytest.fixture(scope="module")
def page(world: World) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch, draw=("erasure",))[1]


def test_a_row_a_condition_with_what_is_left_and_the_controls(world: World, page: Page) -> None:
    rows = page.rows("erasure")
    assert len(rows) == 2 * 4
    tests = where(read_csv(world.root / "exp/significance.csv"), family="erase, probe")
    for row in rows:
        assert (row["iterations"], row["rank"]) == ("2", "6.0")
        assert [row[name] for name in ("known speakers", "known, erased", "known, LEACE")] == ["80.0", "25.0", "25.0"]
        assert row["known, chance"] == "20.0 (≤ 30.0)" and row["tested, chance"] == "50.0 (≤ 70.0)"
        assert [row[f"emotion, {name}"] for name in ("erased", "random", "LEACE")] == [
            "45.0",
            "61.5 [60.1, 62.9]",
            "50.0",
        ]
        place = {key: row[f"{key}ed on"].split(" ")[0] for key in ("train", "test")}
        (test,) = where(tests, a=f"{row['encoder']}.linear", b=f"{row['encoder']}.linear.erase=inlp", **place)
        shown = [-100 * float(test[key]) for key in ("diff", "hi", "lo")]
        assert row["erased − not"] == f"{shown[0]:.1f} [{shown[1]:.1f}, {shown[2]:.1f}]"
        assert row["p Holm"] and row["erased − random"]


def test_the_figure_is_there_and_nothing_of_it_where_nothing_is_erased(page: Page, tmp_path: Path) -> None:
    assert any("erasure" in name for name in page.ids)
    assert any("Speakers and emotions as speakers are erased" in text for text in page.pictures)
    with pytest.MonkeyPatch.context() as patch:
        plain = build(small_world(tmp_path / "toy"), patch, draw=("erasure",))[1]
    assert "erasure" not in plain.tables and "table-erasure" not in plain.ids and "figure-erasure" not in plain.ids


def test_the_answer_says_what_erasure_costs_beside_its_controls(world: World, page: Page) -> None:
    answer = section((world.root / "RESULTS.md").read_text(), "Answer")
    (said,) = [line for line in answer.split("- ") if line.startswith("**Speakers erased**")]
    means = {row["system"]: row for row in where(read_csv(world.root / "exp/summary.csv"), group="within", layer="dev")}
    encoder = said.split("`")[1].split(",")[0]
    for words, system in (("UA", ""), ("by INLP", ".erase=inlp"), ("at random", ".erase=random")):
        row = means[f"{encoder}.linear{system}"]
        assert f"{words} {100 * float(row['ua']):.1f} [" in " ".join(said.split())


def test_a_control_is_never_what_dev_prefers(
    world: World, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.root)
    config = experiment.load(argparse.Namespace(config=Path("conf/experiment.yaml"), overrides=[]))
    read = inputs.load("toy", config)
    results = [replace(one, dev_ua=0.99 if one.control else one.dev_ua) for one in read.results]
    found = replace(read, results=results)
    assert {one.factors["erase"] for one in results if one.control} >= {"inlp", "random"}
    assert max(found.systems, key=lambda system: found.dev_ua([system], "within")).method != "linear"
    assert found.preferred(found.systems, "within").method == "linear"
    assert found.eligible([system.method for system in found.systems]) == ["linear", "linear"]
