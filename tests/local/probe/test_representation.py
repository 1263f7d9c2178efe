"""What is read before and after the head aligned: planted directions, and the files of a condition."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from local.experiment import Losses
from local.probe.aligned import Hidden, Scene
from local.representation.measures import Lists, measure
from local.representation.records import HIDDEN, INPUT
from tests.local.probe import tree
from tests.local.probe.test_aligned import train
from tests.local.representation.test_measures import lists


def scene(own: Lists) -> Scene:
    """The sources alone."""
    known = ~own.target
    speakers = np.unique(np.array(own.persons)[known], return_inverse=True)[1]
    return Scene(torch.from_numpy(own.x[known])[None], own.labels[known], speakers, own.languages[known])


def hidden(own: Lists, weights: list[torch.Tensor]) -> Lists:
    return replace(own, x=Hidden.represent(weights, torch.from_numpy(own.x)[None])[0].numpy())


@pytest.mark.integration
def test_an_adversary_hides_speakers_and_contrast_aligns() -> None:
    own, test = lists(0, voice=1.0, shift=3.0), lists(1, voice=1.0, shift=3.0, first=18)
    found = {}
    for loss in ("ce", "supcon", "grl"):
        settings = Losses(
            loss=loss, sampler="cells", weights=[1.0], temperatures=[0.2], reversals=[10.0], across=3.0, hidden=32
        )
        weights = train(scene(own), settings)
        found[loss] = measure(hidden(own, weights), hidden(test, weights))
    before = measure(own, test)
    assert before["heard"] - 0.2 > found["grl"]["heard"] < found["ce"]["heard"] - 0.1
    assert found["supcon"]["alignment"] > found["ce"]["alignment"] + 0.1
    assert min(one["emotion_source"] for one in found.values()) > 0.7


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_stage_writes_both_sides_of_every_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, language in (("aa", "de"), ("bb", "ur"), ("cc", "pl")):
        tree.write_corpus(tmp_path, name, language=language, separation=[0.0, 1.5])
    settings = {"heads": ["aligned"], "seeds": [0, 1], "lr": 3e-3, "epochs": 6, "vary": {"loss": ["supcon+grl"]}}
    tree.run("aa", "bb", "cc", pairs=["aa+bb:cc"], select="languages", **settings)
    (path,) = Path("exp/probe").glob("enc.*")
    rows = read(path / "representation.csv")
    assert [(row["fold"], row["side"], row["seed"]) for row in rows] == [
        (str(fold), *side) for fold in range(3) for side in ((INPUT, ""), (HIDDEN, "0"), (HIDDEN, "1"))
    ]
    assert {row["layer"] for row in rows} == {"1"}
    assert min(float(row["emotion_target"]) for row in rows) > 0.6
    points = read(path / "points.csv")
    tested = set(Path("data/cc/folds/speaker/0/test").read_text().split())
    sides = [[row["utt"] for row in points if row["side"] == side] for side in (INPUT, HIDDEN)]
    assert sides[0] == sides[1] and {row["language"] for row in points} == {"de", "ur", "pl"}
    assert {row["utt"] for row in points if row["language"] == "pl"} == tested
    # Within a corpus there is nothing to compare.
    tree.run("aa", "bb", "cc", pairs=["aa:aa"], **settings)
    (within,) = Path("exp/probe").glob("enc.aligned.aa-aa*")
    assert not (within / "representation.csv").exists()
