"""A classifier of emotions for transformers: a tuned encoder of the wav2vec 2.0 family, pooled over time, and a head.

    from transformers import pipeline
    classify = pipeline("audio-classification", model=FOLDER, trust_remote_code=True)

This file lies beside the weights of models that transformers' own classes cannot express: those with bottleneck
adapters behind the feed-forward layers, gates on the blocks' inputs, keys and values of attention's own, or a head with
hidden layers. It needs torch and transformers alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class EmotionConfig(PretrainedConfig):
    """What to build.

    Parameters
    ----------
    encoder : dict
        Configuration of the encoder, ``model_type`` among it, with as many blocks as are used.
    adapters : int
        Units of the adapters; 0 for none.
    gates : bool
        Whether blocks have gates.
    prompts : int
        Keys and values that every block's attention has of its own.
    weighted : bool
        Whether all hidden states are pooled, by trained weights, or the last alone.
    hidden : list of int
        Units of the head's hidden layers.
    """

    model_type = "emotion-classifier"

    def __init__(
        self, encoder: dict[str, Any] | None = None, adapters: int = 0, gates: bool = False, prompts: int = 0,
        weighted: bool = False, hidden: list[int] | tuple[int, ...] = (), **others: Any,
    ):  # fmt: skip
        self.encoder, self.adapters, self.gates, self.prompts = encoder or {}, adapters, gates, prompts
        self.weighted, self.hidden = weighted, list(hidden)
        super().__init__(**others)


class Adapted(nn.Module):
    """A feed-forward layer with a bottleneck adapter behind it (Houlsby et al. 2019)."""

    def __init__(self, feed_forward: nn.Module, dim: int, units: int):
        super().__init__()
        self.feed_forward = feed_forward
        self.down, self.up = nn.Linear(dim, units), nn.Linear(units, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run both; shapes (..., dim)."""
        y = self.feed_forward(x)
        return y + self.up(torch.relu(self.down(y)))


class Prompts(nn.Module):
    """Keys and values that every frame attends to, by a softmax of their own (Zhang et al. 2023)."""

    def __init__(self, heads: int, number: int, size: int):
        super().__init__()
        self.keys, self.values = (nn.Parameter(torch.zeros(heads, number, size)) for _ in range(2))
        self.gates = nn.Parameter(torch.zeros(heads))

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """Give what attention gets beside its own; shapes (batch, frames, dim)."""
        split = query.unflatten(2, (len(self.keys), -1)).transpose(1, 2)
        found = functional.scaled_dot_product_attention(split, self.keys[None], self.values[None])
        return (torch.tanh(self.gates)[:, None, None] * found).transpose(1, 2).flatten(2)


class EmotionForAudioClassification(PreTrainedModel):
    """Scores emotions, before the softmax; see :class:`EmotionConfig`."""

    config_class = EmotionConfig
    base_model_prefix = "model"
    main_input_name = "input_values"
    _supports_sdpa = True

    def __init__(self, config: EmotionConfig):
        super().__init__(config)
        own = AutoConfig.for_model(**config.encoder)
        self.model = AutoModel.from_config(own)
        dim = own.hidden_size
        for block in self.model.encoder.layers:
            if config.adapters:
                block.feed_forward = Adapted(block.feed_forward, dim, config.adapters)
            if config.gates:
                block.input_gate = nn.Parameter(torch.ones(dim))
            if config.prompts:
                heads = own.num_attention_heads
                block.attention.prompts = Prompts(heads, config.prompts, dim // heads)
                block.attention.register_forward_hook(_prompted, with_kwargs=True)
            block.register_forward_pre_hook(self._enter, with_kwargs=True)
        if getattr(own, "do_stable_layer_norm", False):
            self.model.encoder.layer_norm = nn.Identity()  # what is classified is the state before it
        if config.weighted:
            self.layer_weights = nn.Parameter(torch.zeros(own.num_hidden_layers + 1))
        sizes = [dim, *config.hidden]
        layers = [layer for pair in zip(sizes, sizes[1:]) for layer in (nn.Linear(*pair), nn.ReLU())]  # noqa: B905
        self.classifier = nn.Sequential(*layers, nn.Linear(sizes[-1], config.num_labels))
        self._states: list[torch.Tensor] = []
        self.post_init()

    def forward(
        self, input_values: torch.Tensor, attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None, **_: Any,
    ) -> SequenceClassifierOutput:  # fmt: skip
        """Score waves (batch, samples) at 16 kHz, as the feature extractor beside this file gives them."""
        self._states.clear()
        states = [self.model(input_values, attention_mask=attention_mask).last_hidden_state]
        if self.config.weighted:
            states = [*self._states, *states]
        self._states.clear()
        means = torch.stack([self._mean(one, attention_mask) for one in states], dim=1)
        pooled = torch.softmax(self.layer_weights, dim=0) @ means if self.config.weighted else means[:, 0]
        logits = self.classifier(pooled)
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _mean(self, x: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        if attention_mask is None:
            return x.mean(dim=1)
        there = self.model._get_feature_vector_attention_mask(x.shape[1], attention_mask).to(x.dtype)[..., None]
        return (x * there).sum(dim=1) / there.sum(dim=1)

    def _enter(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        """Keep what a block is given, and gate it."""
        x, *rest = args
        if self.config.weighted:
            self._states.append(x)
        return ((x * block.input_gate, *rest), kwargs) if self.config.gates else None


def _prompted(attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    """Add, behind attention's own output matrix, what its prompts give."""
    x = args[0] if args else kwargs["hidden_states"]
    more = functional.linear(attention.prompts(attention.q_proj(x)), attention.out_proj.weight)
    return (output[0] + more, *output[1:])
