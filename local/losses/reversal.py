"""Gradient reversal: what comes before it learns to defeat what comes after it.

Source: Y. Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17, 2016, section 4.2; the ramp is that
of its section 5.2.2.
"""

from __future__ import annotations

import math

import torch

GAMMA = 10.0  # how steep the ramp is


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(strength)
        return x.view_as(x)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (strength,) = context.saved_tensors
        return -strength * gradient, None


def reverse(x: torch.Tensor, strength: torch.Tensor | float) -> torch.Tensor:
    """Give x as it is, and its gradient times ``-strength`` (a number, or a tensor that broadcasts)."""
    return _Reversal.apply(x, torch.as_tensor(strength, dtype=x.dtype, device=x.device))


def ramp(progress: float) -> float:
    """Tell how strong the reversal is when a share of training is over: from 0 to nearly 1.

    Examples
    --------
    >>> ramp(0.0), round(ramp(0.5), 4), round(ramp(1.0), 4)
    (0.0, 0.9866, 0.9999)
    """
    return 2 / (1 + math.exp(-GAMMA * progress)) - 1
