"""Encoders side by side in the report: a layer is called by the layers of both."""

from __future__ import annotations

import re

import pytest

from local import encoders
from local.report.figures import layers
from local.report.material import NO_EARS, baseline
from tests.local.report.page import Page
from tests.local.report.test_make import build
from tests.local.report.test_tuned import read
from tests.local.score.synthetic import Corpus, Encoder, World, small_world

ENCODERS = [
    Encoder("big", 3, 0.8), Encoder("flat", 1, 0.7), Encoder("deep", 2, 0.7), Encoder("big+flat", 3, 0.85),
    Encoder("big+deep", 6, 0.85),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    corpora = [Corpus("uno", "it"), Corpus("due", "de")]
    return small_world(tmp_path_factory.mktemp("fused") / "toy", corpora=corpora, encoders=ENCODERS)


@pytest.fixture(scope="module")
def page(world: World) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)[1]


def test_layers_are_named_in_words(page: Page) -> None:
    for row in page.rows("all"):
        pattern = {"big+flat": r"big [0-2] \+ flat 0", "big+deep": r"big [0-2] \+ deep [01]"}.get(row["encoder"], r"\d")
        assert re.fullmatch(rf"{pattern}( \(\d\), {pattern})*( \(\d\))?", row["layers"])
    shown = {row["encoder"]: row for row in page.rows("selected")}
    assert shown["big+deep"]["last layer"] == "big 2 + deep 1" and shown["big+deep"]["median"] == "–"
    assert shown["big"]["last layer"] == "2" and shown["big"]["median"] != "–"
    assert [row["layer"] for row in page.rows("layers") if row["encoder"] == "big+flat"] == [
        "big 0 + flat 0", "big 1 + flat 0", "big 2 + flat 0",
    ]  # fmt: skip
    notes = {row["encoder"]: row["what it is"] for row in page.rows("encoders")}
    assert notes["big+deep"] == "the features of big and deep, side by side"


def test_of_two_with_layers_no_curve_is_drawn(world: World, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.root)
    content = read()
    assert {figure.name for figure in layers.details(content)} == {"layers_big", "layers_deep", "layers_big+flat"}
    assert "`flat`: one layer" in next(layers.means(content)).caption


@pytest.mark.parametrize(
    ("name", "kind"),
    [("logmel+duration", f"log-mel + {NO_EARS}"), ("level+duration", NO_EARS), ("mini+logmel", ""),
     ("mini_random+logmel", "random weights + log-mel")],
)  # fmt: skip
def test_what_is_made_of_baselines_is_one(name: str, kind: str) -> None:
    assert baseline(encoders.spec(name)) == kind
