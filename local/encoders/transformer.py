"""wav2vec 2.0, HuBERT, WavLM and data2vec-audio: all hidden states of a batch in one pass, without padding.

The frames of a batch's utterances lie one after the other in one matrix. Linear layers and normalisations work
on frames and do not mind; convolutions and attention are run utterance by utterance. So an utterance's
result does not depend on its neighbours, no time goes into padding, and the matrix products are large. The
weights are those of the transformers model, whose own forward, one file at a time, is the reference that the
tests hold this to. Every hidden state is handed on as it is made, so memory does not grow with their number.

:meth:`Transformer.features` and :meth:`Transformer.states` are the two halves of the forward, for training: the
first depends on the waveform alone, so it can be run once and kept; the second is differentiable. What tuning adds
inside a block is run where a block has it: a module ``input_gate`` on what the block reads, and a module ``prompts``
of its attention, which maps queries to what is added to what they attend to, both (heads, frames, size of a head).
"""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from local.encoders.attention import attend
from local.encoders.base import Encoder
from local.encoders.frontend import FrontEnd
from local.encoders.positional import PositionalEmbedding
from local.encoders.registry import EncoderSpec

# Frames whose feed-forward layers are trained at a time.
_PIECE = 1024


class Transformer(Encoder):
    """An encoder of the wav2vec 2.0 family.

    Parameters
    ----------
    spec, device, precision
        As of :func:`local.encoders.load`.
    model : nn.Module
        ``Wav2Vec2Model``, ``HubertModel``, ``WavLMModel`` or ``Data2VecAudioModel`` with float32 weights.
    normalise : bool
        Whether waveforms are brought to zero mean and unit variance, as the checkpoint wants.

    Attributes
    ----------
    model : nn.Module
        The transformers model, on its device.
    checkpointing : bool
        Whether the backward pass computes the inside of each block anew instead of keeping it: less memory, more
        time. False to begin with.
    augment : bool
        Whether in training mode spans are masked and blocks dropped as the checkpoint's configuration asks, by the
        rules of transformers' own forward: SpecAugment in every utterance, LayerDrop once for all of them. False to
        begin with.
    """

    untunable = None

    def __init__(self, spec: EncoderSpec, model: nn.Module, normalise: bool, device: str, precision: str):
        self.spec, self.precision = spec, precision
        self.model = model.eval().requires_grad_(False).to(device)
        self.normalise, self._device = normalise, torch.device(device)
        self._front_end = FrontEnd(model.feature_extractor, torch.bfloat16 if precision == "bf16" else torch.float32)
        self._position = PositionalEmbedding(model.encoder.pos_conv_embed)
        self._stable = getattr(model.config, "do_stable_layer_norm", False)
        self.min_samples = self._front_end.field
        self.checkpointing = self.augment = False

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Average every hidden state over time; see :meth:`Encoder.pooled`."""
        with torch.inference_mode():
            out = torch.empty(len(waves), self.spec.layers, self.spec.dim, device=self._device)
            if len(waves) == 0:
                return out.numpy()
            features, lengths = self.features(waves)
            for layer, states in enumerate(self.states(features, lengths)):
                for row, part in zip(out, states.split(lengths), strict=True):
                    torch.mean(part, dim=0, dtype=torch.float32, out=row[layer])
            return out.cpu().numpy()

    def features(self, waves: Sequence[np.ndarray]) -> tuple[torch.Tensor, list[int]]:
        """Run the convolutional front end, which is never trained: it holds a copy of its weights.

        Parameters
        ----------
        waves : sequence of ndarray, each of shape (samples,)
            16 kHz mono float32, at least ``min_samples`` long; at least one.

        Returns
        -------
        features : Tensor, shape (frames of all utterances, channels)
            The input of the feature projection, one utterance after the other, without gradient.
        lengths : list of int
            Frames of each utterance.
        """
        with torch.no_grad():
            parts = [self._front_end(self._prepare(wave)) for wave in waves]
            return torch.cat(parts), [len(part) for part in parts]

    def frames(self, wave: np.ndarray) -> int:
        """Count what :meth:`features` gives of a wave."""
        return self._front_end.frames(len(wave))

    @torch.no_grad()  # as a decorator it holds while the generator runs, not while its user does
    def feature_pieces(self, wave: np.ndarray) -> Iterator[torch.Tensor]:
        """Run the front end over a wave a few seconds at a time; one after the other as :meth:`features` gives them."""
        yield from self._front_end.pieces(self._prepare(wave))

    def _prepare(self, wave: np.ndarray) -> torch.Tensor:
        wave = np.ascontiguousarray(wave, dtype=np.float32)
        if self.normalise:
            # As transformers.Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm.
            wave = ((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)).astype(np.float32)
        return torch.from_numpy(wave).to(self._device)

    def states(self, features: torch.Tensor, lengths: Sequence[int]) -> Iterator[torch.Tensor]:
        """Run :meth:`embed`, then :meth:`blocks`.

        Differentiable with respect to the weights that require a gradient (none does to begin with) where torch
        records one; the positional embedding holds a copy of its weights and cannot be trained, unless
        :meth:`free_position` has been called. Dropouts follow the mode, training or evaluation, of the modules that
        they belong to; blocks are dropped and spans masked with ``augment`` alone.

        Parameters
        ----------
        features : Tensor, shape (frames of all utterances, channels)
            From :meth:`features`, or any rows of it.
        lengths : sequence of int
            Into how many frames each they are cut; attention stays within a part.

        Yields
        ------
        Tensor of float32, shape (frames of all utterances, dim)
            What transformers' ``output_hidden_states`` collects, beginning with the input of the first block.
        """
        x = self.embed(features, lengths)
        yield x
        yield from self.blocks(x, lengths)

    def free_position(self) -> None:
        """Run the positional embedding with the model's own weights from now on, so that it may be trained; slower."""
        self._position.plain = True

    def embed(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Make the input of the first block, float32 of shape (frames, dim); arguments as for :meth:`states`."""
        encoder = self.model.encoder
        with self._autocast():
            x = self.model.feature_projection(features)
        x = (x[0] if isinstance(x, tuple) else x).float()
        if self.augment and self.model.training:
            x = torch.cat([self._mask(part) for part in x.split(list(lengths))])
        x = x + self._position(x, lengths)
        if not self._stable:
            x = encoder.layer_norm(x)
        return encoder.dropout(x)

    def blocks(self, x: torch.Tensor, lengths: Sequence[int]) -> Iterator[torch.Tensor]:
        """Run the transformer blocks on what :meth:`embed` gives; yield what each gives, of the same shape.

        ``lengths`` as for :meth:`states`.
        """
        run = self._block
        if self.checkpointing and torch.is_grad_enabled():
            run = functools.partial(checkpoint, run, use_reentrant=False)
        bias = _relative_bias(self.model.encoder, lengths)
        drop = self.model.config.layerdrop if self.augment and self.model.training else 0.0
        for block in self.model.encoder.layers:
            # transformers keeps the block that holds WavLM's relative position bias.
            if not drop or hasattr(block.attention, "rel_attn_embed") or torch.rand(()) >= drop:
                with self._autocast():
                    x = run(block, x, lengths, bias)
            yield x

    def last(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Give transformers' ``last_hidden_state``; as :meth:`states`, whose last it is but for a normalisation."""
        x = collections.deque(self.states(features, lengths), maxlen=1).pop()
        return self.model.encoder.layer_norm(x) if self._stable else x

    def _mask(self, x: torch.Tensor) -> torch.Tensor:
        """Mask spans of an utterance by transformers' own code; one that is shorter than a span is left as it is."""
        if len(x) < self.model.config.mask_time_length:
            return x
        return self.model._mask_hidden_states(x[None].clone())[0]

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)

    def _block(
        self, block: nn.Module, x: torch.Tensor, lengths: Sequence[int], bias: torch.Tensor | None
    ) -> torch.Tensor:
        if hasattr(block, "input_gate"):
            x = block.input_gate(x)
        if self._stable:
            x = x + block.dropout(_attend(block.attention, block.layer_norm(x), lengths, bias))
            x = _in_pieces(lambda part: part + block.feed_forward(block.final_layer_norm(part)), x)
            adapter = getattr(block, "adapter_layer", None)
            return x if adapter is None else x + adapter(x)
        x = block.layer_norm(x + block.dropout(_attend(block.attention, x, lengths, bias)))
        return _in_pieces(lambda part: block.final_layer_norm(part + block.feed_forward(part)), x)


