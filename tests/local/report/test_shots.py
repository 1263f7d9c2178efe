"""Few shots on the page: a section of their own, and nothing of them anywhere else."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local import experiment
from local.report import inputs as reader
from local.report.figures import shots as figures
from local.report.tables import shots as tables
from local.score import collect
from tests.local.report.page import Page
from tests.local.report.test_make import build
from tests.local.score import test_shots
from tests.local.score.synthetic import World
from utils.errors import UserError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return test_shots.write(tmp_path_factory.mktemp("made") / "toy")


@pytest.fixture(scope="module")
def page(world: World) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch, draw=("shots",))[1]


def load(world: World, monkeypatch: pytest.MonkeyPatch) -> reader.Inputs:
    monkeypatch.chdir(world.root)
    arguments = argparse.Namespace(config=Path("conf/experiment.yaml"), overrides=[])
    return reader.load("toy", experiment.load(arguments))


def test_a_source_helps_up_to_as_many_as_it_was_made_to(page: Page, world: World, monkeypatch) -> None:
    found = load(world, monkeypatch)
    table = tables.until(found)
    assert table.header == ["encoder", "head", "trained on", "tested on", "10", "50", "helps up to"]
    rows = {tuple(cell.text for cell in row[:4]): row for row in table.rows}
    assert rows["plain", "logreg", "eins", "one"][-1].text == "10"
    assert rows["plain", "logreg", "mean", "all pairs"][-1].text == "10"
    assert rows["plain", "logreg", "de", "en"][-1].text == "10"
    ten, fifty = rows["plain", "logreg", "eins", "one"][4:6]
    assert ten.best and not fifty.best and 20 < float(ten.text) < 40
    assert len(tables.table(found).rows) == 2 * (6 + 2 + 1)
    (sentence,) = tables.sentences(found)
    assert "a source helps up to 10 utterances" in sentence and "in 6 of 6, up to 10." in sentence
    assert len(sentence.split()) <= 60


def test_curves_begin_at_the_source_and_end_below_the_whole_train_list(world: World, page: Page, monkeypatch) -> None:
    found = load(world, monkeypatch)
    beside, alone, ceiling = figures._curves(found, found.few, ("eins",), "one")
    assert list(beside) == [0, 10, 50] and list(alone) == [10, 50]
    assert beside[0] == found.result(found.systems[0], ("eins",), "one").headline
    assert ceiling == found.result(found.systems[0], ("one",), "one").headline.ua
    assert [figure.name for figure in figures.curves(found)] == ["shots"]


def test_the_page_has_them_in_their_section_alone(page: Page, world: World, monkeypatch) -> None:
    own = page.sections["few-shots"]
    assert "Up to how many shots does a source help?" in own and "Few shots, with a source and alone" in own
    assert not [text for name, text in page.sections.items() if name != "few-shots" and "10 shots" in text]
    found = load(world, monkeypatch)
    assert {system.method for system in found.systems} == {"logreg"} and found.seeds == 1
    assert not found.comparisons
    assert {(system.method, group) for system, group in found.means} == {
        ("logreg", group) for group in ("within", "across", "drop")
    }


def test_shots_without_what_they_start_from_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = test_shots.write(tmp_path / "toy")
    world.ask(lambda entry: entry.factors.get("shots"))
    monkeypatch.chdir(world.root)
    collect.main([])
    with pytest.raises(UserError, match="holds nothing without shots to start from; put 0 among"):
        load(world, monkeypatch)
