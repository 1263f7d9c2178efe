"""Logs as the published code prints them, with what else stands in them, become figure 1 beside ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.report import import_published
from local.report.study import Published
from tests.local.report.test_make import build
from tests.local.report.test_study import ROWS, refer
from tests.local.score.synthetic import small_world
from utils import csv_file
from utils.errors import UserError

BAR = b"Training:  45%|####6     | 23/50 [00:00<00:00, 229.99it/s]".replace(b"#", b"\xe2\x96\x88")


def accuracies(fold: int, best: int = 6) -> list[str]:
    return [f"{0.5 + 0.03 * (6 - abs(layer - best)) + 0.01 * fold:.4f}" for layer in range(13)]


def log(model: str, train: str, test: str, folds: range = range(5), dev: str | None = None) -> bytes:
    """What the runner prints, cut down to a layer's lines; a cut bar and a warning stand where they do."""
    parts = [b"usage: runner_layer_wise_analysis.py [-h] -m MODEL\n"]
    for fold in folds:
        parts.append(f"\n======================= This is fold_{fold} on {model} =======================\n".encode())
        loads = {"train": train, "test": test, "eval": dev or test}
        parts += [f"Loading {data} {part} data: fold_{fold}...\n".encode() for part, data in loads.items()]
        parts += [b"\nTraining layer 0...\nEpoch 1/100\n", BAR[:26], b"\n", BAR, b"Test loss: 2, Test accuracy: 0.4\n"]
        parts.append(b"warnings.warn(" + f"{model}, fold_{fold}, all layer accuracy: {accuracies(fold)}\n".encode())
        parts.append(f"{model}, fold_{fold}, all emo precision: {{'Angry': ['0.5']}}\n".encode())
    return b"".join(parts)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone/logs/layer_wise_analysis"
    folder.mkdir(parents=True)
    (folder / "cn.out").write_bytes(log("cn", "cn", "cn") + log("cn", "cn", "de"))
    (folder / "de.out").write_bytes(log("de", "cn", "cn", dev="cn"))
    return tmp_path / "clone"


def test_runs_of_a_log_are_told_apart(clone: Path) -> None:
    rows = import_published.read(clone)
    assert rows == import_published.read(clone / "logs/layer_wise_analysis")
    assert len(rows) == 3 * 5 * 13
    found = {(row["encoder"], row["setting"], row["train"], row["dev"], row["test"]) for row in rows}
    assert found == {
        ("wav2vec2_zh", "mono", "esd", "esd", "esd"), ("wav2vec2_zh", "cross", "esd", "pavoque", "pavoque"),
        ("wav2vec2_de", "trans", "esd", "esd", "esd"),
    }  # fmt: skip
    one = [row["ua"] for row in rows if row["setting"] == "cross" and row["fold"] == "3"]
    assert one == [f"{float(value):.6f}" for value in accuracies(3)]


def test_what_is_not_whole_is_named(clone: Path, capsys: pytest.CaptureFixture) -> None:
    path = clone / "logs/layer_wise_analysis/de.out"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"de, fold_3, all layer")])
    assert len(import_published.read(clone)) == (2 * 5 + 3) * 13
    assert "de.out: fold 3 was not finished and is left out" in capsys.readouterr().err
    for old, new, said in (
        (b"de, fold_2, all layer", b"fr, fold_2, all layer", "'fr' is not one of cn, de, en"),
        (b"de, fold_2, all layer accuracy: ['0", b"de, fold_2, all layer accuracy: ['7", "expected 13 accuracies"),
        (b"This is fold_2", b"That was 2", "nothing before it says which data"),
    ):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(UserError, match=said):
            import_published.read(clone)
    path.write_bytes(log("cn", "cn", "cn").replace(b"0.5000", b"0.4000"))
    with pytest.raises(UserError, match="says otherwise than .*cn.out of wav2vec2_zh, esd, esd, esd, 0"):
        import_published.read(clone)
    with pytest.raises(UserError, match=r"no logs \(\*\.out\)"):
        import_published.read(clone / "logs")
    for own in path.parent.glob("*.out"):
        own.write_bytes(b"Loading cn train data: fold_0...\n")
    with pytest.raises(UserError, match="none of its 2 logs has a line"):
        import_published.read(clone)


def test_it_is_drawn_beside_ours(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy")
    refer(world, ROWS[:1])
    _, page = build(world, monkeypatch, draw=["figure1"])
    assert "Figure 1 of the study" not in "".join(page.text)
    monkeypatch.setattr(sys, "argv", ["import_published", str(clone)])
    import_published.main()
    path = world.root / "exp/published/layers.csv"
    rows = csv_file.read(path)
    assert len(rows) == 3 * 5 * 13 and list(rows[0]) == list(import_published.COLUMNS)
    # As if the study had run one of our conditions.
    names = {"wav2vec2_zh": "big", "esd": "uno", "pavoque": "zwei"}
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "wav2vec2_de" not in line))
    text = path.read_text()
    for name, own in names.items():
        text = text.replace(name, own)
    path.write_text(text)
    _, page = build(world, monkeypatch, draw=["figure1"])
    assert "Figure 1 of the study, and ours" in "".join(page.text)
    drawing = (world.root / "exp/report/figure1.svg").read_text()
    assert "big, mono" in drawing and "uno to zwei" in drawing and ">ours<" in drawing and ">published<" in drawing


def test_published_means_are_as_uncertain_as_their_folds() -> None:
    row = Published("a", "cross", (), ("x",), "y", "lora", 56.0, (33.0, 74.5, 56.0, 61.5, 55.0))
    assert str(row) == "56.0 ± 15.0" and not row.doubtful
    # Student's t with 4 degrees of freedom times the standard error.
    assert row.half == pytest.approx(2.7764 * 15.048 / 5**0.5, abs=0.05)
    doubted = Published("a", "trans", ("x",), ("y",), "y", "lora", 85.8, (33.0, 75.0, 55.0, 72.0, 52.5))
    assert doubted.doubtful and str(doubted) == "85.8 (logs: 57.5 ± 16.9)" and doubted.logged == pytest.approx(57.5)
    alone = Published("a", "mono", (), ("x",), "x", "head", 91.4)
    assert (str(alone), alone.half, alone.doubtful) == ("91.4", 0.0, False)
