"""Systems are compared on all utterances that both were tested on, whatever folds tested them."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.score import collect
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, where


@pytest.mark.parametrize("folds", [4, 3, 7])
def test_two_split_schemes_meet_on_every_utterance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: int) -> None:
    world = World(tmp_path, [Corpus("uno", "it")], [Encoder("big")]).write()
    world.folds = folds
    world.write_condition(Encoder("big", skill=0.9), "linear", ["uno"], "uno", split="speaker+mixed")
    monkeypatch.chdir(tmp_path)
    collect.main([])
    (row,) = read_csv(tmp_path / "exp/significance.csv")
    assert row["n"] == str(len(world.corpora[0].utterances)) and row["family"] == "split, probe"
    results = where(read_csv(tmp_path / "exp/results.csv"), fold="all", layer="dev")
    scores = {one["system"]: float(one["ua"]) for one in results}
    assert float(row["diff"]) == pytest.approx(scores[row["a"]] - scores[row["b"]], abs=1e-6)
