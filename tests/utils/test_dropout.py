"""Our dropout does what torch's does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from utils.dropout import Dropout, speed_up


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_share_and_scale_are_torchs(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1000)
    ours, theirs = Dropout(p)(x), nn.Dropout(p)(x)
    assert (ours == 0).float().mean() == pytest.approx(p, abs=0.002)
    assert ours.max() == pytest.approx(float(theirs.max()), rel=1e-4) and len(ours.unique()) == 2
    assert ours.mean() == pytest.approx(1, abs=0.004)
    # No pattern along either dimension.
    assert (ours == 0).float().mean(dim=0).std() == pytest.approx((p * (1 - p) / 1000) ** 0.5, rel=0.15)
    assert (ours == 0).float().mean(dim=1).std() == pytest.approx((p * (1 - p) / 1000) ** 0.5, rel=0.15)


def test_gradients_pass_where_values_do() -> None:
    x = torch.randn(64, 64, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    assert torch.allclose(x.grad[y != 0], torch.full((int((y != 0).sum()),), 1 / 0.7), rtol=1e-4)


def test_torchs_seed_decides_and_every_call_differs() -> None:
    x = torch.ones(10_000)
    torch.manual_seed(3)
    first, second = Dropout(0.5)(x), Dropout(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(x), first) and not torch.equal(first, second)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_extremes_are_torchs(p: float) -> None:
    assert torch.equal(Dropout(p)(torch.ones(9)), nn.Dropout(p)(torch.ones(9)))


def test_all_of_a_model_is_replaced_and_evaluation_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), nn.ModuleDict({"a": nn.Dropout(0.1)})).eval()
    speed_up(model)
    assert isinstance(model[1], Dropout) and model[1].p == 0.2 and isinstance(model[2]["a"], Dropout)
    x = torch.randn(3, 4)
    assert torch.equal(model[1](x), x) and not model[1].training


def test_draws_are_those_of_numpys_generator() -> None:
    x = torch.ones(7, 11, dtype=torch.float64)
    torch.manual_seed(5)
    seed = int(torch.randint(1 << 62, ()))
    drawn = np.random.Generator(np.random.SFC64(seed)).integers(1 << 16, size=77, dtype=np.uint16).reshape(7, 11)
    torch.manual_seed(5)
    assert np.array_equal(Dropout(0.3)(x).numpy() > 0, drawn >= round(0.3 * (1 << 16)))


def test_a_bit_an_element_is_kept() -> None:
    kept = []
    x = torch.randn(100, 80, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.nbytes) or one, lambda one: one):
        Dropout(0.1)(x)
    assert sum(kept) == 100 * 80 / 8
