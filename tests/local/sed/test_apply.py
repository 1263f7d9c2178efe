"""Sets go through models and baselines to files; the published checkpoint is decoded and scored as ours are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.corpora import spec
from local.corpora.prepare import prepare
from local.sed import apply
from local.sed.conditions import PUBLISHED, STAGE
from local.sed.data import sets
from local.sed.model import decode, published
from tests.conftest import REPO
from tests.local.sed import recipe
from tests.local.sed.model.test_published import write
from utils import csv_file
from utils.rttm import read_rttm


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(recipe.root(tmp_path))
    prepare(spec("mini_sed"), REPO / "egs/mini/corpus", Path("data/mini_sed"))
    return tmp_path


def test_the_published_checkpoint_is_decoded_and_scored_as_ours_are(folder: Path) -> None:
    settings = recipe.experiment(test=["mini_sed"], published=str(write(folder / "hub")))
    (group,) = [group for group in STAGE.groups(settings) if group.first.method == PUBLISHED]
    (condition,) = [one for one in group.conditions if one.test == "mini_sed"]
    apply.test(group.only([condition]))
    data = sets.read("mini_sed", "speaker", settings.emotions)
    model = published.load(settings.sed.published, emotions=settings.emotions)
    utterance, source = next(iter(data.utterances.items()))
    expected = decode.decode(
        model.posteriors(source.load()), utterance, data.duration[utterance], settings.emotions, decode.Decoder()
    )
    hypotheses = read_rttm(condition.directory / "hyp.rttm")
    assert hypotheses.keys() == data.reference.keys()
    assert [(s.label, round(s.end, 2)) for s in hypotheses[utterance]] == [(s.label, round(s.end, 2)) for s in expected]
    report, meta = (json.loads((condition.directory / f"{name}.json").read_text()) for name in ("eder", "meta"))
    assert (meta["baseline"], meta["factors"]["train"], report["all"]["n"]) == (False, [], 40)
    assert len(csv_file.read(condition.directory / "eder.csv")) == 40
