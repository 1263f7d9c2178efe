"""Study B's comparison with stand-ins, cut down: every control has its figures, and every claim a verdict."""

from __future__ import annotations

import csv

import pytest
import yaml

from tests.conftest import REPO
from tests.integration.conftest import Checkout, Outcome
from tests.local.report.page import Page

pytestmark = pytest.mark.integration

SETTINGS = [
    "corpora=[emodb,ravdess]",
    "encoders=[hubert_base,wavlm_base_plus,emotion2vec_base,hubert_base+logmel,duration]",
    "split.cap.train=12", "probe.select=dev", "probe.shots_grid=[0.1,1.0]", "score.permutations=200",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> Outcome:
    checkout.thin(4)
    options = [word for setting in ("study.smoke=true", *SETTINGS) for word in ("--set", setting)]
    outcome = checkout.run("confound", *options)
    assert outcome.status == 0, outcome.output[-4000:]
    assert "Traceback" not in outcome.output
    return outcome


def read(checkout: Checkout, name: str) -> list[dict[str, str]]:
    with open(checkout.root / "egs/confound/exp_smoke" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_control_has_figures(checkout: Checkout, finished: Outcome) -> None:
    rows = [row for row in read(checkout, "results.csv") if (row["fold"], row["layer"]) == ("all", "dev")]
    for factor, values in (
        ("project", {"none", "pca:20", "random:20"}), ("adapt", {"none", "coral", "em", "coral+em"}),
        ("erase", {"none", "inlp", "random", "emotion", "leace"}), ("normalise", {"train", "per-corpus"}),
        ("encoder", {"mini", "mini_random", "logmel", "mini+logmel", "duration"}),
    ):  # fmt: skip
        assert {row[factor] for row in rows} == values, factor
    assert {"0", "5", "10", "25"} <= {row["shots"] for row in rows}
    for name in ("gap.csv", "shots.csv", "erasure.csv"):
        assert read(checkout, name), name


def test_no_draw_of_shots_says_more_than_the_draws_there_are(checkout: Checkout, finished: Outcome) -> None:
    rows = [row for row in read(checkout, "results.csv") if row["shots"] == "10" and row["seed"] != "all"]
    assert {row["seed"] for row in rows} == {"0", "1"}


def test_every_claim_has_a_verdict(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/confound"
    text = (recipe / "RESULTS.smoke.md").read_text(encoding="utf-8")
    assert text.startswith("# SMOKE RUN, no results")
    section = next(part for part in text.split("\n## ") if part.startswith("The study's claims"))
    body = Page((recipe / "exp_smoke/report/index.html").read_text(encoding="utf-8")).rows("claims")
    claims = yaml.safe_load((REPO / "egs/confound/conf/claims.yaml").read_text(encoding="utf-8"))
    assert {row["claim"] for row in body} == set(claims)
    verdicts = [row["verdict"] for row in body]
    known = ("supported", "contradicted", "not shown", "not testable here")
    assert all(verdict.startswith(known) for verdict in verdicts)
    # Thai is not there, and the train lists do not hold 100 utterances.
    run = [row for row, verdict in zip(body, verdicts, strict=True) if not verdict.startswith("not testable")]
    assert len(run) == 9 and not any("Thai" in row["claim"] or "100 shots" in row["conditions"] for row in run)
    assert f"Of {len(body)} comparisons, {len(body) - 9} are not testable here" in " ".join(section.split())
