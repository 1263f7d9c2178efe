"""Sets go through models and baselines to files; the published checkpoint is decoded and scored as ours are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.corpora import spec
from local.corpora.prepare import prepare
from local.sed import apply
from local.sed.conditions import PUBLISHED, Condition
from local.sed.data import sets
from local.sed.model import decode, published
from local.sed.score import condition as score
from tests.conftest import REPO
from tests.local.sed import recipe
from tests.local.sed.model.test_published import write
from utils.errors import UserError
from utils.rttm import read_rttm


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(recipe.root(tmp_path))
    prepare(spec("mini_sed"), REPO / "egs/mini/corpus", Path("data/mini_sed"))
    return tmp_path


def test_the_published_checkpoint_is_decoded_and_scored_as_ours_are(folder: Path) -> None:
    settings = recipe.experiment(test=["mini_sed"], published=str(write(folder / "hub")))
    condition = Condition(PUBLISHED, None, "mini_sed")
    apply._make([condition], settings, "cpu")
    data = sets.read("mini_sed", "speaker", settings.emotions)
    model = published.load(settings.sed.published, emotions=settings.emotions)
    utterance, source = next(iter(data.utterances.items()))
    expected = decode.decode(
        model.posteriors(source.load()), utterance, data.duration[utterance], settings.emotions, decode.Decoder()
    )
    hypotheses = read_rttm(condition.directory / "hyp.rttm")
    assert hypotheses.keys() == data.reference.keys()
    assert [(s.label, round(s.end, 2)) for s in hypotheses[utterance]] == [(s.label, round(s.end, 2)) for s in expected]
    report = json.loads((condition.directory / "eder.json").read_text())
    assert (report["baseline"], report["train"], report["all"]["n"]) == (False, [], 40)
    assert len(score.read_rows(condition.directory)) == 40


def test_a_model_that_was_not_trained_is_named(folder: Path) -> None:
    settings = recipe.experiment(test=["mini_sed"], train=["all"])
    (condition,) = [c for c in apply.conditions.conditions(settings, []) if c.test == "mini_sed"]
    with pytest.raises(UserError, match=r"fold0.seed0: not trained; run python3 -m local.sed.plan"):
        apply._make([condition], settings, "cpu")
