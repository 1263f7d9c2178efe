"""The report's answer to whether the encoder's language matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.report.page import Page, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where

HOME = {"de": "german", "en": "english", "pl": "polish"}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page, Path]:
    root = tmp_path_factory.mktemp("made") / "toy"
    corpora = [Corpus("eins", "de"), Corpus("one", "en"), Corpus("jeden", "pl")]
    world = World(root, corpora, [Encoder(name, languages=[language]) for language, name in HOME.items()]).write()
    with pytest.MonkeyPatch.context() as patch:
        return *build(world, patch), root


def test_the_table_holds_every_row_and_the_sentences_its_means(documents: tuple[str, Page, Path]) -> None:
    text, page, root = documents
    rows = read_csv(root / "exp/language.csv")
    header, *body = page.tables["language"]
    found = [dict(zip(header, cells, strict=True)) for cells in body]
    assert len(found) == len(rows) and any(
        "its own encoder (mono) or another's (trans)" in c["question"] for c in found
    )
    means = where(rows, test="*")
    for row in means:
        scores = f"{100 * float(row['ua_a']):.1f}", f"{100 * float(row['ua_b']):.1f}"
        assert scores in {(cells["the language's"], cells["others'"]) for cells in found if cells["tested on"] == "all"}
        difference, low, high = (100 * float(row[key]) for key in ("diff", "lo", "hi"))
        low, high = (low, high) if difference >= 0 else (-high, -low)
        where_ = "ahead of" if difference >= 0 else "behind"
        said = f"**{abs(difference):.1f} [{low:.1f}, {high:.1f}] points** {where_} others"
        assert said in section(text, "Answer")
    assert len(means) == 3 and "Does the encoder's language matter?" in page.text


def test_without_such_encoders_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, page = build(World(tmp_path, [Corpus("eins", "de")], [Encoder("plain"), Encoder("big")]).write(), monkeypatch)
    assert "language" not in page.tables and "language" not in page.ids and "Language" not in text
