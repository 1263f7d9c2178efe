"""What losses gain and what they do to representations, in RESULTS.md and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.report.page import Page, longest, markdown_table, paragraphs, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import World, read_csv, small_world, where
from tests.local.score.test_ablation import FULL, PLAIN, ablated_world

TITLE = "Zero-shot: what losses gain over cross entropy"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return ablated_world(tmp_path_factory.mktemp("made") / "toy")


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch, draw=("representation", "representation_tuned"))


def test_results_hold_one_table_of_all_ways(world: World, documents: tuple[str, Page]) -> None:
    header, *body = markdown_table(documents[0].split(f"## {TITLE}\n")[1].split("\n## ")[0])
    assert header == ["trained", "big, frozen", "big, frozen, standardised per-corpus", "big, tuned, lora"]
    ways = ["with supcon", "with supcon+grl", "batches as they come", "standardised per-corpus"]
    assert [row[0] for row in body] == ["cross entropy", *ways, "the target's own labels"]
    tests = read_csv(world.root / "exp/ablation.csv")
    (full,) = where(tests, test="*", a=FULL, b=PLAIN)
    ends = (f"{100 * float(full[name]):+.1f}" for name in ("diff", "lo", "hi"))
    seen = f"{100 * float(full['detectable_family']):.1f}"
    cells = dict(zip(header, next(row for row in body if row[0] == "with supcon+grl"), strict=True))
    assert cells["big, frozen"] == "{} [{}, {}], q {:.3f}, {}".format(*ends, float(full["q"]), seen)
    assert cells["big, tuned, lora"] != "–" and cells["big, frozen, standardised per-corpus"] == "–"
    assert "standardised per corpus, or adapted, uses audio of the target" in " ".join(documents[0].split())
    answers = section(documents[0], "Answer")
    assert "**Zero-shot**, `big`, frozen: with supcon+grl" in " ".join(answers.split())
    assert "the target's own labels give" in " ".join(answers.split())


def test_the_page_has_every_test_and_what_became_of_the_representation(
    world: World, documents: tuple[str, Page]
) -> None:
    page = documents[1]
    assert len(page.rows("ablation")) == len(read_csv(world.root / "exp/ablation.csv"))
    frozen = where(page.rows("representation"), **{"trained": "frozen", "tested on": "all, mean"})
    sides = [(row["side"], row["emotion, target"]) for row in frozen]
    # What is scaled otherwise is another input.
    assert [side for side, _ in sides if "input" in side] == ["input", "input, standardised per-corpus"]
    assert ("with supcon+grl", "70.0 [61.8, 78.2]") in sides  # 2.447 (0.1 / 3 ** 0.5) / 3 ** 0.5, 6 degrees of freedom
    changes = {row["hidden of"]: row for row in where(page.rows("representation-changes"), trained="frozen")}
    assert changes["cross entropy"]["less"] == "input"
    assert changes["with supcon+grl"]["speaker"].startswith("-10.0")
    assert any("Before and after: big, tested on uno" in text for text in page.pictures)


def test_tuned_encoders_stand_beside_frozen_ones_on_the_same_corpus(documents: tuple[str, Page]) -> None:
    page = documents[1]
    ways = ["cross entropy", "with supcon+grl"]
    shown = [(row["trained"], row["side"]) for row in page.rows("representation") if row["tested on"] != "all, mean"]
    frozen, tuned = (("frozen", side) for side in ("input", *ways)), (("tuned, lora", side) for side in ways)
    assert shown == [*frozen, ("tuned", "before tuning"), *tuned]
    changes = where(page.rows("representation-changes"), trained="tuned, lora")
    assert [(row["hidden of"], row["less"]) for row in changes] == [(ways[0], "before tuning"), (ways[1], ways[0])]
    assert changes[1]["emotion, target"].startswith("+5.0")
    assert any("Before and after tuning: big, lora, tested on tre" in text for text in page.pictures)


def test_sentences_can_be_read(documents: tuple[str, Page]) -> None:
    text, page = documents
    for prose in (paragraphs(text), page.prose):
        words, sentence = longest(prose)
        assert words <= 60, sentence
    assert text.count("\n") <= 120


def test_nothing_of_it_where_no_loss_is_compared(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        text, page = build(small_world(tmp_path / "toy"), patch)
    assert TITLE not in text and "ablation" not in page.tables and "representation" not in page.tables
