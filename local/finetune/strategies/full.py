"""Strategy full: the feature projection and the blocks are trained."""

from __future__ import annotations

from torch import nn


def apply(model: nn.Module, published_init: bool) -> None:
    """Ask for gradients.

    Not of the convolutional front end, whose output can then be kept, and not of the positional convolution, whose
    spectrum the packed forward computes once.
    """
    model.feature_projection.requires_grad_(True)
    if not getattr(model.config, "do_stable_layer_norm", False):  # the blocks do not begin with a norm of their own
        model.encoder.layer_norm.requires_grad_(True)
    model.encoder.layers.requires_grad_(True)
