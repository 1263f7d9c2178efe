"""What heads that are kept from fold to fold are worth, in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.report import inputs
from local.report.tables import carried
from local.score import collect
from tests.local.report.test_tuned import read
from tests.local.score.synthetic import Corpus, read_csv, small_world, where


def test_kept_heads_stand_beside_fresh_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", corpora=[Corpus("uno", "it", speakers=12), Corpus("zwei", "de", speakers=14)])
    big = next(encoder for encoder in world.encoders if encoder.name == "big")
    world.write_tuned(big, "head", ["uno"], "uno", gain=-0.3, carry_head=False)
    world.write_tuned(big, "head", ["uno"], "uno", gain=0.1, carry_head=True)
    monkeypatch.chdir(world.root)
    first = {"big.head.uno": (0.31, 0.34), "big.head.uno.carry_head=True": (0.31, 0.62)}
    for name, accuracies in first.items():
        for fold, ua in enumerate(accuracies):
            path = Path("exp") / inputs.MODELS / name / f"fold{fold}.seed0" / "curve.csv"
            path.parent.mkdir(parents=True)
            lines = [f"uno,{epoch},1.0,{ua + epoch - 1},0.9,0.4,0.1" for epoch in (1, 2)]
            path.write_text("\n".join(["train,epoch,train_loss,train_ua,dev_loss,dev_ua,seconds", *lines]) + "\n")
    collect.main([])
    content = read()
    table = carried.table(content)
    (row,) = [dict(zip(table.header, (cell.text for cell in cells), strict=True)) for cells in table.rows]
    assert (row["first epoch, fresh"], row["first epoch, kept"]) == ("31 34", "31 62")
    (test,) = where(read_csv(Path("exp/significance.csv")), a="big.head", b="big.head.carry_head=true")
    ends = sorted((-100 * float(test["lo"]), -100 * float(test["hi"])))
    assert row["worth"] == f"{-100 * float(test['diff']):.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"
    assert float(row["kept"]) - float(row["fresh"]) == pytest.approx(-100 * float(test["diff"]), abs=0.11)
    (sentence,) = carried.sentences(content)
    assert sentence.startswith(
        f"A head kept from fold to fold is worth **{row['worth']} points** to `big` (head; on uno"
    )


def test_there_is_no_such_table_where_heads_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy")
    monkeypatch.chdir(world.root)
    collect.main([])
    assert not carried.table(read()).rows and not carried.sentences(read())
