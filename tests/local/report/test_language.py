"""The report's answer to whether the encoder's language matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.report.test_make import Page, build
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
    section = text.split("## Does the encoder's language matter?")[1].split("\n## ")[0]
    assert "its own encoder (mono) or another's (trans)" in section
    means = where(rows, test="*")
    for row in means:
        assert f"{100 * float(row['ua_a']):.1f} | {100 * float(row['ua_b']):.1f} |" in section
        difference = f"a difference of {100 * float(row['diff']):+.1f} points over 1 method"
        assert difference in text.split("## What was found")[1].split("\n## ")[0]
    assert len(means) == 3 and "Does the encoder's language matter?" in page.text


def test_without_such_encoders_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = build(World(tmp_path, [Corpus("eins", "de")], [Encoder("plain"), Encoder("big")]).write(), monkeypatch)
    assert "language matter" not in text and "The encoder's language" not in text
