"""What is timed in place of a checkpoint, or of a corpus, that is not here yet.

In place of a checkpoint, a wav2vec 2.0 with random weights that has as many blocks of the same size as the entry says:
what a forward pass costs depends on the architecture, not on what the weights are. In place of audio, noise.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from local.encoders import EncoderSpec
from utils.data_dir import Utterance
from utils.errors import UserError

_HEAD = 64  # dimensions of an attention head, in all published encoders of this family
_LARGE = 1024  # from this size on, they normalise before the blocks and in every convolution
_RATE = 16000


def lacking(encoder: EncoderSpec) -> str:
    """Say why an encoder cannot be loaded here as it is; nothing where it can."""
    try:
        encoder.check_present()
    except UserError as error:
        return str(error).split("; ")[0]
    if encoder.source and encoder.folder is None:
        from huggingface_hub import try_to_load_from_cache

        names = ("config.json", "config.yaml")
        found = (try_to_load_from_cache(encoder.source, name, revision=encoder.revision) for name in names)
        if not any(isinstance(one, str) for one in found):
            return f"{encoder.source} has not been fetched yet"
    return ""


def shape(encoder: EncoderSpec) -> tuple[int, int]:
    """Give layers and dim of an encoder's stand-in: encoders that lack a checkpoint and have the same share one.

    Raises
    ------
    UserError
        No encoder of this family has such a size.
    """
    if encoder.dim % _HEAD or encoder.layers < 2 or not encoder.source:
        raise UserError(f"{lacking(encoder)}; and none that stands in for it has dim: {encoder.dim}")
    return encoder.layers, encoder.dim


@contextlib.contextmanager
def present(encoder: EncoderSpec) -> Iterator[EncoderSpec]:
    """Give an entry that can be loaded: the encoder's own, or that of its stand-in, which is in a temporary folder."""
    if not lacking(encoder):
        yield encoder
        return
    layers, dim = shape(encoder)
    large = dim >= _LARGE
    config = {
        "model_type": "wav2vec2", "hidden_size": dim, "num_hidden_layers": layers - 1,
        "num_attention_heads": dim // _HEAD, "intermediate_size": 4 * dim, "layerdrop": 0.0,
        "feat_extract_norm": "layer" if large else "group", "conv_bias": large, "do_stable_layer_norm": large,
    }  # fmt: skip
    reads = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True, "sampling_rate": _RATE}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
        Path(folder, "preprocessor_config.json").write_text(json.dumps(reads), encoding="utf-8")
        yield EncoderSpec(encoder.name, source=".", init="random", layers=layers, dim=dim, base=folder)


def utterances(seconds: float, number: int) -> list[Utterance]:
    """Make up utterances of some length on average, from half to one and a half times as long."""
    lengths = seconds * np.linspace(0.5, 1.5, number)
    return [Utterance(str(place), "", str(place), "", 0.0, None, float(own)) for place, own in enumerate(lengths)]


def noise(batch: list[Utterance]) -> list[np.ndarray]:
    """Give a waveform for each of some made up utterances."""
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(round(_RATE * one.duration), dtype=np.float32) for one in batch]
