"""Encoders compared by a mixed model: which contrasts, and what they are where the answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.score import collect
from tests.local.score.spoken import spoken_world
from tests.local.score.synthetic import Corpus, Encoder, read_csv, where


def made(root: Path, corpora: list[Corpus], patch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    encoders = [Encoder("big", 3, 0.85), Encoder("flat", 1, 0.6), Encoder("same", 1, 0.6)]
    spoken_world(root, corpora=corpora, encoders=encoders, heads=["linear", "mlp"])
    patch.chdir(root)
    collect.main([])
    return read_csv(root / "exp/mixed.csv")


def test_with_equal_shares_the_estimate_is_the_difference_of_mean_ua(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made(tmp_path, [Corpus("uno", "it"), Corpus("due", "it", speakers=12)], monkeypatch)
    tests = where(read_csv(tmp_path / "exp/significance.csv"), train="*")
    plain = {(row["a"], row["b"], row["setting"]): float(row["diff"]) for row in tests}
    assert len(rows) == 3 * 2 * 2  # pairs of encoders, heads, within and across
    for row in rows:
        assert float(row["diff"]) == pytest.approx(plain[row["a"], row["b"], row["setting"]], abs=1e-3)
        assert (row["corpora"], row["var_corpus"], row["test"]) == ("fixed", "", "uno+due")
        assert (row["speakers"], row["sentences"], row["n"]) == ("20", "10", "400")
        assert row["family"] == f"mixed {row['setting']}" and row["family_size"] == "6"
        assert float(row["lo"]) < float(row["diff"]) < float(row["hi"])
    clear = where(rows, a="big.linear", b="flat.linear", setting="within")[0]
    assert float(clear["diff"]) > 0.05 and float(clear["p_holm"]) < 0.05


@pytest.mark.integration
def test_three_corpora_are_a_sample_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora = [Corpus("uno", "it"), Corpus("due", "it"), Corpus("tre", "it", speakers=1, each=20)]
    rows = made(tmp_path, corpora, monkeypatch)
    assert {row["corpora"] for row in rows} == {"random"}
    for row in rows:
        variances = [float(row[f"var_{name}"]) for name in ("speaker", "sentence", "corpus", "residual")]
        assert min(variances) >= 0 and variances[-1] > 0
        # The one speaker of a corpus is that corpus.
        assert row["speakers"] == "16"


def test_single_speakers_say_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not made(tmp_path, [Corpus("uno", "it", speakers=1), Corpus("due", "it", speakers=1)], monkeypatch)
