"""Small modules that are trained inside every kept block: bottleneck adapter, weighted gating and prompts.

Study A adds the first two to LoRA; their form is that of its published code (utils.py of zhan7721/Crosslingual_SER),
as its text does not tell. The packed forward of :mod:`local.encoders.transformer` runs what it finds in a block:
adapters as part of the feed-forward layer, ``input_gate`` on the block's input, ``prompts`` in the attention.

All start as the identity, as LoRA does: an untrained classifier sees exactly what the plain encoder gives, and what
it sees later is due to training. With ``published_init`` adapters and gates start as in the study's published code:
a gate then lets 0.73 of its input through, so that every block begins with an input smaller than that which it was
pre-trained on.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Study A, section IV-A: 768 to 48.
REDUCTION = 16
# Best for table-to-text generation in Li and Liang 2021.
PROMPTS = 10


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


def attach_bottlenecks(model: nn.Module, published_init: bool = False) -> None:
    """Put a bottleneck adapter behind the feed-forward layer of every block.

    Parameters
    ----------
    model : nn.Module
        A transformers model of the wav2vec 2.0 family.
    published_init : bool
        See :class:`Bottleneck`.
    """
    for block in model.encoder.layers:
        block.feed_forward = Bottleneck(block.feed_forward, model.config.hidden_size, published_init)


def attach_gates(model: nn.Module, published_init: bool = False) -> None:
    """Gate the input of every block; hidden states are those before the gate.

    Parameters
    ----------
    model : nn.Module
        A transformers model of the wav2vec 2.0 family.
    published_init : bool
        See :class:`Gate`.
    """
    for block in model.encoder.layers:
        block.input_gate = Gate(model.config.hidden_size, published_init)


def attach_prompts(model: nn.Module) -> None:
    """Give the attention of every block, of a transformers model of the wav2vec 2.0 family, its prompts."""
    for block in model.encoder.layers:
        block.attention.prompts = Prompts(block.attention.num_heads, block.attention.head_dim)


def begins_with_norm(model: nn.Module) -> bool:
    """Tell whether a model's blocks normalise their input ("stable layer norm"), and not their output."""
    return getattr(model.config, "do_stable_layer_norm", False)
