"""What hearing the tested speakers is worth, and EmoBox's figures beside ours."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from tests.local.report.page import Page, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import Encoder, World, read_csv, small_world, where
from utils.errors import UserError

APART, MIXED = "speaker", "speaker+mixed"


def box(world: World, rows: str) -> None:
    """Say that EmoBox has a corpus, and what it published."""
    path = world.root / "conf/corpora.yaml"
    registry = yaml.safe_load(path.read_text())
    registry["uno"]["emobox"] = "one"
    path.write_text(yaml.safe_dump(registry))
    (world.root / "conf/emobox.csv").write_text(f"# A paper,\n# table 4\ndataset,encoder,ua,emotions,shared\n{rows}")


def world_of(root: Path, other: str) -> World:
    """Within two corpora, folds of speakers beside others with which the encoders do much better."""
    world = small_world(root, pairs=[(["uno"], "uno"), (["zwei"], "zwei")])
    for encoder in world.encoders:
        better = dataclasses.replace(encoder, skill=encoder.skill + 0.15)
        for train, test in world.all_pairs():
            world.write_condition(better, "linear", train, test, split=other)
    return world


def _text(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, World]:
    world = world_of(tmp_path_factory.mktemp("made") / "toy", MIXED)
    box(world, "one,big,80.0,4,3 of 4\none,Their own,90.5,7,3 of 4\nother,big,1.0,4,0 of 1\n")
    with pytest.MonkeyPatch.context() as patch:
        return *build(world, patch), world


def test_mixed_stands_beside_apart_as_stage_5_compares_them(documents: tuple[str, Page, World]) -> None:
    _, page, world = documents
    tests = [
        row for row in read_csv(world.root / "exp/significance.csv")
        if {row["a"].partition(".")[0], row["b"].partition(".")[0]} in ({"big"}, {"flat"})
    ]  # fmt: skip
    rows = page.rows("heard")
    assert len(rows) == len(tests) == 2 * (2 + 1)
    for row in rows:
        test = row["tested on"].split(" ")[0] if " (" in row["tested on"] else "*"
        own = [one for one in tests if one["test"] == test and one["a"].startswith(row["encoder"])]
        assert len(own) == 1
        sign = -1 if own[0]["b"].endswith(MIXED) else 1
        ends = [sign * 100 * float(own[0][key]) for key in ("diff", "lo", "hi")]
        low, high = sorted(ends[1:])
        assert row["worth"].rstrip("‖") == f"{ends[0]:.1f} [{low:.1f}, {high:.1f}]" and ends[0] > 0
        scores = [f"{100 * float(own[0][key]):.1f}" for key in ("ua_a", "ua_b")]
        assert [row["apart"], row["mixed"]] == scores[::-sign] and row["n"] == own[0]["n"]
    # A sentence a system, of the means.
    said = _text(page).split("To have heard the tested speakers in training is worth ")[1:]
    means = [row for row in rows if "conditions" in row["tested on"]]
    assert len(said) == len(means) == 2
    for words, row in zip(said, means, strict=True):
        assert words.startswith(f"{row['worth'].rstrip('‖')} points to {row['encoder']} (linear; mean over 2 ")


def test_what_was_heard_is_marked_and_never_the_headline(documents: tuple[str, Page, World]) -> None:
    text, page, world = documents
    results = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev", split=MIXED)
    assert all(row["UA"].endswith("‖") == ("mixed" in row["head"]) for row in page.rows("all")) and len(results) == 4
    mixed = [f"{100 * float(row['ua']):.1f} [" for row in results]
    assert not any(score in section(text, "Answer") for score in mixed)
    assert "split speaker+mixed" not in section(text, "Answer")


def test_figures_of_emobox_stand_beside_ours_and_are_subtracted_where_the_task_is_theirs(
    documents: tuple[str, Page, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = documents[1].rows("emobox")
    # Of the other corpus EmoBox has nothing; what EmoBox has not is below.
    assert [(row["encoder"], row["EmoBox"]) for row in rows] == [
        ("big", "80.0"), ("big", "80.0"), ("Their own", "90.5"), ("flat", "–"), ("flat", "–"),
    ]  # fmt: skip
    assert [row["folds"] for row in rows] == [APART, MIXED, "–", APART, MIXED]
    assert {row["ours − EmoBox"] for row in rows} == {"–"} and {row["heard"] for row in rows} == {"3 of 4"}
    world = world_of(tmp_path / "toy", "emobox")
    box(world, "one,big,80.0,4,0 of 4\none,flat,80.0,7,0 of 4\n")
    _, page = build(world, monkeypatch)
    assert "heard" not in page.tables and "A paper, table 4" in _text(page)
    results = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev", split="emobox", test="uno")
    ahead = {row["encoder"]: f"{100 * float(row['ua']) - 80:+.1f}" for row in results}
    found = {(row["encoder"], row["folds"]): row["ours − EmoBox"] for row in page.rows("emobox")}
    assert found == {
        ("big", APART): "–",
        ("big", "emobox"): ahead["big"],
        ("flat", APART): "–",
        ("flat", "emobox"): "–",
    }
    (world.root / "conf/emobox.csv").write_text("dataset,encoder,ua\n")
    with pytest.raises(UserError, match="there is no column 'emotions'"):
        build(world, monkeypatch)


def test_without_emobox_or_mixed_folds_there_is_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, page = build(small_world(tmp_path, encoders=[Encoder("big")]), monkeypatch)
    assert not {"heard", "emobox"} & page.tables.keys() and "Heard speakers" not in _text(page)
