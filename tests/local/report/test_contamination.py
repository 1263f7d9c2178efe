"""What an encoder has heard is marked in three ways, and encoders are ranked with and without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.local.report.page import Page, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, Encoder, small_world

ENCODERS = [
    Encoder("plain", 1, 0.8, pretrained_on=["uno"]), Encoder("taught", 1, 0.95, finetuned_on=["uno", "else"]),
    Encoder("dark", 1, 0.9, unlisted=True, pretrained_on=["uno"]), Encoder("free", 1, 0.7),
]  # fmt: skip
MARKS = {  # of (train, test)
    "plain": {("uno", "uno"): "†", ("due", "uno"): "†", ("uno", "due"): "‡", ("due", "due"): ""},
    "taught": {("uno", "uno"): "★", ("due", "uno"): "★", ("uno", "due"): "‡", ("due", "due"): ""},
    "dark": {("uno", "uno"): "†", ("due", "uno"): "†", ("uno", "due"): "‡?", ("due", "due"): "?"},
    "free": {("uno", "uno"): "", ("due", "uno"): "", ("uno", "due"): "", ("due", "due"): ""},
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    corpora = [Corpus("uno", "it"), Corpus("due", "de")]
    world = small_world(tmp_path_factory.mktemp("heard") / "toy", corpora=corpora, encoders=ENCODERS)
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)


def test_three_marks(documents: tuple[str, Page]) -> None:
    text, page = documents
    found = {}
    for row in page.rows("all"):
        pair = tuple(row[side].partition(" ")[0] for side in ("train", "test"))
        found.setdefault(row["encoder"], {})[pair] = row["UA"].partition("]")[2]
    assert found == MARKS
    for key in ("all", "means", "conditions-linear"):
        assert "★ the encoder was taught the emotions of the test corpus, whichever folds test" in page.blocks[key]
        assert "? not all that the encoder was trained on is listed: it may have heard" in page.blocks[key]
    limits = section(text, "Limits")
    assert re.search(r"★ .*: `taught` heard uno\.", limits) and re.search(r"\? .*: `dark` may have heard due\.", limits)
    assert re.search(r"‡ .*: `plain` heard uno; `taught` heard uno; `dark` heard uno\.", limits)


def test_encoders_are_listed_with_what_they_heard(documents: tuple[str, Page]) -> None:
    _, page = documents
    assert {row["encoder"]: row["training heard"] for row in page.rows("encoders")} == {
        "plain": "uno", "taught": "uno with labels (and else with labels)", "dark": "uno, due perhaps", "free": "–",
    }  # fmt: skip


def test_they_are_ranked_with_and_without(documents: tuple[str, Page]) -> None:
    _, page = documents
    said = page.sections["encoders"]
    assert "Within corpora, taught★ has the highest UA (of 4 encoders, by test)" in said
    ranks = re.search(r"Within corpora, without what any .*?; nothing is left of dark: (.*?)\.\s[A-Z]", said, re.S)
    assert re.findall(r"(\w+) \d+\.\d \[", ranks[1]) == ["taught", "plain", "free"]
    means = {row["encoder"]: row for row in page.rows("means")}
    assert means["dark"]["within, unheard"] == "–"
    assert f"free {means['free']['within, unheard']}" in ranks[1]
    assert "Across corpora, without" not in said


def test_nothing_heard_nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = [Encoder("free"), Encoder("other")]
    world = small_world(tmp_path / "toy", corpora=[Corpus("uno", "it")], encoders=encoders)
    _, page = build(world, monkeypatch)
    assert "without what any encoder" not in page.sections["encoders"]
    assert "unheard" not in " ".join(page.tables["means"][0])
