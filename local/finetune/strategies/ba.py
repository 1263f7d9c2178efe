"""Strategy ba: a bottleneck adapter behind every feed-forward layer (Houlsby et al. 2019; study A).

Its form is that of study A's published code (utils.py of zhan7721/Crosslingual_SER), as the text does not tell.
"""

from __future__ import annotations

import torch
from torch import nn

# Study A, section IV-A: 768 to 48.
REDUCTION = 16


def apply(model: nn.Module, published_init: bool) -> None:
    """Put an adapter behind the feed-forward layer of every block; it starts as the identity."""
    for block in model.encoder.layers:
        block.feed_forward = Bottleneck(block.feed_forward, model.config.hidden_size, published_init)


class Bottleneck(nn.Module):
    """A feed-forward layer with a bottleneck adapter behind it: y + U relu(D y + d) + u, with y = FFN(x).

    The adapter of Houlsby et al. 2019 ("Parameter-efficient transfer learning for NLP"), of which study A puts one
    into each block. U and u start at zero, D and d are drawn.

    Parameters
    ----------
    feed_forward : nn.Module
        The block's own.
    dim : int
        Size of a hidden state; the bottleneck's is a sixteenth of it.
    published_init : bool
        Draw U and u too.
    """

    def __init__(self, feed_forward: nn.Module, dim: int, published_init: bool = False):
        super().__init__()
        self.feed_forward = feed_forward
        self.down = nn.Linear(dim, dim // REDUCTION)
        self.up = nn.Linear(dim // REDUCTION, dim)
        if not published_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run both; shapes (..., dim)."""
        y = self.feed_forward(x)
        return y + self.up(torch.relu(self.down(y)))
