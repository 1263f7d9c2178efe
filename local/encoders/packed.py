"""Which checkpoints of kind hf run packed (local/encoders/transformer.py), and so can be tuned and diarized with."""

from __future__ import annotations

# Model types of one design: blocks over a convolutional front end (MMS and XLS-R are wav2vec2).
PACKED = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat")


def untunable_type(model_type: str) -> str | None:
    """Tell why a model type has no blocks to tune; None if it has."""
    return None if model_type in PACKED else f"it is a {model_type} model; only {', '.join(PACKED)} have such blocks"
