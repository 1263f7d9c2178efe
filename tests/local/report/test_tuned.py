"""Tuned encoders in the report: worded as such, with what they train, and tested against training the head alone."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local import experiment
from local.grid import manifest
from local.report import inputs
from local.report.figures import curves
from local.report.material import System
from local.report.tables import comparisons, results
from local.score import collect
from tests.local.report.page import Page, section
from tests.local.report.test_make import build
from tests.local.score.synthetic import Corpus, World, read_csv, small_world, where
from utils.errors import UserError

TWO_STAGE = "lora+ba.source=uno"


def tune(world: World, **factors: object) -> World:
    """Add tuned conditions, `lora` much better than `head`, and ask for them; ``factors`` are not as usual."""
    big = next(encoder for encoder in world.encoders if encoder.name == "big")
    for train, test in ((["uno"], "uno"), (["uno"], "zwei"), (["zwei"], "zwei")):
        for strategy, gain, params in (("head", -0.4, 3076), ("lora+ba", 0.1, 1_234_567)):
            world.write_tuned(big, strategy, train, test, gain=gain, params=params, **factors)
    world.write_tuned(big, "lora+ba", ["zwei"], "zwei", source=["uno"], gain=0.1, params=1_300_000, **factors)
    path = world.root / "conf/experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["finetune"] = {
        "encoders": ["big"], "strategies": ["head", "ba+lora"], "pairs": ["within", "uno:zwei"],
        "also": [{"strategies": ["ba+lora"], "pairs": ["uno>zwei:zwei"]}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config))
    return world


def read_in(world: World) -> inputs.Inputs:
    """Read what stage 5 wrote in a world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.root)
        return read()


def read() -> inputs.Inputs:
    """Read what stage 5 wrote in the working directory."""
    arguments = argparse.Namespace(config=Path("conf/experiment.yaml"), overrides=[])
    content = inputs.load("toy", experiment.load(arguments))
    assert content is not None
    return content


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    corpora = [Corpus("uno", "it", speakers=12), Corpus("zwei", "de", speakers=14)]
    return tune(small_world(tmp_path_factory.mktemp("made") / "toy", corpora=corpora))


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)


