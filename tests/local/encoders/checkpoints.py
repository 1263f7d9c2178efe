"""Small random checkpoints of every architecture and variant, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from local.encoders.registry import EncoderSpec

LAYERS, DIM = 4, 32
_SMALL = {
    "hidden_size": DIM, "num_hidden_layers": LAYERS - 1, "num_attention_heads": 4, "intermediate_size": 48,
    "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2-base": ("Wav2Vec2", {}),
    "wav2vec2-base-with-bias": ("Wav2Vec2", {"conv_bias": True}),
    "wav2vec2-large": ("Wav2Vec2", _LARGE),
    "wav2vec2-large-with-adapters": ("Wav2Vec2", _LARGE | {"adapter_attn_dim": 8, "add_adapter": True}),
    "hubert-base": ("Hubert", {}),
    "hubert-with-batch-norm": ("Hubert", {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False}),
    "hubert-large": ("Hubert", _LARGE),
    "wavlm-base": ("WavLM", {}),
    "wavlm-large": ("WavLM", _LARGE),
    "data2vec-audio": ("Data2VecAudio", {"num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 19}),
    "odd-position-kernel": ("Wav2Vec2", {"num_conv_pos_embeddings": 15}),
}


def make_model(variant: str) -> torch.nn.Module:
    """Build a variant with weights far enough from their initial values that no term is negligible."""
    import transformers

    name, options = VARIANTS[variant]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**(_SMALL | options)))
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.data += 0.05 * torch.randn_like(tensor)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.abs_()
    return model.eval()


def write_checkpoint(folder: Path, variant: str = "hubert-base", normalise: bool = True) -> Path:
    """Save a variant as a checkpoint, with the settings of its input."""
    import transformers

    make_model(variant).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise).save_pretrained(folder)
    return folder


def spec_of(folder: Path | str, **fields: Any) -> EncoderSpec:
    """Write the registry entry of a checkpoint that :func:`write_checkpoint` made."""
    return EncoderSpec(**({"name": "small", "source": str(folder), "layers": LAYERS, "dim": DIM} | fields))
