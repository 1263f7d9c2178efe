"""Encoders that transformers runs itself: Whisper, wav2vec2-BERT, SEW and others, one file, or one window, at a time.

Input is what the checkpoint's own feature extractor makes. An encoder that takes any length is given a file as a whole
and nothing beside it, so that there is no padding to mind. One that takes 30 s and no less (Whisper and its
descendants) gets windows of 30 s, one after the other, the last filled up with silence as its authors do; frames that
hold nothing of the file are left out of the mean, though attention has seen them, and every frame of every window
weighs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from local.encoders.base import Encoder
from local.encoders.packed import untunable_type
from local.encoders.registry import EncoderSpec
from utils.audio import SAMPLE_RATE
from utils.errors import UserError

# Kaldi's and Whisper's frames: 25 ms each 10 ms.
_FIELD, _HOP = SAMPLE_RATE * 25 // 1000, SAMPLE_RATE * 10 // 1000
# Windows that a GPU runs together; a CPU's cores have a file each (local/features/pipeline.py).
_WINDOWS = 8


class _Type(NamedTuple):
    """How encoders of a model type are run."""

    least: Callable[[nn.Module], int]  # from the encoder to the samples that it needs
    layers: str = "num_hidden_layers"  # the field of the configuration that numbers its blocks
    dim: str = "hidden_size"  # the field that says their size
    windows: bool = False  # whether it takes windows of one length alone


def _field(convolutions: Sequence[nn.Module], frames: int = 1) -> int:
    """Samples that so many frames of a stack of convolutions see."""
    for convolution in reversed(convolutions):
        frames = (frames - 1) * convolution.stride[0] + convolution.kernel_size[0]
    return frames


def _waveform(model: nn.Module) -> int:
    # SEW puts neighbouring frames together before its first block.
    return _field(
        [layer.conv for layer in model.feature_extractor.conv_layers], getattr(model.config, "squeeze_factor", 1)
    )


_WHISPER = _Type(lambda model: _FIELD, "encoder_layers", "d_model", windows=True)
TYPES = {
    "moonshine": _Type(
        lambda model: _field([model.conv1, model.conv2, model.conv3]), "encoder_num_hidden_layers"
    ),
    "qwen2_audio_encoder": _WHISPER,
    "sew": _Type(_waveform),
    "sew-d": _Type(_waveform),
    # Two frames make one, and each band is normalised over the frames.
    "wav2vec2-bert": _Type(lambda model: _FIELD + _HOP),
    "wav2vec2-conformer": _Type(_waveform),
    "whisper": _WHISPER,
}  # fmt: skip


def shape(config: Any) -> tuple[int, int]:
    """Tell hidden states and their size from a transformers configuration of one of :data:`TYPES`."""
    kind = TYPES[config.model_type]
    return getattr(config, kind.layers) + 1, getattr(config, kind.dim)


class General(Encoder):
    """An encoder that transformers runs, of one of :data:`TYPES`; of a model that decodes, its encoder.

    The model has float32 weights; ``extractor`` is the checkpoint's feature extractor, and one that does not fit the
    model is a UserError. The rest as for :func:`local.encoders.load`.
    """

    def __init__(self, spec: EncoderSpec, model: nn.Module, extractor: Any, device: str, precision: str):
        self.spec, self.precision, self.untunable = spec, precision, untunable_type(model.config.model_type)
        self._type, self._device = TYPES[model.config.model_type], torch.device(device)
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        self.model = model.eval().requires_grad_(False).to(device)
        self._extractor, self.min_samples, self._window = extractor, self._type.least(model), None
        if self._type.windows:
            self._window = getattr(extractor, "n_samples", None)
            taken = model.config.max_source_positions * model.conv2.stride[0] * _HOP
            if self._window != taken:
                raise UserError(
                    f"encoder {spec.name}: {spec.source} reads {taken / SAMPLE_RATE:g} s at a time, which is not what "
                    f"its preprocessor_config.json makes; restore that file"
                )

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Average every hidden state over time; see :meth:`Encoder.pooled`."""
        sums = np.zeros((len(waves), self.spec.layers, self.spec.dim))
        counts = np.zeros((len(waves), self.spec.layers, 1))
        windows = [
            (row, wave[begin : begin + (self._window or len(wave))])
            for row, wave in enumerate(waves)
            for begin in range(0, len(wave), self._window or len(wave))
        ]
        step = _WINDOWS if self._window and self._device.type != "cpu" else 1
        for begin in range(0, len(windows), step):
            some = windows[begin : begin + step]
            for (row, _), states in zip(some, self._states([wave for _, wave in some]), strict=True):
                for layer, state in enumerate(states):
                    sums[row, layer] += state.sum(dim=0, dtype=torch.float32).cpu().numpy()
                    counts[row, layer] += len(state)
        return (sums / counts).astype(np.float32)

    def _states(self, waves: Sequence[np.ndarray]) -> Iterator[list[torch.Tensor]]:
        """Run waves together; yield each one's hidden states, (frames, dim) a layer, without what is padding."""
        made = self._extractor(
            [np.ascontiguousarray(wave, dtype=np.float32) for wave in waves],
            sampling_rate=SAMPLE_RATE, return_tensors="pt",
        ).to(self._device)  # fmt: skip
        fast = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), fast:
            hidden = self.model(**made, output_hidden_states=True).hidden_states
        mask = made.get("attention_mask")
        for row, wave in enumerate(waves):
            states = [state[row] for state in hidden]
            if self._window:
                yield [state[: -(-len(state) * len(wave) // self._window)] for state in states]
            elif mask is not None and mask.shape[1] == len(states[0]):
                yield [state[mask[row].bool()] for state in states]
            else:
                yield states
