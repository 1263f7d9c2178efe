"""Strategy lora: low-rank matrices beside all matrices of attention and feed-forward layers (Hu et al. 2022; study A).

They act in the packed forward, which calls the matrices as modules; transformers' own attention of WavLM reads their
weights and would pass them by.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners import lora
from torch import nn
from torch.nn import functional

from utils import dropout

_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_FEED_FORWARD = ("intermediate_dense", "output_dense")


def apply(model: nn.Module, published_init: bool) -> None:
    """Add the matrices, which start as nothing."""
    config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.1, target_modules=[*_ATTENTION, *_FEED_FORWARD])
    inject_adapter_in_model(config, model.encoder.layers)
    for block in model.encoder.layers:
        for module in block.modules():
            if type(module) is lora.Linear:
                module.__class__ = Linear
        block.feed_forward.__class__ = type("FeedForward", (FeedForward, type(block.feed_forward)), {})


class FeedForward:
    """A feed-forward layer as transformers', whose second matrix makes its input itself, and anew for the gradient.

    That is four times as wide as a hidden state, and so is what it is made from, which has to be kept.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it; shapes (..., dim)."""
        if not isinstance(self.output_dense, Linear):  # merged
            return super().forward(x)
        inner = self.intermediate_dense(x)
        return self.output_dropout(self.output_dense(inner, self.intermediate_act_fn, self.intermediate_dropout))


class Linear(lora.Linear):
    """peft's, which in training on a CPU neither keeps nor computes what can be done without: W x + s B A drop(x).

    peft keeps a copy of x with its dropout, and passes four times over arrays of the size of the result. Here it is
    x alone, which the other matrices that read it share, with a bit an element for the dropout, and two products.
    """

    def forward(
        self, x: torch.Tensor, activation: nn.Module | None = None, dropped: nn.Dropout | None = None
    ) -> torch.Tensor:
        """Run it on an activation of x with dropout, if there is one; shapes (frames, ...)."""
        drop = self.lora_dropout["default"]
        if self.merged or not (torch.is_grad_enabled() and drop.training and dropout.drops(x, drop.p)):
            return super().forward(x if activation is None else dropped(activation(x)))
        base, low, high = self.base_layer, self.lora_A["default"].weight, self.lora_B["default"].weight
        before = activation, dropped.p if dropped is not None and dropout.drops(x, dropped.p) else 0.0
        return _Product.apply(x, base.weight, base.bias, low, high, self.scaling["default"], drop.p, *before)


class _Product(torch.autograd.Function):
    """A frozen matrix (its bias may be trained) and two trained ones of low rank, which see a part of the input."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, low: torch.Tensor, high: torch.Tensor,
        scale: float, p: float, activation: nn.Module | None, q: float,
    ) -> torch.Tensor:  # fmt: skip
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            before = dropout.draw(x, q) if q else None
            seen = (x if activation is None else _dropped(activation(x), before, q)).to(dtype)
            kept = dropout.draw(x, p)
            inner = functional.linear(dropout.apply(seen, kept, p), low.to(dtype)).mul_(scale)
            out = functional.linear(seen, weight.to(dtype), bias.to(dtype))
            out.addmm_(inner, high.to(dtype).T)
        ctx.save_for_backward(x, weight, low, high, inner, kept, before)
        ctx.scale, ctx.p, ctx.activation, ctx.q = scale, p, activation, q
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (x, weight, low, high, inner, kept, before), dtype = ctx.saved_tensors, gradient.dtype
        if ctx.activation is None:
            seen = x
        else:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                activated = ctx.activation(x)
            seen = _dropped(activated.detach(), before, ctx.q)
        outer = (gradient @ high.to(dtype)).mul_(ctx.scale)
        own = outer.T @ dropout.apply(seen.to(dtype), kept, ctx.p), (inner.T @ gradient).T
        back = None
        if ctx.needs_input_grad[0]:
            back = dropout.apply(outer @ low.to(dtype), kept, ctx.p).addmm_(gradient, weight.to(dtype)).to(x.dtype)
            if ctx.activation is not None:
                (back,) = torch.autograd.grad(activated, x, _dropped(back, before, ctx.q))
        bias = gradient.sum(dim=0) if ctx.needs_input_grad[2] else None
        return back, None, bias, *(one.float() for one in own), None, None, None, None


def _dropped(x: torch.Tensor, kept: torch.Tensor | None, p: float) -> torch.Tensor:
    return x if kept is None else dropout.apply(x, kept, p)
