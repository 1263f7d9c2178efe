"""Strategy lora: low-rank matrices beside all matrices of attention and feed-forward layers (Hu et al. 2022; study A).

They act in the packed forward, which calls the matrices as modules; transformers' own attention of WavLM reads their
weights and would pass them by.
"""

from __future__ import annotations

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_FEED_FORWARD = ("intermediate_dense", "output_dense")


def apply(model: nn.Module, published_init: bool) -> None:
    """Add the matrices, which start as nothing."""
    config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.1, target_modules=[*_ATTENTION, *_FEED_FORWARD])
    inject_adapter_in_model(config, model.encoder.layers)
