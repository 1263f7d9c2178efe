"""Strategy prompt: ten keys and values more for the attention of every block (Li and Liang 2021; Zhang et al. 2023).

Our own: peft's prompts and prefixes go with token embeddings or a cache of keys, and these encoders have neither.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Best for table-to-text generation in Li and Liang 2021.
PROMPTS = 10


def apply(model: nn.Module, published_init: bool) -> None:
    """Give the attention of every block its prompts, which start as nothing."""
    for block in model.encoder.layers:
        block.attention.prompts = Prompts(block.attention.num_heads, block.attention.head_dim)


class Prompts(nn.Module):
    """Keys and values, learnt, that every frame attends to beside those of its utterance.

    Prefix tuning (Li and Liang 2021, "Prefix-tuning: optimizing continuous prompts for generation") with the
    zero-initialised attention of Zhang et al. 2023 ("LLaMA-Adapter"): the softmax over the prompts is one of its own,
    and what it gives is added times tanh(g), with g of each head zero to begin with. So it starts as the identity,
    which a common softmax cannot; and as no frame of the utterance is in it, it needs no position, and WavLM's
    position bias leaves it out. Keys and values are drawn from the standard normal distribution.

    Parameters
    ----------
    heads : int
        Of the attention.
    size : int
        Of a head.
    """

    def __init__(self, heads: int, size: int):
        super().__init__()
        self.keys = nn.Parameter(torch.randn(heads, PROMPTS, size))
        self.values = nn.Parameter(torch.randn(heads, PROMPTS, size))
        self.gates = nn.Parameter(torch.zeros(heads))

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """Give what is added to what the queries attend to; shapes (heads, frames, size)."""
        keys, values = self.keys.to(query.dtype), self.values.to(query.dtype)
        attended = functional.scaled_dot_product_attention(query[None], keys[None], values[None])[0]
        return torch.tanh(self.gates)[:, None, None].to(query.dtype) * attended
