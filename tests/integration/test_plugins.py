"""Parts of one's own, as docs/extending.md shows them: they run, are told of by their words, and redo nothing else."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.docs.page import sections
from tests.integration.conftest import Checkout, Outcome
from tests.local.report.page import Page

pytestmark = pytest.mark.integration

BEFORE = [
    "corpora=[mini_de, mini_en]", "encoders=[mini]", "probe.heads=[linear]", "probe.epochs=3", "split.folds=3",
    "split.cap.train=4", "split.cap.dev=2", "split.cap.test=2", "finetune.encoders=[mini]",
    "finetune.strategies=[bitfit]", "finetune.pairs=['mini_de:mini_de']", "finetune.layer=1", "finetune.epochs=1",
    "sed.encoders=[]", "sed.corpora=[]", "sed.test=[]", "score.resamples=200", "score.permutations=200",
]  # fmt: skip
AFTER = [
    "encoders=[mini, loudness]", "finetune.strategies=[bitfit, norms, bitfit+norms]", "vary.components=[0, 2]",
]  # fmt: skip


def run(checkout: Checkout, *settings: str, last: str = "score") -> Outcome:
    outcome = checkout.run("mini", "--stop-stage", last, *(word for one in settings for word in ("--set", one)))
    assert outcome.status == 0, outcome.output[-4000:]
    return outcome


def headlines(recipe: Path) -> dict[tuple[str, ...], dict[str, str]]:
    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev"]
    names = ("stage", "encoder", "method", "components", "train", "test")
    return {tuple(row.get(name, "").strip("0") for name in names): row for row in rows}


def test_new_parts_run_and_leave_results_valid(checkout: Checkout) -> None:
    recipe = checkout.root / "egs/mini"
    checkout.thin(2)
    run(checkout, *BEFORE)
    old = headlines(recipe)
    done = [path for path in recipe.rglob(".done") if path.parent.name not in ("score", "listen", "report")]
    made = {path: path.stat().st_mtime_ns for path in done}
    assert len(old) == 4 + 1 and len(made) > len(old)

    for part, blocks in sections("extending.md").items():
        if part != "A stage":
            for block in blocks:
                block.put(checkout.root)
    # That they are there changes nothing at all.
    idle = run(checkout, *BEFORE)
    assert not re.search(r"to be (made|trained)", idle.output)
    assert headlines(recipe) == old

    outcome = run(checkout, *BEFORE, *AFTER, last="report")
    assert {path for path, when in made.items() if path.stat().st_mtime_ns != when} == set()
    assert (recipe / "dump/loudness/mini_en/feats.scp").is_file()
    assert re.search(r"^probe: 4 conditions are up to date", outcome.output, re.MULTILINE)
    assert re.search(r"^finetune: 1 condition is up to date", outcome.output, re.MULTILINE)
    new = headlines(recipe)
    # Systems have longer names now, beside which "0 components" has come in as a column.
    assert all(new[name] | {"system": row["system"]} == new[name] | row for name, row in old.items())
    corpora = ("mini_de", "mini_en")
    assert new.keys() == {
        ("probe", encoder, "linear", components, train, test) for encoder in ("mini", "loudness")
        for components in ("", "2") for train in corpora for test in corpora
    } | {
        ("finetune", "mini", strategy, "", "mini_de", "mini_de") for strategy in ("bitfit", "norms", "bitfit+norms")
    }  # fmt: skip
    page = Page((recipe / "exp/report/index.html").read_text(encoding="utf-8"))
    explained = {row[0]: row[2] for row in page.tables["methods"][1:]}
    assert explained["linear without 2 components"] == "one affine map"
    assert explained["norms"] == "layer normalisations" and explained["bitfit+norms"] == "biases, layer normalisations"
    assert "UA by condition: linear head without 2 components" in page.text
    assert ["within", "mini, linear†", "mini, linear without 2 components†"] in [
        row[:3] for row in page.tables["compared-means"]
    ]  # fmt: skip
    assert "loudness" in {row[1] for row in page.tables["headline"]}
