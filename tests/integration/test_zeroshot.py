"""Study C's ablation with stand-ins, cut down: frozen and tuned, one table, and what became of the representation."""

from __future__ import annotations

import csv
import json

import pytest

from tests.integration.conftest import Checkout, Outcome

pytestmark = pytest.mark.integration

SETTINGS = [
    "corpora=[esd,iemocap,emodb]", "encoders=[wavlm_base_plus]", "split.cap.train=4", "split.cap.dev=2",
    "split.cap.test=4", "vary={loss: [ce, supcon+grl]}", "probe.epochs=5", "score.permutations=200",
    "losses.reversals=[0.1,1.0]", "probe.also=[{pairs: [within], vary: {loss: [ce], select: [auto]}}]",
    "finetune.pairs=['iemocap+emodb:esd']", "finetune.layer=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> Outcome:
    checkout.thin(2)
    options = [word for setting in ("study.smoke=true", *SETTINGS) for word in ("--set", setting)]
    outcome = checkout.run("zeroshot", *options)
    assert outcome.status == 0, outcome.output[-4000:]
    assert "Traceback" not in outcome.output
    return outcome


def read(checkout: Checkout, name: str) -> list[dict[str, str]]:
    with open(checkout.root / "egs/zeroshot/exp_smoke" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_losses_frozen_and_tuned_and_the_upper_bound(checkout: Checkout, finished: Outcome) -> None:
    rows = read(checkout, "ablation.csv")
    asked = {(row["stage"], row["test"], row["factor"], row["value"]) for row in rows}
    frozen = {("probe", test, *way) for test in ("*", "mini_zh", "mini_en", "mini_de")
              for way in (("loss", "supcon+grl"), ("train", ""))}  # fmt: skip
    assert asked == frozen | {("finetune", "mini_zh", "loss", "supcon+grl")}
    text = (checkout.root / "egs/zeroshot/RESULTS.smoke.md").read_text(encoding="utf-8")
    assert text.startswith("# SMOKE RUN, no results") and "| trained | mini, frozen | mini, tuned, lora |" in text


def test_tuned_encoders_take_the_strengths_that_frozen_ones_chose(checkout: Checkout, finished: Outcome) -> None:
    (probe,) = (checkout.root / "egs/zeroshot/exp_smoke/probe").glob("*mini_de+mini_en-mini_zh*supcon+grl*")
    with open(probe / "scores.csv", encoding="utf-8", newline="") as file:
        chosen = {row["fold"]: row["grl"] for row in csv.DictReader(file) if row["selected"] == "1"}
    models = (checkout.root / "egs/zeroshot/exp_smoke/finetune/models").glob("*supcon+grl*/fold*/.done")
    made = {path.parent.name[4]: json.loads(path.read_text(encoding="utf-8"))["config"] for path in models}
    assert {fold: f"{config['strength.grl']:g}" for fold, config in made.items()} == chosen
    assert chosen.keys() == {"0", "1", "2"}


def test_every_fold_and_seed_has_its_representation(checkout: Checkout, finished: Outcome) -> None:
    rows = read(checkout, "representation.csv")
    means = [row for row in rows if row["test"] == "*" and row["measure"] == "emotion_source"]
    asked = {(side, "3", "9") for side in ("input", "hidden")}
    assert {(row["side"], row["conditions"], row["folds"]) for row in means} == asked
    assert all(float(row["value_lo"]) <= float(row["value"]) <= float(row["value_hi"]) for row in means)
    assert min(float(row["value"]) for row in means) > 0.3
    tuned = [row for row in rows if row["stage"] == "finetune" and row["measure"] == "emotion_source"]
    told = {(row["test"], row["side"], row["folds"]) for row in tuned}
    assert told == {("mini_zh", side, "3") for side in ("input", "hidden")} and len(tuned) == 4
    page = (checkout.root / "egs/zeroshot/exp_smoke/report/index.html").read_text(encoding="utf-8")
    for part in ("table-representation", "figure-representation", "figure-representation_tuned"):
        assert f'id="{part}"' in page
