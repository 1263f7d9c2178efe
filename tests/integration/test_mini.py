"""The bundled recipe, end to end as a newcomer runs it, but with three languages and folds; and what a rerun does."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Checkout, Outcome
from tests.local.report.page import Page, longest, paragraphs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def finished(checkout: Checkout) -> Outcome:
    checkout.thin(2)  # of eight
    config = checkout.root / "egs/mini/conf/experiment.yaml"
    text = config.read_text(encoding="utf-8")
    # More epochs make up for what the diarizers of fewer folds do not hear.
    less = {", mini_bn, mini_th]": "]", "folds: 6": "folds: 3", "epochs: 6": "epochs: 20"}
    assert [text.count(given) for given in less] == [2, 1, 1]
    for given, put in less.items():
        text = text.replace(given, put)
    config.write_text(text, encoding="utf-8")
    outcome = checkout.run("mini")
    assert outcome.status == 0, outcome.output[-4000:]
    return outcome


def results(checkout: Checkout) -> list[dict[str, str]]:
    with open(checkout.root / "egs/mini/exp/results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def headline(rows: list[dict[str, str]], **wanted: str) -> list[float]:
    wanted |= {"fold": "all", "layer": "dev"}
    return [float(row["ua"]) for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_every_stage_says_what_it_reads_and_makes(finished: Outcome) -> None:
    for number, name in enumerate(["data", "features", "probe", "finetune", "score", "sed", "listen", "report"], 1):
        assert re.search(rf"^== mini, stage {number} {name}: ", finished.output, re.MULTILINE)
    assert "Traceback" not in finished.output
    assert "Warning" not in finished.output


def test_scores_say_what_the_corpus_was_made_to_say(checkout: Checkout, finished: Outcome) -> None:
    rows = results(checkout)
    for encoder in ("logmel", "mini"):
        mono = headline(rows, encoder=encoder, method="logreg", setting="mono")
        cross = headline(rows, encoder=encoder, method="logreg", setting="cross")
        assert len(mono) == 3 and len(cross) == 6
        assert sum(mono) / len(mono) > 0.5
        assert sum(cross) / len(cross) < sum(mono) / len(mono) - 0.05
    for row in rows:
        if row["fold"] == "all" and not row["no_interval"]:
            assert float(row["ua_lo"]) <= float(row["ua"]) <= float(row["ua_hi"])
    layers = {row["layer"] for row in rows if row["encoder"] == "mini" and row["fold"] != "all"}
    assert layers == {str(layer) for layer in range(7)}


def test_the_report_holds_the_scores(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/mini"
    page = (recipe / "exp/report/index.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](https?:|//)""", page)
    assert "data:image/" in page or "<svg" in page
    assert "<h3>" in page and not re.search(r"<h3>[^<]*`", page)  # titles are no Markdown
    assert "synthetic" in page and "**Synthetic speech**" in (recipe / "RESULTS.md").read_text(encoding="utf-8")
    for picture in (recipe / "exp/report").glob("*.svg"):
        assert b"<svg" in picture.read_bytes() and picture.with_suffix(".pdf").exists()
    text = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 120 and "(results/headline.svg)" in text
    for prose in (paragraphs(text), Page(page).prose):
        words, sentence = longest(prose)
        assert words <= 60, sentence
    with open(recipe / "results/headlines.csv", encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [r for r in results(checkout) if (r["layer"], r["fold"]) == ("dev", "all")]


def test_diarization_beats_what_hears_nothing(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/mini"
    with open(recipe / "exp/sed/results.csv", encoding="utf-8", newline="") as file:
        rows = {(row["system"], row["test"]): row for row in csv.DictReader(file) if row["emotion"] == "all"}
    with open(recipe / "exp/sed/significance.csv", encoding="utf-8", newline="") as file:
        pairs = {(row["test"], row["b"]): row for row in csv.DictReader(file)}
    for baseline in ("all_neutral", "chance"):
        assert float(pairs["*.single", baseline]["hi"]) < 0
        assert float(pairs["mini_sed", baseline]["diff"]) < 0
    assert rows["mini.frozen", "mini_sed"]["n"] == "40"
    condition = next(recipe.glob("exp/sed/mini.frozen.*-mini_sed"))
    assert len((condition / "hyp.rttm").read_text().splitlines()) < 4 * 40  # it does not flicker
    # The command that stands alone says the same of the same files.
    again = subprocess.run(
        [sys.executable, "-m", "local.sed.eder", "data/mini_sed/ref.rttm", condition / "hyp.rttm", "--json",
         "--durations", "data/mini_sed/utt2dur"],
        cwd=recipe, env=os.environ | {"PYTHONPATH": str(checkout.root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(again.stdout)["mean"] == pytest.approx(float(rows["mini.frozen", "mini_sed"]["eder"]), abs=1e-4)
    assert "**Diarization of `mini_sed`**" in (recipe / "RESULTS.md").read_text(encoding="utf-8")


def test_a_rerun_skips_all_and_says_so(checkout: Checkout, finished: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    # exp/probe/plan lists what is left to do, which is nothing now; .lock is taken anew.
    files = [path for path in (checkout.root / "egs/mini").rglob("*")
             if path.is_file() and path.name not in ("plan", ".lock")]  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in files}
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    again = checkout.run("mini")
    assert again.status == 0, again.output
    assert [str(path) for path in files if path.stat().st_mtime_ns != before[path]] == []
    assert again.output.count("up to date") >= 5
    # To import numpy takes a third of what most commands need to see that nothing is left; stage 7's alone does.
    assert len(re.findall(r"^import time:.*\| +omegaconf$", again.output, re.MULTILINE)) > 5
    assert len(re.findall(r"^import time:.*\| +numpy$", again.output, re.MULTILINE)) == 1
    assert (checkout.root / "egs/mini/exp/run.sh").read_text().endswith("\nexec ./run.sh --recipe mini\n")


def test_results_say_what_made_them_and_pack_whole(checkout: Checkout, finished: Outcome, tmp_path: Path) -> None:
    exp = checkout.root / "egs/mini/exp"
    made = json.loads((exp / "env.json").read_text(encoding="utf-8"))
    assert made["data"].keys() == {"mini_zh", "mini_de", "mini_en", "mini_sed"}
    assert len({*made["data"].values()} - {None}) == 4 and made["packages"]["torch"]
    pack = ["bash", checkout.root / "utils/pack.sh"]
    subprocess.run([*pack, exp, "--out", tmp_path / "x.tar.gz"], check=True)
    said = subprocess.run([*pack, "--verify", tmp_path / "x.tar.gz"], check=True, capture_output=True, text=True).stdout
    asked = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in exp.glob("*/manifest.jsonl"))
    assert f"{asked} conditions have their scores" in said and f"data mini_de {made['data']['mini_de']}" in said


def test_scores_are_bit_identical_however_the_work_is_cut(checkout: Checkout, finished: Outcome) -> None:
    recipe = checkout.root / "egs/mini"
    before = (recipe / "exp/results.csv").read_bytes()
    for folder in recipe.glob("exp/probe/mini.*.mini_de-mini_[ez]*"):
        (folder / ".done").unlink()
    again = checkout.run("mini", "--stage", "probe", "--stop-stage", "score", "--nj", "2")
    assert again.status == 0, again.output
    assert (recipe / "exp/results.csv").read_bytes() == before


def test_a_changed_setting_redoes_what_depends_on_it_only(checkout: Checkout, finished: Outcome) -> None:
    features = checkout.root / "egs/mini/dump/mini/mini_de/feats.scp"
    made = features.stat().st_mtime_ns
    narrow = ("--set", "encoders=[logmel]", "--set", "probe.heads=[linear]", "--set", "probe.epochs=3")
    again = checkout.run("mini", "--stop-stage", "score", *narrow)
    assert again.status == 0, again.output
    assert "probe.epochs changed from 100 to 3" in again.output
    assert features.stat().st_mtime_ns == made


def test_an_unknown_setting_stops_with_one_line(checkout: Checkout) -> None:
    outcome = checkout.run("mini", "--set", "probe.epoch=3")
    assert outcome.status != 0
    assert "did you mean 'probe.epochs'?" in outcome.output
    assert "Traceback" not in outcome.output and "== mini" not in outcome.output
