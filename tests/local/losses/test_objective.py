"""The forms of the cross entropy against torch's own, against loops by hand, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from local.losses import beside, parse
from local.losses.objective import balanced, classify

LABELS = torch.tensor([0, 2, 1, 1, 3, 0, 0, 0, 2])


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return 3 * torch.randn(*shape, 9, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)


def by_hand(scores: np.ndarray, labels: list[int], gamma: float, weight: list[float]) -> float:
    """Lin and others 2017: - weight (1 - p)^gamma log p, the mean over utterances."""
    total = 0.0
    for row, label in zip(scores.tolist(), labels, strict=True):
        p = math.exp(row[label]) / sum(map(math.exp, row))
        total -= weight[label] * (1 - p) ** gamma * math.log(p)
    return total / len(labels)


@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0, 0.0]])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_the_focal_loss_is_the_loop(gamma: float, weight: list[float] | None) -> None:
    scores = drawn()
    given = None if weight is None else torch.tensor(weight)
    want = by_hand(scores.numpy(), LABELS.tolist(), gamma, weight or [1.0] * 4)
    assert float(classify(scores, LABELS, gamma=gamma, weight=given)) == pytest.approx(want, rel=1e-9)
    shares = functional.one_hot(LABELS, 4).double()
    assert float(classify(scores, LABELS, shares, gamma, given)) == pytest.approx(want, rel=1e-9)


def test_at_gamma_0_it_is_cross_entropy_to_the_bit() -> None:
    found = []
    for gamma in (None, 0.0):
        scores = drawn(dtype=torch.float32).requires_grad_()
        loss = classify(scores, LABELS, gamma=gamma)
        loss.backward()
        found.append((loss.detach(), scores.grad))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    theirs = functional.cross_entropy(scores.detach(), LABELS)
    assert float(found[0][0]) == pytest.approx(float(theirs), rel=1e-6)


def test_runs_side_by_side_have_a_gamma_each() -> None:
    scores, gamma = drawn(3, 2), torch.tensor([[0.0], [1.0], [2.5]])
    together = classify(scores, LABELS, gamma=gamma)
    alone = [[classify(scores[k, layer], LABELS, gamma=float(gamma[k, 0])) for layer in range(2)] for k in range(3)]
    assert torch.allclose(together, torch.tensor(alone, dtype=torch.float64))


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_gradients_are_finite_however_sure_a_head_is(gamma: float) -> None:
    scores = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    classify(scores, torch.tensor([0, 0]), gamma=gamma).backward()
    assert scores.grad.isfinite().all() and float(scores.grad[1, 0]) < -0.4


def test_weighted_it_is_torchs_but_for_the_divisor() -> None:
    scores, weight = drawn(), balanced(LABELS.numpy(), 4)
    total = functional.cross_entropy(scores, LABELS, weight=weight.double(), reduction="sum")
    assert float(classify(scores, LABELS, weight=weight)) == pytest.approx(float(total) / len(LABELS), rel=1e-9)
    # Over all that the weights were counted on, torch's mean, over the weights' sum, is the same.
    mean = functional.cross_entropy(scores, LABELS, weight=weight.double())
    assert float(classify(scores, LABELS, weight=weight)) == pytest.approx(float(mean), rel=1e-6)


def test_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    theirs = compute_class_weight("balanced", classes=np.arange(4), y=LABELS.numpy())
    np.testing.assert_allclose(balanced(LABELS.numpy(), 4).numpy(), theirs, rtol=1e-6)


def test_what_trains_something_of_its_own_stands_beside() -> None:
    assert parse("weighted+grl+focal") == ["focal", "weighted", "grl"]
    assert beside("weighted+grl+focal") == ["grl"] and beside("ce") == beside("focal") == []
