"""A model's card says what it was trained on, by what licence, and how it did."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

from local.finetune import card
from local.finetune.model import EmotionClassifier
from tests.local.finetune.conftest import EMOTIONS, Save
from utils.errors import UserError


def sections(text: str) -> dict[str, str]:
    """Split a card at its headings."""
    return {part.partition("\n")[0]: part for part in text.split("\n## ")}


def written(folder: Path) -> str:
    made = EmotionClassifier.load(folder)
    return card.text(made, folder, batches=False)


def test_the_card_names_corpora_and_licences(save: Save) -> None:
    import yaml

    text = written(save(strategy="lora", trained_on=[["mini_zh", "nemo"], ["emodb", "secret"]]))
    _, header, _ = text.split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["pipeline_tag"] == "audio-classification" and header["language"] == ["de", "pl", "zh"]
    assert "base_model" not in header and "license" not in header
    assert re.search(r"^# .*angry, happy, neutral, sad$", text, re.MULTILINE)
    speech = sections(text)["Training speech"]
    assert "mini_zh+nemo, then emodb+secret" in speech
    for row in (
        r"EmoDB.*`emodb`.* de \| acted \| CC0 \|", r"`nemo`.* pl \| acted \| CC BY-NC-SA 4.0", r"`mini_zh`.*synthetic",
        r"\| secret \| not known \| not known \| not known \| not in the registry",
    ):  # fmt: skip
        assert re.search(row, speech), row
    assert "None came with the model" in sections(text)["Results"]
    assert "(EU) 2024/1689" in sections(text)["What it must not be used for"]
    assert "one at a time" in sections(text)["Use"]
    assert "Not recorded" in sections(written(save()))["Training speech"]


def condition(exp: Path, name: str, models: str = "small.lora.emodb", test: str = "emodb", **meta) -> None:
    """Write what the card reads of a tested condition."""
    factors = {"encoder": "small", "method": "lora", "source": [], "train": ["emodb"], "test": test, "split": "speaker"}
    facts = {"factors": factors, "dev": ["emodb"], "one_speaker": False, "voices_seen": 0, "contaminated": [],
             "models": models}
    meta = facts | meta
    (exp / name).mkdir(parents=True)
    (exp / name / "meta.json").write_text(json.dumps(meta))
    columns = ["fold", "seed", "layer", "n_test", "ua", "wa", *(f"recall_{emotion}" for emotion in EMOTIONS)]
    with open(exp / name / "scores.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        for fold in range(2):
            rows.writerow([fold, 3, 2, 40 + fold, 0.5 + fold / 10, 0.6, 0.1, 0.2, 0.3, 0.4])
    (exp / name / ".done").touch()


def test_the_card_has_the_results_of_its_own_fold(save: Save, tmp_path: Path) -> None:
    exp = tmp_path / "exp/finetune"
    group = exp / "models/small.lora.emodb"
    folder = save(strategy="lora", trained_on=[["emodb"]], folder=group / "fold1.seed3")
    (folder / ".done").touch()
    assert card.results(folder) == []
    condition(exp, "small.lora.emodb-emodb")
    condition(exp, "small.lora.emodb-nemo", test="nemo", one_speaker=True, contaminated=["nemo"])
    condition(exp, "small.bitfit.emodb-emodb", "small.bitfit.emodb")
    condition(exp, "small.lora.emodb-urdu", "small.lora.emodb.dev-urdu", test="urdu", dev=["urdu"])
    condition(exp, "unfinished", test="ravdess")
    (exp / "unfinished/.done").unlink()
    assert [(row["test"], row["ua"], row["n_test"]) for row in card.results(folder)] == [
        ("emodb", "0.6", "41"), ("nemo", "0.6", "41")
    ]  # fmt: skip
    table = sections(written(folder))["Results"]
    assert "| emodb | 41 | 60.0 | 60.0 | 10.0 | 20.0 | 30.0 | 40.0 |  |" in table
    assert re.search(r"nemo \| 41 .*not trained on this corpus; .* single speaker; its encoder heard nemo \|", table)
    # Trained again since.
    os.utime(folder / ".done", (4e9, 4e9))
    assert card.results(folder) == []
    os.utime(folder / ".done", (0, 0))
    (exp / "small.lora.emodb-nemo/meta.json").write_text("{}")
    with pytest.raises(UserError, match="small.lora.emodb-nemo: damaged"):
        card.results(folder)


def test_models_that_stopped_by_another_corpus_are_told_apart(tmp_path: Path) -> None:
    exp = tmp_path / "exp/finetune"
    condition(exp, "small.lora.emodb-emodb")
    condition(exp, "small.lora.emodb-urdu", "small.lora.emodb.dev-urdu", test="urdu", dev=["urdu"])
    (row,) = card.results(exp / "models/small.lora.emodb.dev-urdu/fold0.seed3")
    assert row["test"] == "urdu" and "training stopped by urdu" in row["notes"]


def test_a_recipes_own_corpora_are_known(save: Save, tmp_path: Path) -> None:
    (tmp_path / "recipe/conf").mkdir(parents=True)
    (tmp_path / "recipe/conf/corpora.yaml").write_text("ours: {module: table, language: fr, licence: by us}\n")
    folder = tmp_path / "recipe/exp/finetune/models/small.head.ours/fold0.seed0"
    text = written(save(folder=folder, trained_on=[["ours"]]))
    assert "| ours (`ours`) | fr | not known | by us | not known |" in text


def test_a_checkpoint_of_the_hub_is_named(save: Save) -> None:
    import dataclasses

    made = EmotionClassifier.load(folder := save())
    made.encoder.spec = dataclasses.replace(made.encoder.spec, source="facebook/hubert-base-ls960", languages=["en"])
    text = card.text(made, folder, batches=True)
    assert "base_model: facebook/hubert-base-ls960" in text and "pre-trained on en" in text
    assert "Padding is masked" in sections(text)["Use"]
