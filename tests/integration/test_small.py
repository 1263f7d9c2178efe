"""Study A's question on one desk, cut down: an encoder of one language, probed and tuned, on real speech."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from tests.integration.conftest import Checkout

pytestmark = pytest.mark.integration

QUICK = [
    "corpora=[emodb, nemo]", "encoders=[small_de]",
    "split.cap.train=4", "split.cap.dev=2", "split.cap.test=2",
    "pretrain=[{name: small_de, data: [emodb]}]", "probe.epochs=3",
    "finetune.encoders=[small_de]", "finetune.strategies=[head, lora]", "finetune.epochs=1",
    "finetune.pairs=['emodb:emodb', 'emodb:nemo']",
    "finetune.also=[{encoders: [small_de], pairs: ['emodb>nemo:nemo'], strategies: [lora+ba+wg]}]",
]  # fmt: skip


def test_small_from_pre_training_to_report(checkout: Checkout, corpora: Path) -> None:
    recipe = checkout.root / "egs/small"
    config = recipe / "conf/pretrain.yaml"
    # Two threads, on cores that other tests use too, would mostly wait for each other.
    text = re.sub(r"steps: \d+", "steps: 3, threads: 1", config.read_text(encoding="utf-8"))
    config.write_text(f"{text}augment: {{speeds: [1.0]}}\n", encoding="utf-8")  # of most of the time, a third
    options = ["--db-root", str(corpora), *(word for one in QUICK for word in ("--set", one))]
    outcome = checkout.run("small", *options)
    assert outcome.status == 0, outcome.output[-4000:]

    heard = json.loads((recipe / "exp/pretrain/small_de/pretrain.json").read_text(encoding="utf-8"))
    assert heard["languages"] == ["de"] and list(heard["data"]) == ["emodb"]
    speaker = dict(line.split() for line in (recipe / "data/emodb/utt2spk").read_text().splitlines())
    reserved = (recipe / "data/emodb/folds/speaker/reserved/spk2utt").read_text().splitlines()
    tested = {speaker[utt] for path in (recipe / "data/emodb/folds/speaker").glob("[0-9]/test")
              for utt in path.read_text().split()}  # fmt: skip
    assert tested and tested.isdisjoint(line.split()[0] for line in reserved)

    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev"]
    columns = ("encoder", "method", "source", "train", "test")
    tuned = {tuple(row[name] for name in columns) for row in rows if row["stage"] == "finetune"}
    pairs = (("emodb", "emodb"), ("emodb", "nemo"))
    assert tuned == {
        ("small_de", "lora+ba+wg", "emodb", "nemo", "nemo"),
        *(("small_de", strategy, "none", *pair) for strategy in ("head", "lora") for pair in pairs),
    }
    settings = {(row["encoder"], row["train"], row["test"]): row["setting"] for row in rows}
    assert settings["small_de", "emodb", "emodb"] == "mono" and settings["small_de", "nemo", "nemo"] == "trans"
    assert settings["small_de", "emodb", "nemo"] == "cross"
    assert "tuned" in (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert (recipe / "exp/report/index.html").is_file()

    again = checkout.run("small", *options)
    assert again.status == 0 and again.seconds < outcome.seconds / 2
    assert "to be trained" not in again.output
