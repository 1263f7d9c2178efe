"""Strategy wg: weighted gating, a scale of every dimension of each block's input (study A).

Its form is that of study A's published code (utils.py of zhan7721/Crosslingual_SER), as the text does not tell. With
``published_init`` it starts as there: a gate then lets 0.73 of its input through, so that every block begins with an
input smaller than that which it was pre-trained on.
"""

from __future__ import annotations

import torch
from torch import nn


def apply(model: nn.Module, published_init: bool) -> None:
    """Gate the input of every block, at first by one; hidden states are those before the gate."""
    for block in model.encoder.layers:
        block.input_gate = Gate(model.config.hidden_size, published_init)


class Gate(nn.Module):
    """Weighted gating: every dimension of a hidden state is scaled by a number of its own, whatever the state.

    It is 2 sigmoid(g) with g zero to begin with, which is exactly 1. A large g instead would only be near 1, and
    where the sigmoid is flat, so that training could hardly move it; at zero it is steepest. With ``published_init``
    it is sigmoid(g) with g one, so 0.73.

    Parameters
    ----------
    dim : int
        Size of a hidden state.
    published_init : bool
        As above.
    """

    def __init__(self, dim: int, published_init: bool = False):
        super().__init__()
        self.scale = 1.0 if published_init else 2.0
        self.logits = nn.Parameter(torch.full((dim,), float(published_init)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale; shapes (..., dim)."""
        return self.scale * torch.sigmoid(self.logits) * x
