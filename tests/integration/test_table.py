"""Bring your own corpus: the steps of egs/table/README.md, on recordings that the repository has."""

from __future__ import annotations

import csv
import shutil

import pytest

from tests.integration.conftest import Checkout

pytestmark = pytest.mark.integration


def test_a_table_becomes_a_scored_corpus(checkout: Checkout) -> None:
    recipe = checkout.root / "egs/mycorpus"
    shutil.copytree(checkout.root / "egs/table", recipe)
    script = recipe / "run.sh"
    script.write_text(script.read_text(encoding="utf-8").replace("--recipe table", "--recipe mycorpus"))
    with open(checkout.root / "egs/mini/corpus/metadata.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"] == "de"]
    columns = ["path", "speaker", "emotion", "gender", "text", "sentence", "start", "end"]
    with open(recipe / "mycorpus.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            path = f"../mini/corpus/de/{row['recording']}.ogg"
            writer.writerow(row | {"path": path, "emotion": row["emotion"].upper()})
        writer.writerow(rows[0] | {"path": "missing.wav"})
        writer.writerow(rows[0] | {"path": path, "emotion": "puzzled", "start": "0"})
    outcome = checkout.run("mycorpus", "--set", "encoders=[logmel]", "--set", "probe.heads=[logreg]")
    assert outcome.status == 0, outcome.output[-3000:]
    excluded = (recipe / "data/mycorpus/excluded.tsv").read_text(encoding="utf-8")
    assert "missing.wav" in excluded and "puzzled" in excluded
    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        summary = [row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev"]
    assert len(summary) == 1
    assert int(summary[0]["n_test"]) == len(rows)
    assert float(summary[0]["ua"]) > 0.4
