"""What the report says that the gap is made of: what exp/gap.csv says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.report.page import Page, longest, paragraphs, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

FIGURES = ("What the gap is made of, on average", "What the gap is made of: big, linear")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, Path]:
    root = tmp_path_factory.mktemp("made") / "toy"
    corpora = [Corpus("eins", "de"), Corpus("zwei", "de"), Corpus("one", "en")]
    encoder = Encoder("big", skill=0.75, languages=["de"])
    world = World(root, corpora, [encoder, Encoder("flat", 1, 0.6)]).write()
    for train in ("eins", "zwei", "one"):
        for test in ("eins", "zwei", "one"):
            world.write_condition(encoder, "linear", [train], test, normalise="per-corpus")
    world.write_tuned(encoder, "lora", ["one"], "one", params=9000, gain=0.1)
    with pytest.MonkeyPatch.context() as patch:
        return *build(world, patch, draw=("gap", "gap_big")), root


def test_the_table_holds_every_pair_and_mean(documents: tuple[str, Page, Path]) -> None:
    _, page, root = documents
    rows, found = read_csv(root / "exp/gap.csv"), page.rows("gap")
    drops = where(rows, part="drop")
    assert len(found) == len(drops) == 12 + 4
    names = {"priors": "thresholds", "shift": "shift", "concept": "concept", "representation": "representation"}
    for drop in drops:
        mean = drop["train"] == "*"
        (cells,) = [
            c for c in found
            if c["encoder"] == drop["encoder"]
            and (c["languages"], c["mended by"] == "–")
            == ({"same": "one language", "other": "two languages"}[drop["languages"]], drop["via"] == "")
            and (c["train"] == f"mean of {drop['pairs']} pairs" if mean else
                 (c["train"].split(" ")[0], c["test"].split(" ")[0])
                 == (drop["train"], drop["test"]))
        ]  # fmt: skip
        own = {row["part"]: row for row in rows if all(row[k] == drop[k] for k in KEY)}
        for part, name in names.items():
            text = cells[name].partition(" [")[0]
            assert text == (f"{100 * float(own[part]['value']):+.1f}" if own[part]["value"] else "–")
        assert (cells["n"], cells["speakers"]) == (drop["n"], drop["speakers"])
        assert cells["zero-shot"].startswith(f"{100 * float(drop['before']):.1f}")


KEY = ("system", "train", "test", "languages", "via")


def test_figures_and_sentences_are_there(documents: tuple[str, Page, Path]) -> None:
    text, page, root = documents
    assert set(FIGURES) <= set(page.pictures)
    drawn = page.pictures[FIGURES[1]].decode()
    for word in ("eins → zwei *", "one → eins", "thresholds", "representation", "drop"):
        assert word in drawn
    rows = where(read_csv(root / "exp/gap.csv"), train="*", languages="other", part="drop")
    said = section(text, "Answer")
    assert any(f"loses {100 * float(row['value']):.1f} [" in said for row in rows)
    assert longest(paragraphs(text))[0] <= 60 and text.count("\n") <= 120


def test_one_corpus_has_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, page = build(World(tmp_path, [Corpus("eins", "de")], [Encoder("big")]).write(), monkeypatch)
    assert "gap" not in page.tables and "gap is made" not in text
