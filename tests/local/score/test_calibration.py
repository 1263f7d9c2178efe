"""Calibration of headlines, against the posteriors that hyp holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from local.score import collect
from tests.local.score.spoken import spoken_world
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, read_csv, where
from utils import calibration


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpora = [Corpus("uno", "it"), Corpus("zwei", "de", speakers=1, each=30)]
    root = tmp_path_factory.mktemp("made") / "toy"
    spoken_world(root, corpora=corpora, encoders=[Encoder("big", 3)], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        collect.main([])
    return root


def posteriors(path: Path) -> list[tuple[np.ndarray, np.ndarray, list[str]]]:
    """Classes, posteriors and speakers, a seed each."""
    lines = [line.split() for line in (path / "hyp").read_text().splitlines()[1:]]
    return [
        (
            np.array([EMOTIONS.index(line[0].split("-")[1][:-1].rstrip("0123456789")) for line in own]),
            np.array([[float(share) for share in line[4:]] for line in own]),
            [line[0].split("-")[0] for line in own],
        )
        for seed in "01" for own in [[line for line in lines if line[2] == seed]]
    ]  # fmt: skip


def test_scores_are_means_over_seeds(made: Path) -> None:
    for row in read_csv(made / "exp/calibration.csv"):
        runs = posteriors(made / f"exp/probe/big.linear.{row['train']}-{row['test']}")
        pairs = [(p.max(axis=1), p.argmax(axis=1) == r) for r, p, _ in runs]
        expected = {
            "confidence": np.mean([c.mean() for c, _ in pairs]),
            "accuracy": np.mean([right.mean() for _, right in pairs]),
            "ece": np.mean([calibration.reliability(*pair).ece for pair in pairs]),
            "brier": np.mean([brier_score_loss(r, p, labels=range(4), scale_by_half=False) for r, p, _ in runs]),
            "log_loss": np.mean([log_loss(r, np.maximum(p, 5e-6), labels=range(4)) for r, p, _ in runs]),
        }  # fmt: skip
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(value, abs=2e-4)
        surplus = float(row["overconfidence"])
        assert surplus == pytest.approx(expected["confidence"] - expected["accuracy"], abs=2e-6)
        for name in ("overconfidence", "ece", "brier"):
            assert float(row[f"{name}_lo"]) < float(row[name]) < float(row[f"{name}_hi"])
        assert 0 < float(row["ece_chance"]) < 0.2
        headlines = where(read_csv(made / "exp/results.csv"), fold="all", layer="dev", train=row["train"])
        assert row["accuracy"] == where(headlines, test=row["test"])[0]["wa"]
        assert row["speakers"] == {"uno": "8", "zwei": "1"}[row["test"]]


def test_bins_pool_all_conditions_of_a_group(made: Path) -> None:
    rows = read_csv(made / "exp/reliability.csv")
    assert {row["group"] for row in rows} == {"within", "across"}
    for group, pairs in (("within", ("uno-uno", "zwei-zwei")), ("across", ("uno-zwei", "zwei-uno"))):
        own = where(rows, group=group)
        runs = [run for pair in pairs for run in posteriors(made / f"exp/probe/big.linear.{pair}")]
        assert sum(int(row["n"]) for row in own) == sum(len(r) for r, _, _ in runs)
        confidence = np.concatenate([p.max(axis=1) for _, p, _ in runs])
        total = sum(int(row["n"]) * float(row["confidence"]) for row in own)
        assert total == pytest.approx(confidence.sum(), rel=1e-5)
        for row in own:
            assert float(row["bin"]) - 1 / 15 - 1e-6 <= float(row["confidence"]) <= float(row["bin"]) + 1e-6
