"""Convolutional positional embeddings, for inference, one utterance at a time in effect.

wav2vec 2.0, HuBERT and WavLM convolve with 128 taps in 16 groups. In the frequency domain that takes a
twentieth of the operations: utterances are cut into overlapping blocks ("overlap-save"), and all blocks of a
batch share one product a frequency and group. data2vec-audio stacks five short convolutions with a layer
normalisation after each; those run as they are, utterance by utterance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class PositionalEmbedding:
    """Computes ``pos_conv_embed`` of a transformers encoder in evaluation mode, for packed utterances."""

    def __init__(self, module: nn.Module):
        self._module = module
        self.plain = hasattr(module, "layers")  # run as transformers does, with the weights that the module has then
        if self.plain:
            return
        convolution = module.conv
        # Reading a weight-normed weight computes it: once, here, and not in every call.
        weight = convolution.weight.detach().float()
        self._kernel, self._groups = convolution.kernel_size[0], convolution.groups
        self._bias = convolution.bias.detach().float()
        self._size = 3 * self._kernel
        width = weight.shape[1]
        grouped = weight.view(self._groups, weight.shape[0] // self._groups, width, self._kernel)
        # A convolution layer correlates, hence the conjugate: (frequency * group, in, out).
        spectrum = torch.fft.rfft(grouped, n=self._size).conj().permute(3, 0, 2, 1)
        self._spectrum = spectrum.reshape(-1, width, grouped.shape[1]).resolve_conj().contiguous()

    def __call__(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Embed what the feature projection gives, float32 of shape (frames of all utterances, dim), to the same shape.

        ``lengths`` are the frames of each utterance.
        """
        if self.plain:
            return torch.cat([self._module(part[None])[0] for part in x.split(list(lengths))])
        batch_norm = getattr(self._module, "batch_norm", None)
        if batch_norm is not None:
            x = batch_norm(x)
        return self._module.activation(self._convolve(x, lengths) + self._bias)

    def _convolve(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        step = self._size - self._kernel + 1
        blocks = []
        for part in x.split(list(lengths)):
            count = -(-len(part) // step)
            before = self._kernel // 2
            after = count * step + self._kernel - 1 - len(part) - before
            # (blocks, dim, size): block j begins half a kernel before output frame j * step.
            blocks.append(functional.pad(part, (0, 0, before, after)).unfold(0, self._size, step))
        counts = [len(part) for part in blocks]
        out = self._filter(torch.cat(blocks))[:, :, :step].transpose(1, 2)
        parts = [part.reshape(-1, x.shape[1])[:length] for part, length in zip(out.split(counts), lengths, strict=True)]
        return torch.cat(parts)

    def _filter(self, blocks: torch.Tensor) -> torch.Tensor:
        count, dim, size = blocks.shape
        spectrum = torch.fft.rfft(blocks).view(count, self._groups, dim // self._groups, -1)
        frequencies = spectrum.shape[-1]
        spectrum = spectrum.permute(3, 1, 0, 2).reshape(frequencies * self._groups, count, -1)
        product = torch.bmm(spectrum, self._spectrum).view(frequencies, self._groups, count, -1)
        return torch.fft.irfft(product.permute(2, 1, 3, 0).reshape(count, dim, frequencies), n=size)
