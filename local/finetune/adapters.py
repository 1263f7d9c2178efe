"""Two small modules that are trained inside every kept block: the bottleneck adapter and weighted gating.

Study A adds both to LoRA. They are put where the blocks of all architectures already call a module, so that the
packed forward of :mod:`local.encoders.transformer` runs them without knowing of them.

Both start as the identity, as LoRA does: an untrained classifier sees exactly what the plain encoder gives, and what
it sees later is due to training. With ``published_init`` they start as ``torch.nn.Linear`` draws its weights, as in
the study's published code: a gate then lets about half its input through, so that every block begins with an input
of half the size that it was pre-trained on.
"""

from __future__ import annotations

import torch
from torch import nn

# Study A, section IV-A: 768 to 48.
REDUCTION = 16


class Bottleneck(nn.Module):
    """A feed-forward layer with a bottleneck adapter beside it: FFN(x) + U relu(D x + d) + u.

    The adapter is of Houlsby et al. 2019 ("Parameter-efficient transfer learning for NLP"), in the parallel place of
    He et al. 2022 ("Towards a unified view of parameter-efficient transfer learning"): it reads what the feed-forward
    layer reads. U and u start at zero, D and d are drawn.

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
        """Compute the sum of both; shapes (..., dim)."""
        return self.feed_forward(x) + self.up(torch.relu(self.down(x)))


class Gate(nn.Module):
    """Weighted gating: every value of a hidden state is scaled by a sigmoid of the whole state.

    The gate is 2 sigmoid(W x + w) with W and w zero to begin with, which is exactly 1. A large w instead would only
    be near 1, and where the sigmoid is flat, so that training could hardly move it; at zero it is steepest. With
    ``published_init`` it is sigmoid(W x + w) with W and w drawn.

    Parameters
    ----------
    dim : int
        Size of a hidden state.
    published_init : bool
        As above.
    """

    def __init__(self, dim: int, published_init: bool = False):
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.scale = 1.0 if published_init else 2.0
        if not published_init:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale; shapes (..., dim)."""
        return self.scale * torch.sigmoid(self.linear(x)) * x


class Gated(nn.Module):
    """A module whose output is gated."""

    def __init__(self, module: nn.Module, gate: Gate):
        super().__init__()
        self.module, self.gate = module, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the module, then the gate; shapes (..., dim)."""
        return self.gate(self.module(x))


class GatedResidual(nn.Module):
    """Gates the output x of a block that adds what this gives to x, along with an adapter that the block may have."""

    def __init__(self, adapter: nn.Module | None, gate: Gate):
        super().__init__()
        self.adapter, self.gate = adapter, gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the difference that gating makes; shapes (..., dim)."""
        return self.gate(x if self.adapter is None else x + self.adapter(x)) - x


def attach_bottlenecks(model: nn.Module, published_init: bool = False) -> None:
    """Put a bottleneck adapter beside the feed-forward layer of every block.

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
    """Gate the input of every block.

    A block's input is called nowhere, so each gate sits where that input is made: the first behind the encoder's
    dropout, the others at the end of the block before, which is its last normalisation or, in blocks that begin with
    theirs, the attribute ``adapter_layer``, whose result such a block adds to its output. Hidden states below the
    last one are therefore seen gated, as the next block sees them.

    Parameters
    ----------
    model : nn.Module
        A transformers model of the wav2vec 2.0 family with at least one block.
    published_init : bool
        See :class:`Gate`.
    """
    encoder, dim = model.encoder, model.config.hidden_size
    encoder.dropout = Gated(encoder.dropout, Gate(dim, published_init))
    for block in encoder.layers[:-1]:
        gate = Gate(dim, published_init)
        if begins_with_norm(model):
            block.adapter_layer = GatedResidual(getattr(block, "adapter_layer", None), gate)
        else:
            block.final_layer_norm = Gated(block.final_layer_norm, gate)


def begins_with_norm(model: nn.Module) -> bool:
    """Tell whether a model's blocks normalise their input ("stable layer norm"), and not their output."""
    return getattr(model.config, "do_stable_layer_norm", False)
