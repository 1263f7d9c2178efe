"""Metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from utils import metrics

labels = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n)] * 2)
)  # fmt: skip


@given(labels)
def test_every_metric_is_scikit_learns(pair: tuple[list[int], list[int]]) -> None:
    reference, hypothesis = pair
    counts = metrics.confusion(reference, hypothesis, 4)
    assert (counts == oracle.confusion_matrix(reference, hypothesis, labels=range(4))).all()
    present = sorted(set(reference))
    recall = oracle.recall_score(reference, hypothesis, labels=present, average=None, zero_division=0)
    assert metrics.recalls(counts)[present] == pytest.approx(recall)
    assert np.isnan(np.delete(metrics.recalls(counts), present)).all()
    assert metrics.unweighted_accuracy(counts) == pytest.approx(recall.mean())
    assert metrics.weighted_accuracy(counts) == pytest.approx(oracle.accuracy_score(reference, hypothesis))
    assert metrics.macro_f1(counts) == pytest.approx(
        oracle.f1_score(reference, hypothesis, average="macro", zero_division=0)
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_ua_is_balanced_accuracy() -> None:
    rng = np.random.default_rng(0)
    reference, hypothesis = rng.integers(0, 5, (2, 400))
    counts = metrics.confusion(reference, hypothesis, 5)
    assert metrics.unweighted_accuracy(counts) == pytest.approx(
        oracle.balanced_accuracy_score(reference, hypothesis)
    )  # fmt: skip


def test_leading_axes_are_kept() -> None:
    rng = np.random.default_rng(0)
    reference, hypothesis = rng.integers(0, 4, 50), rng.integers(0, 4, (2, 3, 50))
    counts = metrics.confusion(reference, hypothesis, 4)
    assert counts.shape == (2, 3, 4, 4)
    for score in (metrics.recalls, metrics.unweighted_accuracy, metrics.weighted_accuracy, metrics.macro_f1):
        one_by_one = [[score(metrics.confusion(reference, h, 4)) for h in row] for row in hypothesis]
        assert score(counts) == pytest.approx(np.array(one_by_one))


def test_a_class_that_is_not_there_is_an_error() -> None:
    for reference, hypothesis in (([0, 4], [0, 0]), ([0, 1], [0, -1])):
        with pytest.raises(ValueError, match="not in 0..3"):
            metrics.confusion(reference, hypothesis, 4)


def test_no_utterance_has_no_score() -> None:
    counts = np.zeros((4, 4))
    for score in (metrics.unweighted_accuracy, metrics.weighted_accuracy, metrics.macro_f1):
        assert np.isnan(score(counts))
