"""A recipe on real speech: Berlin EmoDB."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.integration.conftest import Checkout

pytestmark = pytest.mark.integration


def test_emodb_end_to_end(checkout: Checkout, corpora: Path) -> None:
    settings = ("--set", "encoders=[logmel,duration,mini]", "--set", "probe.heads=[logreg]")
    outcome = checkout.run("emodb", "--db-root", str(corpora), *settings)
    assert outcome.status == 0, outcome.output[-4000:]
    recipe = checkout.root / "egs/emodb"
    audit = json.loads((recipe / "data/emodb/audit.json").read_text(encoding="utf-8"))
    assert audit
    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev"]
    ua = {(row["encoder"], row["method"]): float(row["ua"]) for row in rows}
    # Within reach of what a standardised logistic regression gives on these features, and not too good to be true.
    assert 0.66 < ua["logmel", "logreg"] < 0.86
    assert ua["mini", "logreg"] > ua["duration", "logreg"] + 0.2
    assert all(int(row["n_test"]) == 339 for row in rows)
    assert all("emodb" in row["contaminated"] for row in rows if row["encoder"] == "mini")


def test_a_wrong_root_names_the_mend(checkout: Checkout, tmp_path: Path) -> None:
    outcome = checkout.run("emodb", "--db-root", str(tmp_path))
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert "--db-root" in outcome.output or "expected" in outcome.output
