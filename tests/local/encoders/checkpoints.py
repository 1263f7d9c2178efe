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
    "unispeech-base": ("UniSpeech", {}),
    "unispeech-large": ("UniSpeech", _LARGE),
    "unispeech-sat-base": ("UniSpeechSat", {}),
    "unispeech-sat-large": ("UniSpeechSat", _LARGE),
    "odd-position-kernel": ("Wav2Vec2", {"num_conv_pos_embeddings": 15}),
}
# Those that transformers runs. A window is 2 s, so that the tests need not wait for 30.
WINDOW_SECONDS = 2
_WHISPER = {
    "d_model": DIM, "encoder_layers": LAYERS - 1, "encoder_attention_heads": 4, "encoder_ffn_dim": 48,
    "num_mel_bins": 20, "max_source_positions": 50 * WINDOW_SECONDS,
}  # fmt: skip
GENERAL: dict[str, tuple[str, dict[str, Any]]] = {
    "moonshine": (
        "Moonshine",
        {"hidden_size": DIM, "encoder_num_hidden_layers": LAYERS - 1, "encoder_num_attention_heads": 4,
         "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 8},
    ),
    "qwen2-audio": ("Qwen2AudioEncoder", _WHISPER),
    "sew": ("SEW", _SMALL | {"conv_stride": (5, 2, 2, 2, 2, 2, 2), "conv_kernel": (10, 3, 3, 3, 3, 2, 2)}),
    "sew-d": ("SEWD", _SMALL | {"conv_stride": (5, 2, 2, 2, 2, 2, 2), "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
                                "max_position_embeddings": 64, "position_buckets": 32}),
    "wav2vec2-bert": ("Wav2Vec2Bert", _SMALL | {"add_adapter": True, "output_hidden_size": DIM}),
    "wav2vec2-conformer": ("Wav2Vec2Conformer", _SMALL | {"feat_extract_norm": "layer", "conv_bias": True}),
    "wav2vec2-conformer-rotary": ("Wav2Vec2Conformer", _SMALL | {"position_embeddings_type": "rotary"}),
    "whisper": ("Whisper", _WHISPER | {
        "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 8, "vocab_size": 8, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3,
    }),
}  # fmt: skip


def make_model(variant: str) -> torch.nn.Module:
    """Build a variant with weights far enough from their initial values that no term is negligible."""
    import transformers

    name, options = (VARIANTS | GENERAL)[variant]
    if variant in VARIANTS:
        options = _SMALL | options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made_by = getattr(transformers, name if name.endswith("Encoder") else f"{name}Model")
        model = made_by(getattr(transformers, f"{name}Config")(**options))
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
    if variant in ("whisper", "qwen2-audio"):
        extractor = transformers.WhisperFeatureExtractor(_WHISPER["num_mel_bins"], chunk_length=WINDOW_SECONDS)
    elif variant == "wav2vec2-bert":
        extractor = transformers.SeamlessM4TFeatureExtractor()
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)
    extractor.save_pretrained(folder)
    return folder


def spec_of(folder: Path | str, **fields: Any) -> EncoderSpec:
    """Write the registry entry of a checkpoint that :func:`write_checkpoint` made."""
    return EncoderSpec(**({"name": "small", "source": str(folder), "layers": LAYERS, "dim": DIM} | fields))
