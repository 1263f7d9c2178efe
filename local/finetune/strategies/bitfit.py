"""Strategy bitfit: all biases of the blocks are trained, normalisations included (Ben Zaken et al. 2022)."""

from __future__ import annotations

from torch import nn


def apply(model: nn.Module, published_init: bool) -> None:
    """Ask for the biases' gradients."""
    for name, parameter in model.encoder.layers.named_parameters():
        if name.rpartition(".")[2] == "bias":
            parameter.requires_grad_(True)
