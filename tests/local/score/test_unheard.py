"""Means over what no encoder may have heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, read_csv, small_world, where

CORPORA = [Corpus("uno", "it"), Corpus("due", "de"), Corpus("tre", "en")]


def summary(folder: Path, monkeypatch: pytest.MonkeyPatch, *encoders: Encoder, **options: object) -> list[dict]:
    world = small_world(folder / "toy", corpora=CORPORA, encoders=list(encoders), **options)
    monkeypatch.chdir(world.root)
    collect.main([])
    return read_csv(world.root / "exp/summary.csv")


def test_only_conditions_that_no_encoder_has_heard_are_in_the_means(tmp_path: Path, monkeypatch) -> None:
    encoders = Encoder("plain", 3, 0.8, pretrained_on=["uno"]), Encoder("taught", 2, 0.7, finetuned_on=["due"])
    rows = summary(tmp_path, monkeypatch, *encoders, Encoder("free", 1, 0.6), heads=["linear", "mlp"])
    results = where(read_csv(Path("exp/results.csv")), fold="all", layer="dev", method="mlp")
    for name in ("plain", "taught", "free"):
        (row,) = where(rows, encoder=name, group="within, unheard", method="mlp")
        (alone,) = where(results, encoder=name, train="tre", test="tre")
        assert (row["layer"], row["conditions"], row["contaminated"]) == ("dev", "1", "")
        assert [row[key] for key in ("ua", "ua_lo", "ua_hi")] == [alone[key] for key in ("ua", "ua_lo", "ua_hi")]
    # Whatever is trained on or tested across corpora, one of the two was heard by one of the encoders.
    assert not where(rows, group="across, unheard")


def test_an_encoder_that_may_have_heard_everything_takes_nothing_from_the_others(tmp_path: Path, monkeypatch) -> None:
    encoders = Encoder("plain", 1, 0.8, pretrained_on=["uno"]), Encoder("free", 1, 0.6)
    rows = summary(tmp_path, monkeypatch, *encoders, Encoder("dark", 1, 0.9, unlisted=True))
    assert {row["encoder"] for row in where(rows, group="within, unheard")} == {"plain", "free"}
    assert {row["conditions"] for row in where(rows, group="within, unheard")} == {"2"}
    assert {row["conditions"] for row in where(rows, group="across, unheard")} == {"2"}
    (dark,) = where(rows, encoder="dark", group="within", layer="dev")
    assert dark["contaminated"] == "due:unknown+tre:unknown+uno:unknown"


def test_where_nothing_was_heard_there_are_no_such_means(tmp_path: Path, monkeypatch) -> None:
    rows = summary(tmp_path, monkeypatch, Encoder("free", 1, 0.6), Encoder("other", 1, 0.7, pretrained_on=["else"]))
    assert {row["group"] for row in rows} == {"within", "across", "drop"}
