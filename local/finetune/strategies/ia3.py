"""Strategy ia3: keys, values and the feed-forward layers' inner activations are scaled (Liu et al. 2022)."""

from __future__ import annotations

from peft import IA3Config, inject_adapter_in_model
from torch import nn


def apply(model: nn.Module, published_init: bool) -> None:
    """Add the scales, which start at one."""
    config = IA3Config(target_modules=["k_proj", "v_proj", "output_dense"], feedforward_modules=["output_dense"])
    inject_adapter_in_model(config, model.encoder.layers)
