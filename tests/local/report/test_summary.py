"""RESULTS.md: systems beside baselines, in few lines and short sentences, with the numbers beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from local.report import make, published
from tests.local.report.page import Page, longest, markdown_table, paragraphs, section
from tests.local.report.test_make import build, percent
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, small_world, where


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small_world(
        tmp_path_factory.mktemp("made") / "toy",
        corpora=[Corpus("uno", "it"), Corpus("zwei", "de", speakers=10, synthetic=True)],
        encoders=[Encoder("big", 4, 0.85, ["it"], ["uno"]), Encoder("flat", 1, 0.7, init="random")],
        heads=["linear", "mlp"],
    )


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)


def test_the_headlines_set_systems_beside_baselines(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    header, *body = markdown_table(text)
    assert [header, *body] == page.tables["headline"]
    headlines = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    trained = [row for row in headlines if row["train"] == row["test"]]
    dev = {head: np.mean([float(row["dev_ua"]) for row in where(trained, method=head)]) for head in ("linear", "mlp")}
    head = max(dev, key=dev.get)
    summary = where(read_csv(world.root / "exp/summary.csv"), layer="dev", method=head)
    found = {(row[0], row[1]): dict(zip(header, row, strict=True)) for row in body}
    assert list(found) == [
        ("UA within (2)", "big"), ("UA within (2)", "flat"), ("UA across (2)", "big"), ("UA across (2)", "flat"),
    ]  # fmt: skip
    for (measure, encoder), row in found.items():
        group = measure.split(" ")[1]
        (own,) = where(summary, group=group, encoder=encoder)
        assert row["score"].rstrip("†‡‖") == percent(own, "ua", "ua_lo", "ua_hi")
        assert row["kind"] == ("system" if encoder == "big" else "baseline: random weights")
        assert (row["than"], row["q"] == "–") == (("flat", False) if encoder == "big" else ("–", True))
    for group in ("within", "across"):
        (test,) = where(
            read_csv(world.root / "exp/significance.csv"), train="*", setting=group, a=f"big.{head}", b=f"flat.{head}"
        )
        ahead, low, high = (f"{100 * float(test[key]):+.1f}" for key in ("diff", "lo", "hi"))
        row = found[f"UA {group} (2)", "big"]
        assert (row["better by"], row["detectable"]) == (
            f"{ahead} [{low}, {high}]", f"{100 * float(test['detectable_family']):.1f}",
        )  # fmt: skip
        line = next(line for line in section(text, "Answer").split(" - ") if f"{group.title()} corpora" in line)
        assert f"(`{head}`, what {head} is, dev's choice of 2)" in line
        q = float(test["q"])
        assert f"{ahead[1:]} [{low.lstrip('+')}, {high.lstrip('+')}] points** ahead of `flat`" in line
        assert ("q < 0.001" if q < 0.001 else f"q = {q:.3f}") in line
        shown = float(test["p_holm"]) < 0.05
        assert f"one system, which was {'' if shown else 'not '}shown to beat the baseline" in line
        assert shown == ("not shown to differ" not in line)


def test_results_are_short_and_sentences_too(documents: tuple[str, Page]) -> None:
    text, page = documents
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["Question", "Answer", "Headlines", "Limits", "All of it"]
    assert text.count("\n") <= make.LINES
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith(("|", ">")))
    for prose in (paragraphs(text), page.prose):
        words, sentence = longest(prose)
        assert words <= 60, sentence


def test_a_long_introduction_is_complained_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("local.report.contents.SECTIONS", ())
    world = small_world(tmp_path, corpora=[Corpus("uno", "it")], encoders=[Encoder("flat", 1)])
    (world.root / "results_intro.md").write_text("Line.\n" * 100)
    text, _ = build(world, monkeypatch)
    lines = text.count("\n")
    assert lines > 120 and f"warning: RESULTS.md: {lines} lines, more than 120; shorten results_intro.md" in (
        capsys.readouterr().err
    )


def test_numbers_and_the_figure_are_kept_beside_the_results(world: World, documents: tuple[str, Page]) -> None:
    text, _ = documents
    kept = world.root / "results"
    assert sorted(path.name for path in kept.iterdir()) == [
        "breakdown.csv", "calibration.csv", "gap.csv", "headline.svg", "headlines.csv", "mixed.csv", "reliability.csv",
        "significance.csv", "summary.csv",
    ]  # fmt: skip
    for name in ("summary.csv", "significance.csv"):
        assert (kept / name).read_bytes() == (world.root / "exp" / name).read_bytes()
        assert f"[{name}](results/{name}) ({len(read_csv(kept / name))})" in section(text, "All of it")
    rows = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    assert read_csv(kept / "headlines.csv") == rows
    assert (kept / "headline.svg").read_bytes() == (world.root / "exp/report/headline.svg").read_bytes()
    assert "![Systems beside baselines](results/headline.svg)" in text


def test_numbers_of_an_earlier_report_are_gone_and_those_of_a_variant_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world(tmp_path, corpora=[Corpus("uno", "it")])
    for name in ("results", "results.mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.csv").write_text("a\n1\n")
    monkeypatch.setattr(published, "LIMIT", 1400)
    build(world, monkeypatch)
    assert (tmp_path / "exp/summary.csv").stat().st_size > 1400
    # What is too large is left out, too.
    found = {path.name for path in (tmp_path / "results").iterdir()}
    assert found >= {"headline.svg", "headlines.csv"} and not found & {"summary.csv", "old.csv"}
    assert [path.name for path in (tmp_path / "results.mine").iterdir()] == ["old.csv"]
    make.main(["--set", "tag=mine", "--set", "expdir=exp"])
    assert "old.csv" not in {path.name for path in (tmp_path / "results.mine").iterdir()}
    assert "(results.mine/headline.svg)" in (tmp_path / "RESULTS.mine.md").read_text(encoding="utf-8")
