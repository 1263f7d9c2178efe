"""The convolutional front end of the wav2vec 2.0 family, for inference: one utterance at a time, exact, fast.

A strided convolution over a (time, channels) matrix whose rows lie one after the other in memory is a matrix
product: the window of an output frame is a stretch of memory, so the matrix of windows need not be built.
Products of that shape run near a processor's peak, where a convolution that has to reorder its input does
not, and nothing is padded.

The first layer of the "group" variants (wav2vec 2.0 base) normalises every channel over the utterance's whole
time axis. As the layer is linear in the waveform, its mean and variance follow from the mean and covariance
of the waveform's windows (10 samples), so the normalisation is folded into the layer's weights beforehand,
and the utterance then runs through all layers piece by piece, in memory that does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

# Frames (20 ms) run through all layers at a time.
_PIECE = 200


class FrontEnd:
    """Turns a waveform into the input of the feature projection, as ``model.feature_extractor`` does.

    Parameters
    ----------
    extractor : nn.Module
        A transformers model's ``feature_extractor``, in evaluation mode.
    dtype : torch.dtype
        Of the matrix products after the first layer, which is always float32.
    """

    def __init__(self, extractor: nn.Module, dtype: torch.dtype = torch.float32):
        first, *rest = [_Convolution(layer, dtype) for layer in extractor.conv_layers]
        self._first, self._rest, self._dtype = first, rest, dtype
        self._group_norm = first.norm if isinstance(first.norm, nn.GroupNorm) else None
        self._first_weight = _as_matrix(extractor.conv_layers[0].conv.weight).float()
        self._first_bias = None if first.bias is None else first.bias.float()
        # Samples that one frame sees, which are those of the shortest input, and from one frame to the next.
        self.field, self.hop = 1, 1
        for layer in (first, *rest):
            self.field += (layer.kernel - 1) * self.hop
            self.hop *= layer.stride

    def frames(self, samples: int) -> int:
        """Count the frames of an utterance."""
        return max(0, (samples - self.field) // self.hop + 1)

    def __call__(self, wave: torch.Tensor) -> torch.Tensor:
        """Run one utterance of at least ``field`` samples: float32 of shape (samples,) to (frames, channels)."""
        return torch.cat(list(self.pieces(wave)))

    def pieces(self, wave: torch.Tensor) -> Iterator[torch.Tensor]:
        """Run one utterance piece by piece: what they give, one after the other, is what a call gives."""
        weight, bias = self._first_weight, self._first_bias
        if self._group_norm is not None:
            weight, bias = self._fold(wave)
        frames = self.frames(len(wave))
        for begin in range(0, frames, _PIECE):
            end = min(begin + _PIECE, frames)
            yield self._run(wave[begin * self.hop : (end - 1) * self.hop + self.field], weight, bias)

    def _run(self, wave: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        windows = wave.unfold(0, self._first.kernel, self._first.stride)
        x = windows @ weight if bias is None else torch.addmm(bias, windows, weight)
        x = self._first.finish(x.to(self._dtype))
        for layer in self._rest:
            x = layer.finish(layer.convolve(x))
        return x

    def _fold(self, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fold the normalisation over time into the first layer's weights, for one utterance."""
        windows = wave.unfold(0, self._first.kernel, self._first.stride)
        total = wave.new_zeros(self._first.kernel, dtype=torch.float64)
        moment = wave.new_zeros(self._first.kernel, self._first.kernel, dtype=torch.float64)
        for part in windows.split(1 << 16):
            part = part.double()
            total += part.sum(dim=0)
            moment += part.T @ part
        mean = total / len(windows)
        covariance = moment / len(windows) - torch.outer(mean, mean)
        norm, weight = self._group_norm, self._first_weight.double()
        variance = ((covariance @ weight) * weight).sum(dim=0).clamp_(min=0.0)
        scale = norm.weight.double() / (variance + norm.eps).sqrt()
        # The convolution's own bias shifts mean and values alike, so it has no effect.
        bias = norm.bias.double() - (mean @ weight) * scale
        return (weight * scale).float(), bias.float()


class _Convolution:
    """One layer of the front end: a strided convolution as matrix products, its normalisation, its activation."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype):
        convolution = layer.conv
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]
        self.channels = convolution.in_channels
        self.bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        self.norm = getattr(layer, "layer_norm", None)
        self._activation = layer.activation
        # A window that is longer than the step from one to the next overlaps it, which a matrix product cannot
        # read in place: windows are cut into parts of at most one step.
        taps = range(0, self.kernel, self.stride)
        self._weights = [_as_matrix(convolution.weight[:, :, tap : tap + self.stride]).to(dtype) for tap in taps]

    def convolve(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve a contiguous matrix of shape (time, channels)."""
        frames = (len(x) - self.kernel) // self.stride + 1
        out = self.bias
        for part, weight in enumerate(self._weights):
            offset = x.storage_offset() + part * self.stride * self.channels
            windows = x.as_strided((frames, len(weight)), (self.stride * self.channels, 1), offset)
            if part > 0:
                out.addmm_(windows, weight)
            else:
                out = windows @ weight if self.bias is None else torch.addmm(self.bias, windows, weight)
        return out

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise over channels, where the layer does, and apply the activation; ``x`` is overwritten."""
        if isinstance(self.norm, nn.LayerNorm):
            x = functional.layer_norm(x.float(), x.shape[-1:], self.norm.weight, self.norm.bias, self.norm.eps).to(
                x.dtype
            )
        return activate(self._activation, x)


def activate(activation: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply an activation to a tensor that is not needed afterwards, in place where torch can."""
    return torch.ops.aten.gelu_(x) if type(activation).__name__ == "GELUActivation" else activation(x)


def _as_matrix(weight: torch.Tensor) -> torch.Tensor:
    """Reorder a convolution's weight (out, in, kernel) to (kernel * in, out)."""
    return weight.detach().permute(2, 1, 0).reshape(-1, weight.shape[0]).contiguous()
