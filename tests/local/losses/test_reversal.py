"""Gradient reversal against finite differences, and what an adversary takes away."""

from __future__ import annotations

import pytest
import torch

from local.losses.reversal import ramp, reverse


def test_the_gradient_is_the_opposite_of_finite_differences() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(3, 2, generator=rng, dtype=torch.float64)

    def loss(value: torch.Tensor) -> torch.Tensor:
        return torch.tanh(value @ matrix).square().sum()

    loss(reverse(x, 0.7)).backward()
    step, found = 1e-6, torch.zeros_like(x)
    for place in range(x.numel()):
        moved = torch.zeros(x.numel(), dtype=torch.float64)
        moved[place] = step
        moved = moved.view_as(x)
        found.view(-1)[place] = (loss(x.detach() + moved) - loss(x.detach() - moved)) / (2 * step)
    assert torch.allclose(x.grad, -0.7 * found, atol=1e-8)
    assert torch.equal(reverse(x, 0.7), x)


def test_each_run_has_a_strength_of_its_own() -> None:
    x = torch.ones(2, 3, 4, requires_grad=True)
    reverse(x, torch.tensor([0.0, 2.0])[:, None, None]).sum().backward()
    assert torch.equal(x.grad, torch.stack([torch.zeros(3, 4), torch.full((3, 4), -2.0)]))


def test_the_ramp_rises_from_nothing() -> None:
    values = [ramp(step / 20) for step in range(21)]
    assert values[0] == 0 and values == sorted(values) and values[-1] == pytest.approx(1, abs=1e-3)