def _in_pieces(run: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Run what works on frames; where a CPU trains, so many at a time that what is computed stays in its cache.

    What is kept for the gradient then comes in arrays that take one another's place in memory.
    """
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return run(x)
    return torch.cat([run(part) for part in x.split(_PIECE)])


def _attend(attention: nn.Module, x: torch.Tensor, lengths: Sequence[int], bias: torch.Tensor | None) -> torch.Tensor:
    """Self-attention within each utterance."""
    heads, size = attention.num_heads, attention.head_dim
    query, key, value = (
        projection(x).view(-1, heads, size).transpose(0, 1)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    gates = [None] * len(lengths) if bias is None else _gate(attention, x).T.split(list(lengths), dim=1)
    dropout = attention.dropout if attention.training else 0.0
    # Split and gathered: a slice's gradient would be as large as the whole, once an utterance.
    parts = zip(*(one.split(list(lengths), dim=1) for one in (query, key, value)), gates, strict=True)
    attended = torch.cat([attend(*part, bias, dropout).transpose(0, 1) for part in parts])
    if hasattr(attention, "prompts"):
        attended = attended + attention.prompts(query).transpose(0, 1)
    return attention.out_proj(attended.reshape(len(x), -1))


def _relative_bias(encoder: nn.Module, lengths: Sequence[int]) -> torch.Tensor | None:
    """WavLM's relative position bias, which the first block holds for all; as :func:`attend` takes it."""
    for block in encoder.layers[:1]:
        if hasattr(block.attention, "rel_attn_embed"):
            longest = max(lengths)
            earlier = block.attention.compute_bias(longest, 1)[:, 1:, 0].flip(1)
            return torch.cat([earlier, block.attention.compute_bias(1, longest)[:, 0]], dim=1).contiguous()
    return None


def _gate(attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """WavLM's gate on the relative position bias, shape (frames, heads); Chen et al. 2022, equations 5 to 8."""
    heads = attention.num_heads
    projected = attention.gru_rel_pos_linear(x.view(len(x), heads, -1)).float()
    update, reset = torch.sigmoid(projected.view(len(x), heads, 2, 4).sum(dim=-1)).unbind(dim=-1)
    return update * (reset * attention.gru_rel_pos_const.view(1, heads) - 1.0) + 2.0