def test_frozen_and_tuned_are_told_apart(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    asked, whole = page.sections["what-was-run"], "".join(page.text)
    assert "Encoders (frozen): big, flat. Heads: linear." in asked
    assert "Encoders (tuned): big, each cut behind the layer that the probes' dev chose" in asked
    assert page.tables["methods"][1:] == [
        ["linear", "head of a frozen encoder's layer", "what linear is"],
        ["head", "tuning", "what head trains"],
        ["lora+ba", "tuning", "what lora+ba trains"],
        ["lora+ba after uno", "tuning", "what lora+ba trains; in two stages, first on uno"],
    ]
    assert "features of frozen encoders standardised" in asked
    assert "what is gained by tuning the encoder" in section(text, "Question")
    assert "lora+ba head" not in whole and "UA by condition: strategy lora+ba after uno" in whole
    assert re.search(r"Within corpora, big has a UA of \d[^.]*\.\d [^.]*\.\d[^.]*\.\d\] tuned by lora\+ba", whole)
    # Two-stage training has one condition of two: its mean does not compare.
    assert "Means over fewer conditions than others" in page.blocks["means"]
    assert any(row[1] == "lora+ba after uno" for row in page.tables["means"])
    means = results.means(read_in(world))
    assert not any(row[3].best for row in means.rows if row[1].text == "lora+ba after uno")
    ((encoder, _, layer, *_),) = page.tables["selected"][1:]
    assert encoder == "big" and int(layer) >= 0


def test_every_table_with_tuned_encoders_counts_what_is_trained(documents: tuple[str, Page]) -> None:
    _, page = documents
    shown = {
        key: page.blocks[key] + str(rows) for key, rows in page.tables.items()
        if "lora+ba" in page.blocks[key] + str(rows) and key not in ("headline", "methods", "tuning")
    }  # fmt: skip
    assert len(shown) >= 7
    for key, block in shown.items():
        assert "1,234,567" in block or "1,300,000" in block, key
    header, *rows = page.tables["all"]
    found = {(r[0], r[1], r[3].split()[0]): dict(zip(header, r, strict=True)) for r in rows if r[0] == "big"}
    assert found["big", "head", "uno"]["parameters"] == found["big", "linear", "uno"]["parameters"] == "3,076"
    # The layer above which an encoder is cut, by how many folds.
    assert found["big", "lora+ba", "uno"]["layers"] == "3 (2), 4 (2)"


def test_strategies_stand_beside_the_head_alone(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    assert "Whatever is tuned, the encoder is cut behind one layer in each fold and seed" in page.blocks["strategies"]
    header, *rows = page.tables["strategies"]
    assert header[4:] == [
        "n", "speakers", "head", "lora+ba", "lora+ba after uno", "lora+ba − head", "lora+ba after uno − lora+ba",
    ]  # fmt: skip
    table = read_csv(world.root / "exp/significance.csv")
    scored = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev", stage="finetune")
    assert len(rows) == 3
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        train, test = (cells[key].split()[0] for key in ("train", "test"))
        for method in ("head", "lora+ba"):
            result = where(scored, method=method, train=train, test=test)[0]
            assert cells[method].startswith(f"{100 * float(result['ua']):.1f} [")
        pair = where(table, a="big.head", b="big.lora+ba", train=train, test=test)[0]
        difference = -100 * float(pair["diff"])
        assert cells["lora+ba − head"].startswith(f"{difference:+.1f} [{-100 * float(pair['hi']):+.1f}, ")
        assert difference > 20 and "p < 0.05" not in cells["lora+ba − head"]
        assert (cells["lora+ba after uno"] != "–") == (train == "zwei")
    # Pairs differ in one factor; all gains of the table, three over the head and one of a first stage, are a family.
    pairs = where(table, train="zwei", test="zwei", stage="finetune")
    assert {(row["a"], row["b"]) for row in pairs} == {
        ("big.head", "big.lora+ba"), ("big.lora+ba", f"big.{TWO_STAGE}"),
    }  # fmt: skip
    gains = where(table, family="gains")
    least = min(gains, key=lambda row: float(row["p"]))
    assert len(gains) == 4 and float(least["p_holm"]) == pytest.approx(4 * float(least["p"]), rel=1e-4)
    names, *summary = page.tables["tuning"]
    summed = {row[0]: dict(zip(names[:4], row, strict=False)) for row in summary}
    assert summed["lora+ba"]["over"] == "head" and summed["lora+ba"]["conditions"] == "3"
    # What a first stage of training is good for is the difference to the second one alone.
    cells = next(dict(zip(header, row, strict=True)) for row in rows if row[1].startswith("zwei"))
    pair = where(pairs, b=f"big.{TWO_STAGE}")[0]
    difference = f"{-100 * float(pair['diff']):+.1f} [{-100 * float(pair['hi']):+.1f}, {-100 * float(pair['lo']):+.1f}]"
    assert cells["lora+ba after uno − lora+ba"].startswith(f"{difference}, p ")
    once = next(row for row in summary if row[0] == "lora+ba after uno")
    assert once[1:7] == ["lora+ba", "1", difference, "big, zwei to zwei", difference, "big, zwei to zwei"]


def test_signs_follow_who_is_compared_with_whom(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.root)
    collect.main([])
    content = read()
    head, lora = (
        next(r for r in content.results if r.tuned and r.system == System("big", m)) for m in ("head", "lora+ba")
    )
    found, mirrored = content.compared(lora, head.system), content.compared(head, lora.system)
    gain, loss = found.ahead(lora.system), mirrored.ahead(head.system)
    assert found is mirrored and (loss.ua, loss.lo, loss.hi) == (-gain.ua, -gain.hi, -gain.lo)
    assert gain.lo <= gain.ua <= gain.hi and gain.ua > 0
    assert next(g for r, g, _ in comparisons.gains(content, "lora+ba") if r is lora) == gain
    assert content.compared(lora, System("big", "full")) is None


def test_tuned_encoders_alone_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tune(small_world(tmp_path / "toy"), layer="last")
    (world.root / "exp/probe/manifest.jsonl").unlink()
    text, page = build(world, monkeypatch)
    asked = page.sections["what-was-run"]
    assert "(frozen)" not in asked and "standardised" not in asked and "cut behind its last layer" in asked
    assert page.tables["means"][0][:3] == ["encoder", "strategy", "parameters"]
    assert "layers chosen on dev (of tuned encoders: last)" in page.blocks["means"]
    assert "UA within, tuned (2)" in text


def test_conditions_that_are_asked_for_in_another_way_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    world = tune(small_world(tmp_path / "toy"))
    monkeypatch.chdir(world.root)
    Path("exp/probe/manifest.jsonl").unlink()
    asked = [replace(entry, settings="another") for entry in manifest.read(Path("exp/finetune"))]
    manifest.write(Path("exp/finetune"), asked)
    with pytest.raises(UserError, match="no finished condition"):
        collect.main([])
    assert "was made with other settings; run the finetune stage again" in capsys.readouterr().err


def test_both_stages_of_training_are_drawn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.root)
    collect.main([])
    assert list(curves.two_stage(read())) == []
    for fold in range(2):
        path = Path("exp") / inputs.MODELS / "big.lora+ba.zwei.source=uno" / f"fold{fold}.seed0" / "curve.csv"
        path.parent.mkdir(parents=True)
        rows = [("uno", 1, 1.2, 0.4), ("uno", 2, 1.3, 0.5), ("zwei", 1, 1.1, 0.5), ("zwei", 2, 0.9, 0.6)]
        lines = [f"{name},{epoch},1.0,{loss},{ua},0.1" for name, epoch, loss, ua in rows]
        path.write_text("\n".join(["train,epoch,train_loss,dev_loss,dev_ua,seconds", *lines]) + "\n")
    (figure,) = curves.two_stage(read())
    (axes,) = figure.draw().axes
    first, kept, second, best = axes.lines[:4]
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([1, 2], [3, 4])
    # The first stage ends with its first epoch's weights, whose dev loss is the lowest.
    assert (list(kept.get_xdata()), list(best.get_xdata())) == ([1], [4])
    assert second.get_ydata() == pytest.approx([50, 60])


def test_methods_are_explained_by_what_their_conditions_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.root)
    collect.main([])
    path = Path("exp") / inputs.CONFUSION
    before = path.read_text(encoding="utf-8")
    made = json.loads(before)
    for condition in made["conditions"]:
        name = condition["meta"]["factors"]["method"]
        condition["meta"]["words"] = {} if name == "head" else {"method": f"a & b of {condition['meta']['stage']}"}
    path.write_text(json.dumps(made), encoding="utf-8")
    rows = {row[0].text: row[2].text for row in results.methods(read()).rows}
    path.write_text(before, encoding="utf-8")
    assert rows["linear"] == "a & b of probe" and rows["head"] == "–" and rows["lora+ba"] == "a & b of finetune"
    assert rows["lora+ba after uno"] == "a & b of finetune; in two stages, first on uno"
