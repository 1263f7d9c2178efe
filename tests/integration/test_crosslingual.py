"""Study A's matrix with stand-ins, cut down as far as it goes: every row of the reference gets a figure of ours."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.integration.conftest import Checkout, Outcome

pytestmark = pytest.mark.integration

SETTINGS = [
    "split.cap.train=4", "split.cap.dev=2", "split.cap.test=4", "probe.epochs=3", "probe.select=dev",
    "finetune.epochs=1", "finetune.layer=1", "score.resamples=100", "score.permutations=100",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> Outcome:
    checkout.thin(2)
    options = [word for setting in ("study.smoke=true", *SETTINGS) for word in ("--set", setting)]
    outcome = checkout.run("crosslingual", *options)
    assert outcome.status == 0, outcome.output[-4000:]
    assert "Traceback" not in outcome.output
    return outcome


def reference(recipe: Path) -> list[dict[str, str]]:
    lines = (recipe / "conf/table1.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def rows_of_smoke_table(recipe: Path) -> list[dict[str, str]]:
    text = (recipe / "RESULTS.smoke.md").read_text(encoding="utf-8")
    section = next(section for section in text.split("\n## ") if section.startswith("SMOKE RUN: beside the published"))
    header, _, *body = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [
        dict(zip((name.strip("| ") for name in header), (cell.strip("| ") for cell in row), strict=True))
        for row in body
    ]


def test_every_published_figure_has_one_of_ours_beside_it(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/crosslingual"
    published, shown = reference(recipe), rows_of_smoke_table(recipe)
    # Behind the figure, the spread of its folds, or what the logs say.
    assert [row["ua"] for row in published] == [row["published"].split()[0] for row in shown] and len(shown) == 26
    assert [row["published"].split()[1:2] for row in shown].count(["(logs:"]) == 2
    assert all(("±" in row["published"]) == bool(own["folds"]) for row, own in zip(shown, published, strict=True))
    ours = next(name for name in shown[0] if name.startswith("ours"))
    assert "STAND-IN" in ours
    for row in shown:
        assert re.match(r"[\d.]+ \[[\d.]+, [\d.]+\]", row[ours]) and int(row["n"]) == 48
        assert int(row["parameters"].replace(",", "").split()[0]) > 0


def test_settings_come_out_as_in_the_study(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/crosslingual"
    with open(recipe / "exp_smoke/results.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["fold"], row["layer"]) == ("all", "dev")]
    made = [row["setting"] for row in rows if row["stage"] == "finetune"]
    # Of each encoder, three strategies in four settings, and two-stage training.
    assert sorted(made) == ["cross"] * 6 + ["mono"] * 6 + ["trans"] * 14
    assert len(rows) - len(made) == 14


def test_what_stands_in_is_no_result(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/crosslingual"
    assert (recipe / "RESULTS.smoke.md").read_text(encoding="utf-8").startswith("# SMOKE RUN, no results")
    assert "SMOKE RUN" in (recipe / "exp_smoke/report/index.html").read_text(encoding="utf-8")
    again = checkout.run("crosslingual", "--stage", "listen", "--stop-stage", "report")
    assert again.status == 0, again.output
    # The committed document is what the command writes where nothing has been run.
    assert (recipe / "RESULTS.md").read_bytes() == (REPO / "egs/crosslingual/RESULTS.md").read_bytes()
