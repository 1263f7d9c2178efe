"""What the report may not claim: intervals that there are none of, and differences that were not shown."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from local.experiment import Experiment, Sed
from local.report import inputs, make, sed
from local.report.figures import confusions, layers, overview
from local.score import collect
from tests.local.report.page import Page, section
from tests.local.report.test_make import audit, build, draw_only
from tests.local.report.test_sed import pair, row
from tests.local.report.test_tuned import read
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, small_world, where
from utils import csv_file


def test_two_speakers_get_a_dash_and_the_reason_in_tables_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = [Corpus("duo", "de", 2, 20)]
    world = World(tmp_path, corpora, [Encoder("big", 3, 0.8), Encoder("flat", 1, 0.6)], folds=2).write()
    text, page = build(world, monkeypatch)
    for key in ("means", "all", "layers"):
        cells = [cell for row in page.tables[key][1:] for cell in row if "[" in cell]
        assert cells and all(re.fullmatch(r"\d+\.\d \[–: 2 speakers\]", cell) for cell in cells)
    assert {row["df"] for row in page.rows("all")} == {"–"}
    (compared,) = page.rows("compared")
    assert compared["a − b"].endswith("[–: 2 speakers]") and compared["smallest p"] == "0.500"
    assert compared["detectable"] == "–"
    assert "No interval: 2 speakers (duo)." in section(text, "Limits")
    assert "nan" not in text and "nan" not in "".join(page.text)
    assert "of 2 conditions were not shown to be above guessing" in page.sections["conditions"]


def test_a_collapsed_head_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", pairs=[(["uno"], "uno")], encoders=[Encoder("flat", 1), Encoder("big", 1)])
    path = world.root / "exp/probe/flat.linear.uno-uno"
    arrays = dict(np.load(path / "layers.npz"))
    arrays["pred"][:] = 2
    np.savez(path / "layers.npz", **arrays)
    hyp = (path / "hyp").read_text()
    (path / "hyp").write_text(re.sub(r" (angry|happy|neutral|sad) 0\.25", " neutral 0.25", hyp))
    rows = read_csv(path / "scores.csv")
    with open(path / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"ua": "0.25"} for row in rows)
    text, page = build(world, monkeypatch)
    assert {row["encoder"]: row["UA"] for row in page.rows("all")}["flat"] == "25.0 [–: collapsed]"
    assert "25.0 [25.0" not in "".join(page.text) and "No interval: collapsed (uno)." in section(text, "Limits")


def test_standardising_by_the_test_corpus_is_told_wherever_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world(tmp_path / "toy", changes={"normalise": "per-corpus"}, heads=["linear", "mlp"])
    text, page = build(world, monkeypatch)
    words = "features are standardised by the test corpus's own training lists, without labels"
    results = page.tables.keys() - {"headline", "data", "encoders", "methods", "selected"}
    assert len(results) > 6 and all(words in page.blocks[key] for key in results)
    assert words in section(text, "Limits")
    found = [overview.encoders(content := read()), *overview.matrices(content), *layers.means(content)]
    found += [*layers.details(content), confusions.pooled(content), *confusions.by_condition(content)]
    assert len(found) == 8 and all(words in figure.caption for figure in found)
    # Of two treatments, the one that it is of is named, and tables of the other are without it.
    for encoder in world.encoders:
        for train, test in world.all_pairs():
            world.write_condition(encoder, "linear", train, test, normalise="none")
    _, page = build(world, monkeypatch)
    assert "features of linear standardised per-corpus, mlp standardised per-corpus" in page.blocks["means"]
    assert "standardised by the test" not in page.blocks["conditions-linear-standardised-none"]


def test_standardising_within_the_training_lists_is_not_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world(tmp_path / "toy")
    monkeypatch.chdir(world.root)
    collect.main([])
    assert "standardised" not in overview.encoders(read()).caption


def test_a_null_stands_beside_what_could_have_been_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = [Encoder("big", 1, 0.7, ["it"]), Encoder("like", 1, 0.7, ["de"])]
    world = small_world(tmp_path / "toy", encoders=encoders, seeds=[0, 1, 2])
    text, page = build(world, monkeypatch)
    means = where(read_csv(world.root / "exp/significance.csv"), train="*")
    within = where(means, setting="within")[0]
    assert float(within["p_holm"]) > 0.05
    size = f"{100 * float(within['detectable_family']):.1f}"
    line = next(line for line in page.sections["encoders"].splitlines() if "Within corpora" in line)
    assert f"not shown to differ; {size} points were detectable)" in line
    found = next(row for row in page.rows("compared-means") if row["conditions"] == "within")
    assert found["detectable"] == f"{100 * float(within['detectable']):.1f} / {size}"
    assert (found["tests"], found["q"]) == (within["family_size"], f"{float(within['q']):.3f}")
    assert found["df"] == f"{float(within['df']):.1f}"
    language = where(read_csv(world.root / "exp/language.csv"), test="*", question="own")[0]
    asked = "**Language**: trained and tested on one language, its own encoder is"
    line = next(line for line in section(text, "Answer").split(" - ") if asked in line)
    assert f"not shown to differ; {100 * float(language['detectable_family']):.1f} points were detectable)" in line
    shown = ("means", "conditions-linear", "all", "language", "compared-means", "compared")
    kind = "t over speakers and, where there are several, seeds, whose variance is in; "
    assert all(kind in page.blocks[key] for key in shown)


def test_equivalent_is_said_where_it_was_shown_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoders alike: on many voices they are equivalent, on four neither different nor equivalent."""
    encoders = [Encoder("one", 1, 0.9), Encoder("other", 1, 0.9)]
    corpora = [Corpus("many", "it", 40, 12), Corpus("few", "it", 4, 12)]
    pairs = [([name], name) for name in ("many", "few")]
    world = small_world(tmp_path / "toy", corpora=corpora, encoders=encoders, pairs=pairs)
    text, page = build(world, monkeypatch)
    by_test = {row["test"]: row for row in read_csv(world.root / "exp/significance.csv") if row["train"] != "*"}
    assert {name: row["equivalent"] for name, row in by_test.items()} == {"many": "1", "few": "0"}
    for name, own in by_test.items():
        assert float(own["p_holm"]) > 0.05 and float(own["margin"]) == 0.05
        # The 90% interval lies within the margin just where the test alone is significant.
        half = stats.t.ppf(0.95, float(own["df"])) * float(own["se"])
        assert (abs(float(own["diff"])) + half < 0.05) == (float(own["p_equivalent"]) < 0.05) == (name == "many")
    shown = {own["test"].split()[0]: own["detectable"] for own in page.rows("compared")}
    assert shown["many"].endswith(", equivalent within ±5") and "equivalent" not in shown["few"]
    world = small_world(tmp_path / "strict", corpora=corpora[:1], encoders=encoders, score={"margin": 0.1})
    text, _ = build(world, monkeypatch)
    assert "equivalent within" not in text


