"""Dropout that does not take a quarter of the training time on a CPU, nor keep what it can do without.

torch draws a double for every element there, one after the other, and keeps a float of each for the gradient; here it
is 16 bits, from a generator that is seeded by torch's own, so that a run can still be repeated and resumed to the bit,
and what is kept is a bit an element.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

_STEPS = 1 << 16


class Dropout(nn.Dropout):
    """As ``torch.nn.Dropout``, with a probability that is rounded to a multiple of 2**-16 on a CPU.

    Parameters
    ----------
    p : float
        Share of the elements that are set to zero in training mode; the others are scaled to keep the mean.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply it; any shape."""
        return dropout(x, self.p) if self.training else x


def dropout(x: torch.Tensor, p: float) -> torch.Tensor:
    """Drop so large a share of the elements of a tensor of any shape, and scale the others."""
    return _Dropped.apply(x, p) if drops(x, p) else nn.functional.dropout(x, p)


def drops(x: torch.Tensor, p: float) -> bool:
    """Tell whether :func:`draw` can say what of a tensor is dropped: on a CPU, and some but not all."""
    return x.device.type == "cpu" and 0 < round(p * _STEPS) < _STEPS


def draw(x: torch.Tensor, p: float) -> torch.Tensor:
    """Draw which elements of a tensor are kept: a bit each, packed into uint8."""
    size, generator = x.numel(), np.random.SFC64(int(torch.randint(1 << 62, ())))
    drawn = generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
    return torch.from_numpy(np.packbits(drawn >= round(p * _STEPS)))


def apply(x: torch.Tensor, kept: torch.Tensor, p: float) -> torch.Tensor:
    """Give a tensor, or its gradient, without what is dropped of it, the rest scaled to keep the mean."""
    bits = torch.from_numpy(np.unpackbits(kept.numpy(), count=x.numel())).view(x.shape)
    return bits.to(x.dtype).mul_(x).mul_(_STEPS / (_STEPS - round(p * _STEPS)))


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor, p: float) -> torch.Tensor:
        kept = draw(x, p)
        ctx.save_for_backward(kept)
        ctx.p = p
        return apply(x, kept, p)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return apply(gradient, *ctx.saved_tensors, ctx.p), None


def speed_up(model: nn.Module) -> None:
    """Replace all of a model's ``torch.nn.Dropout``, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p).train(child.training))
