"""Attention within one utterance, with WavLM's gated position bias or without.

torch's own keeps no weights for the gradient, unless there is dropout on a CPU: then it keeps them four times, and
draws as slowly as utils/dropout.py says. So there the weights are computed here, and computed anew for the gradient.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from utils import dropout


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, gate: torch.Tensor | None, bias: torch.Tensor | None,
    p: float,
) -> torch.Tensor:  # fmt: skip
    """Attend to all frames of an utterance from each.

    Parameters
    ----------
    query, key, value : Tensor, shape (heads, frames, size of a head)
        As projected.
    gate : Tensor or None, shape (heads, frames)
        By which each frame scales the bias.
    bias : Tensor or None, shape (heads, at least frames, at least frames)
        Added to the scores of a frame (row) for the others (columns).
    p : float
        Share of the weights that is dropped.

    Returns
    -------
    Tensor, shape (heads, frames, size of a head)
    """
    if dropout.drops(query, p):
        if torch.is_grad_enabled():
            return checkpoint(_weighted, query, key, value, gate, bias, p, use_reentrant=False)
        return _weighted(query, key, value, gate, bias, p)
    mask = None if gate is None else _added(gate, bias).to(query.dtype)[None]
    return functional.scaled_dot_product_attention(query[None], key[None], value[None], mask, p)[0]


def _added(gate: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    frames = gate.shape[1]
    return gate[:, :, None] * bias[:, :frames, :frames]


def _weighted(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, gate: torch.Tensor | None, bias: torch.Tensor | None,
    p: float,
) -> torch.Tensor:  # fmt: skip
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    if gate is not None:
        scores = scores + _added(gate, bias)
    weights = torch.softmax(scores.float(), dim=-1)
    return dropout.dropout(weights, p).to(value.dtype) @ value
