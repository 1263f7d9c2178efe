"""Values of a factor side by side: systems are told apart wherever they stand, and compared one factor at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.report import contents
from local.report.figures.drawing import Figure, folded
from local.report.figures.layers import LETTERS
from local.report.tables import audit as audit_tables
from tests.local.report.page import Page, section
from tests.local.report.test_make import audit, build, percent
from tests.local.report.test_tuned import read, tune
from tests.local.score.synthetic import Corpus, Encoder, World, read_csv, small_world, where

PLAIN, OTHER, ONCE, TWICE = "linear", "linear standardised per-corpus", "lora+ba", "lora+ba after uno"
SYSTEMS = {  # as tables for people and as files name them, with their factors
    ("big", PLAIN): ("big.linear", "linear", "train", ""),
    ("big", OTHER): ("big.linear.normalise=per-corpus", "linear", "per-corpus", ""),
    ("flat", PLAIN): ("flat.linear", "linear", "train", ""),
    ("flat", OTHER): ("flat.linear.normalise=per-corpus", "linear", "per-corpus", ""),
    ("big", "head"): ("big.head", "head", "", "none"),
    ("big", ONCE): ("big.lora+ba", "lora+ba", "", "none"),
    ("big", TWICE): ("big.lora+ba.source=uno", "lora+ba", "", "uno"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    encoders = [Encoder("big", 3, 0.85, ["it"]), Encoder("flat", 1, 0.7)]
    world = small_world(tmp_path_factory.mktemp("made") / "toy", encoders=encoders)
    for encoder in encoders:
        for train, test in world.all_pairs():
            world.write_condition(encoder, "linear", train, test, normalise="per-corpus")
    return tune(world)


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)


def test_files_have_a_column_a_factor(world: World, documents: tuple[str, Page]) -> None:
    for name in ("results.csv", "summary.csv"):
        found = {
            (row["system"], row["method"], row["normalise"], row["source"])
            for row in read_csv(world.root / "exp" / name)
        }
        assert found == set(SYSTEMS.values())


def test_every_table_tells_systems_apart(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    results = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    rows = page.rows("all")
    assert len(rows) == len(results) == 2 * 2 * 4 + 2 * 3 + 1
    for row in rows:
        system = SYSTEMS[row["encoder"], row["method"]][0]
        train, test = (row[key].split(" ")[0] for key in ("train", "test"))
        (own,) = where(results, system=system, train=train, test=test)
        assert row["UA"].rstrip("†‡‖") == percent(own, "ua", "ua_lo", "ua_hi")
    summary = where(read_csv(world.root / "exp/summary.csv"), layer="dev", group="within")
    means = {(row["encoder"], row["method"]): row["within"].rstrip("†‡‖") for row in page.rows("means")}
    assert means == {
        names: percent(where(summary, system=files[0])[0], "ua", "ua_lo", "ua_hi") for names, files in SYSTEMS.items()
    }
    for method, key in ((PLAIN, "conditions-linear"), (OTHER, "conditions-linear-standardised-per-corpus")):
        for row in page.rows(key):
            train, test = (row[name].split(" ")[0] for name in ("train", "test"))
            for encoder in ("big", "flat"):
                (own,) = where(results, system=SYSTEMS[encoder, method][0], train=train, test=test)
                assert row[encoder].rstrip("†‡‖") == percent(own, "ua", "ua_lo", "ua_hi")
    layers = [(row["encoder"], row["method"], row["layer"]) for row in page.rows("layers")]
    assert layers == [("big", method, str(layer)) for method in (PLAIN, OTHER) for layer in range(3)]


def test_comparisons_differ_in_one_factor(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    factors = {files[0]: (encoder, *files[1:]) for (encoder, _), files in SYSTEMS.items()}
    rows = read_csv(world.root / "exp/significance.csv")
    for row in rows:
        assert sum(a != b for a, b in zip(factors[row["a"]], factors[row["b"]], strict=True)) == 1
    one = [row for row in rows if row["train"] != "*"]
    pairs = {(row["a"], row["b"]) for row in one}
    normalised = ("big.linear", "big.linear.normalise=per-corpus")
    assert {normalised, ("big.lora+ba", "big.lora+ba.source=uno"), ("big.head", "big.lora+ba")} < pairs
    assert len(where(one, a=normalised[0], b=normalised[1])) == 4
    compared = {(row["a"].rstrip("†‡‖"), row["b"].rstrip("†‡‖")) for row in page.rows("compared")}
    names = {files[0]: ", ".join(words) for words, files in SYSTEMS.items()}
    assert compared == {(names[a], names[b]) for a, b in pairs}


def test_words_name_both_values(documents: tuple[str, Page]) -> None:
    _, page = documents
    asked = page.sections["what-was-run"]
    assert "standardised: by the training lists, or each corpus by its own training lists" in asked
    assert f"{PLAIN}, {OTHER}." in asked
    explained = {row["method"]: row["what it is"] for row in page.rows("methods")}
    assert explained[PLAIN] == explained[OTHER] == "what linear is"
    assert explained[TWICE] == "what lora+ba trains; in two stages, first on uno"
    families = "encoders in all conditions of one method (the table of that method); what strategies gain"
    assert families in page.blocks["compared"]
    for called in ("linear head", "linear head standardised per-corpus"):
        block = page.blocks[f"conditions-{called.replace(' head', '').replace(' ', '-')}"]
        assert f"UA by condition: {called}\n" in block
        assert f"UA in percent [95% interval] with the {called};" in block


def test_every_figure_tells_systems_apart(
    world: World, documents: tuple[str, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.text import Text

    monkeypatch.chdir(world.root)
    content = read()
    drawn = {}
    sections = contents.sections(contents.Sources(content.experiment, content))
    for figure in (block for _, blocks in sections for block in blocks if isinstance(block, Figure)):
        drawing = figure.draw()
        drawn[figure.name] = {text.get_text().replace("\n", " ") for text in drawing.findobj(Text)}
    named = {(system.encoder, system.method): content.name(system) for system in content.systems}
    assert named == {words: ", ".join(words) for words in SYSTEMS}
    assert set(named.values()) <= drawn["encoders"]
    for (encoder, method), name in named.items():
        panel = folded(name).replace("\n", " ")
        assert panel in drawn[f"matrix_{encoder}"] and panel in drawn[f"confusion_{encoder}"]
        groups = {result.group for result in content.results if result.system.method == method}
        assert {folded(f"{method}, {group}").replace("\n", " ") for group in groups} <= drawn["confusion"]
    assert {named["big", PLAIN], named["big", OTHER]} <= drawn["layers"]
    panels = {folded(f"uno (it), {method}", LETTERS).replace("\n", " ") for method in (PLAIN, OTHER)}
    assert panels <= drawn["layers_big"]


def test_marks_and_caveats_are_of_those_values_that_need_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = Encoder("flat", 1, 0.7)
    world = small_world(tmp_path / "toy", corpora=[Corpus("uno", "it"), Corpus("zwei", "de")], encoders=[flat])
    for own in ({"cross_dev": "target"}, {"split": "random"}):
        for train, test in world.all_pairs():
            world.write_condition(flat, "linear", train, test, **own)
    found = audit()
    mixed = found["schemes"]["speaker"] | {"summary": ["mixed"]}
    # Marked is what the audit found, not what a scheme is called; zwei was not audited.
    schemes = {"speaker": mixed | {"speakers_disjoint": True}, "random": mixed}
    (world.root / "data/uno/audit.json").write_text(json.dumps(found | {"schemes": schemes}))
    text, page = build(world, monkeypatch)
    marks: dict[str, set[str]] = {}
    for row in page.rows("all"):
        group = "within" if row["train"] == row["test"] else "across"
        marks.setdefault(f"{row['head']}, {group}", set()).add(row["UA"].partition("]")[2])
    assert marks == {
        "linear, within": {""}, "linear, across": {""},
        "linear dev of the target, within": {""}, "linear dev of the target, across": {"§"},
        "linear split random, within": {"‖"}, "linear split random, across": {""},
    }  # fmt: skip
    asked, caveats = page.sections["what-was-run"], section(text, "Limits")
    assert "(scheme speaker, random)" in asked
    assert "dev data of the training corpora, or of the test corpus, labelled" in asked
    assert "(cross_dev = target): all conditions across corpora of `linear dev of the target`." in caveats
    shared = "‖ the folds let speakers of the test into training or dev (audit)"
    assert f"{shared}: uno (random folds), zwei (random folds)" in caveats
    assert "Across corpora, where §, layers and epochs were chosen on labelled data of the test corpus." in caveats
    assert [row["corpus"] for row in page.rows("audit")] == ["uno (it), speaker folds", "uno (it), random folds"]
    assert ["uno (it), random folds", "mixed", ""] in page.tables["audit-words"]
    assert len(audit_tables.by_fold(read()).rows) == 4
