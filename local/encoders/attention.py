"""Attention within one utterance, with WavLM's gated position bias or without.

torch's own keeps no weights for the gradient, unless there is dropout on a CPU: then it keeps them four times, and
draws as slowly as utils/dropout.py says. So there the weights are computed here, and computed anew for the gradient.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from utils import dropout

# Queries for which the position bias is computed at a time: it then stays in the processor's cache.
_QUERIES = 256


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
    bias : Tensor or None, shape (heads, 2 n - 1)
        Added to the scores of a frame for one that comes so many frames later: from -(n - 1) to n - 1, where n is the
        number of frames or more.
    p : float
        Share of the weights that is dropped.

    Returns
    -------
    Tensor, shape (heads, frames, size of a head)
    """
    run = _weighted if dropout.drops(query, p) else _fused
    if torch.is_grad_enabled() and run is _weighted:
        return checkpoint(run, query, key, value, gate, bias, 0, p, use_reentrant=False)
    if torch.is_grad_enabled() or gate is None:
        return run(query, key, value, gate, bias, 0, p)
    parts = zip(query.split(_QUERIES, dim=1), gate.split(_QUERIES, dim=1), strict=True)
    # Written by rows, as attention reads it; torch would of its own accord write it by columns.
    room = bias.new_empty(len(query), min(_QUERIES, query.shape[1]), key.shape[1])
    made = [run(some, key, value, own, bias, index * _QUERIES, p, room) for index, (some, own) in enumerate(parts)]
    return torch.cat(made, dim=1)


def _fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, gate: torch.Tensor | None, bias: torch.Tensor | None,
    first: int, p: float, room: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Attend by torch's own means from some queries, beginning with that of a frame."""
    if gate is None:
        return functional.scaled_dot_product_attention(query[None], key[None], value[None], dropout_p=p)[0]
    mask = _added(gate, bias, first, key.shape[1], room).to(query.dtype)[None]
    return functional.scaled_dot_product_attention(query.flip(1)[None], key[None], value[None], mask, p)[0].flip(1)


def _weighted(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, gate: torch.Tensor | None, bias: torch.Tensor | None,
    first: int, p: float, room: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Do as :func:`_fused`, written out, with a dropout of ours."""
    scores = (query.flip(1) * query.shape[-1] ** -0.5) @ key.mT
    if gate is not None:
        scores = scores + _added(gate, bias, first, key.shape[1], room)
    weights = torch.softmax(scores.float(), dim=-1)
    return (dropout.dropout(weights, p).to(value.dtype) @ value).flip(1)


def _added(
    gate: torch.Tensor, bias: torch.Tensor, first: int, frames: int, room: torch.Tensor | None
) -> torch.Tensor:
    """What is added to the scores of queries, the last of them first, for so many frames: (heads, queries, frames).

    In this order the rows before the gate are overlapping stretches of one vector, which need not be written out. With
    ``room``, where no gradient is wanted, the result overwrites what is there.
    """
    queries = gate.shape[1]
    begin = bias.shape[1] // 2 - first - queries + 1
    rows = bias[:, begin : begin + queries + frames - 1].unfold(1, frames, 1)
    return torch.mul(gate.flip(1)[:, :, None], rows, out=None if room is None else room[:, :queries])