def test_sed_marks_shared_speakers_and_single_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp/sed").mkdir(parents=True)
    for corpus, shared in (("emodb", True), ("nemo", False)):
        (tmp_path / "data" / corpus).mkdir(parents=True)
        found = audit()
        found["schemes"]["speaker"]["speakers_disjoint"] = not shared
        (tmp_path / "data" / corpus / "audit.json").write_text(json.dumps(found))
    models = {("mini.frozen", "all"): "emodb+nemo", ("mini.frozen", "others"): "nemo", ("chance", ""): ""}
    tests = ("emodb.single", "nemo.single", "*.single", "zed")
    rows = [row(system, test, "all", 0.4) | {"train": train} for test in tests for system, train in models.items()]
    rows[-1]["resampled"] = "utterance"
    pairs = [pair(("mini.frozen", "all"), ("chance", ""), "*.single", 0.5)]
    for path, content in ((inputs.SED_RESULTS, rows), (inputs.SED_SIGNIFICANCE, pairs)):
        with open(tmp_path / "exp" / path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    own = Sed(encoders=["mini"], corpora=["emodb", "nemo"])
    found = inputs.diarization(Experiment(corpora=["emodb", "nemo"], encoders=["mini"], sed=own))
    assert {(r.system, r.test): r.marks for r in found.rows if r.marks} == {
        (("mini.frozen", "all"), "emodb.single"): "‖", (("mini.frozen", "all"), "*.single"): "‖",
        (("chance", ""), "zed"): "¶",
    }  # fmt: skip
    shown = {table.key: table for table in sed.tables(found)}
    assert shown["sed"].marks == "¶‖" and shown["sed-tests"].marks == "‖"
    assert "**Beforehand: on *.single no difference could be significant" in shown["sed-tests"].caption


def test_what_is_worse_than_guessing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", encoders=[Encoder("big", 1)], heads=["linear"])
    monkeypatch.chdir(world.root)
    draw_only(monkeypatch)
    collect.main([])
    table = world.root / "exp/results.csv"
    results = read_csv(table)
    worst = next(row for row in results if row["layer"] == "dev" and row["train"] != row["test"])
    worst |= {"ua": "0.1", "ua_lo": "0.05", "ua_hi": "0.15"}
    csv_file.write(table, list(results[0]), results)
    make.main([])
    page = Page((world.root / "exp/report/index.html").read_text(encoding="utf-8"))
    (line,) = (line for line in page.prose if line.startswith("Below chance"))
    assert "1 condition lies below guessing" in line and "10.0 [5.0, 15.0]" in line
    assert "cross, trained on" in page.sections["conditions"]


def test_a_head_that_is_best_on_test_alone_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", encoders=[Encoder("big", 3)], heads=["linear", "mlp"])
    monkeypatch.chdir(world.root)
    draw_only(monkeypatch)
    collect.main([])
    rows = where(read_csv(world.root / "exp/summary.csv"), layer="dev", group="within")
    best, other = sorted(rows, key=lambda row: -float(row["ua"]))
    # As if dev had preferred the one that is worse on test.
    table = world.root / "exp/results.csv"
    results = read_csv(table)
    for one in results:
        if one["dev_ua"]:
            one["dev_ua"] = "0.9" if one["method"] == other["method"] else "0.1"
    csv_file.write(table, list(results[0]), results)
    make.main([])
    page = Page((world.root / "exp/report/index.html").read_text(encoding="utf-8"))
    line = next(line for line in page.sections["encoders"].splitlines() if "Within corpora" in line)
    assert f"with the {other['method']} head (of 2 the best by dev UA)" in line and best["method"] not in line
    answer = section((world.root / "RESULTS.md").read_text(encoding="utf-8"), "Answer")
    head = other["method"]
    assert f"**Within corpora** (`{head}`, what {head} is, dev's choice of 2)" in answer
    assert f"`{best['method']}`" not in answer


def test_where_baselines_alone_were_run_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", encoders=[Encoder("random", 3, init="random")])
    monkeypatch.chdir(world.root)
    draw_only(monkeypatch)
    collect.main([])
    make.main([])
    answer = section((world.root / "RESULTS.md").read_text(encoding="utf-8"), "Answer")
    assert "**Within corpora**: baselines alone were run; `random` reaches " in answer and "Nothing has" not in answer
