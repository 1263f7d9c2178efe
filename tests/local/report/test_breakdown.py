"""Who and what systems fail on, as the page shows it: the numbers of stage 5's files, and a figure of posteriors."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.report.figures import reliability
from tests.local.report.page import Page
from tests.local.report.test_make import build, percent
from tests.local.report.test_tuned import read
from tests.local.score.spoken import spoken_world
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    encoders = [Encoder("big", 3, 0.85, ["it"], ["uno"]), Encoder("flat", 1, 0.6)]
    return spoken_world(tmp_path_factory.mktemp("made") / "toy", encoders=encoders, heads=["linear", "mlp"])


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch, draw=("reliability",))


def name(row: dict[str, str]) -> str:
    return row["system"].rstrip("†‡").replace(", ", ".")


def test_halves_stand_beside_their_difference(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    rows = read_csv(world.root / "exp/breakdown.csv")
    for by, columns in (("gender", ("women", "men")), ("sentence", ("heard", "unheard"))):
        shown = page.rows(f"by-{by}")
        assert len(shown) == len(where(rows, by=by, what="difference"))
        for row in shown:
            train, test = (row[key].split(" ")[0] for key in ("train", "test"))
            place = {"train": train, "test": test, "setting": "mono"}
            if train == "all":
                place = {"train": "*", "test": "*", "setting": row["train"].split(" ")[1]}
            else:
                del place["setting"]
            own = where(rows, by=by, system=name(row), **place)
            assert [row[column] for column in columns] == [percent(half, "value", "lo", "hi") for half in own[:2]]
            value, low, high = (f"{100 * float(own[2][key]):+.1f}" for key in ("value", "lo", "hi"))
            assert row["difference"] == f"{value} [{low}, {high}]"
            assert (row["tests"], row["n"]) == (own[2]["family_size"], f"{own[0]['n']} + {own[1]['n']}")
    # What the encoder has heard is marked here too.
    assert any(row["system"].startswith("big") and row["system"].endswith("†") for row in shown)


def test_the_worst_speaker_stands_beside_chance(world: World, documents: tuple[str, Page]) -> None:
    rows = where(read_csv(world.root / "exp/breakdown.csv"), by="speaker")
    shown = documents[1].rows("by-speaker")
    assert len(shown) == 16
    for row in shown:
        place = {key: row[key].split(" ")[0] for key in ("train", "test")}
        lowest = where(rows, what="lowest", system=name(row), **place)[0]
        assert (row["worst"], row["n"]) == (lowest["group"], lowest["n"])
        for column, key in (("lowest", "value"), ("lowest by chance", "chance")):
            assert row[column] == f"{100 * float(lowest[key]):.1f}"


def test_calibration_and_mixed_models_are_shown(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    rows = read_csv(world.root / "exp/calibration.csv")
    shown = page.rows("calibration")
    assert len(shown) == len(rows) == 16
    for row, own in zip(shown, rows, strict=True):
        assert row["ECE"] == percent(own, "ece", "ece_lo", "ece_hi")
        assert row["Brier"] == percent(own, "brier", "brier_lo", "brier_hi")
        assert row["calibrated"] == f"{100 * float(own['ece_chance']):.1f}"
    mixed = page.rows("mixed")
    assert len(mixed) == 4 and {row["corpora"] for row in mixed} == {"fixed"}
    for row in mixed:
        values = [float(row[column].split(" ")[0]) for column in ("these", "a − b")]
        assert values[0] == pytest.approx(values[1], abs=0.5)
    assert page.sections["who-it-fails-on"].count("Who it fails on: ") == 1


def test_languages_are_a_column_each(documents: tuple[str, Page]) -> None:
    header, *body = documents[1].tables["by-language"]
    assert header == ["system", "conditions", "it", "de"] and len(body) == 8


def test_the_figure_shows_what_dev_chose_of_each_encoder(
    world: World, documents: tuple[str, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.root)
    content = read()
    figure = next(reliability.diagrams(content))
    drawing = figure.draw()
    titles = [axes.get_title() for axes in drawing.axes]
    expected = [
        max((s for s in content.systems if s.encoder == encoder), key=lambda s: content.dev_ua([s], "within"))
        for encoder in ("big", "flat")
    ]
    assert titles == [content.name(system) for system in expected]
    for axes, system in zip(drawing.axes, expected, strict=True):
        points = [tuple(point) for collection in axes.collections for point in collection.get_offsets()]
        bins = [own for group in ("within", "across") for own in content.failures.bins[system, group]]
        assert points == [(pytest.approx(100 * own.confidence), pytest.approx(100 * own.accuracy)) for own in bins]
    assert (world.root / "exp/report/reliability.pdf").is_file()


def test_without_facts_there_are_no_tables_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = spoken_world(tmp_path, corpora=[Corpus("uno", "it", speakers=1, each=20)], encoders=[Encoder("big", 3)])
    _, page = build(world, monkeypatch)
    assert {key for key in page.tables if key.startswith("by-")} == {"by-sentence"} and "calibration" in page.tables
    assert "Who it fails on: " not in page.sections["who-it-fails-on"]
