"""What of an encoder is trained: named strategies, which may be joined by ``+`` (``lora+ba+wg``).

To add one, write a function that changes a transformers model in place, as those below, and give it a line in
``STRATEGIES``. This module is import-light, for the planning of conditions: torch and peft are imported by what
touches a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.registry import hint

if TYPE_CHECKING:
    from torch import nn

POOLINGS = ("mean", "weighted")
HEADS = ("linear", "mlp")
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_FEED_FORWARD = ("intermediate_dense", "output_dense")


def _head(model: nn.Module, published_init: bool) -> None:
    """Train nothing of the encoder."""


def _full(model: nn.Module, published_init: bool) -> None:
    """Train the feature projection and the blocks.

    Not the convolutional front end, whose output can then be kept, and not the positional convolution, whose
    spectrum the packed forward computes once.
    """
    from local.finetune.adapters import begins_with_norm

    model.feature_projection.requires_grad_(True)
    if not begins_with_norm(model):
        model.encoder.layer_norm.requires_grad_(True)
    model.encoder.layers.requires_grad_(True)


def _lora(model: nn.Module, published_init: bool) -> None:
    """Add low-rank matrices to all matrices of attention and feed-forward layers (Hu et al. 2022; study A).

    It acts in the packed forward, which calls the matrices as modules; transformers' own attention of WavLM reads
    their weights and would pass it by.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.1, target_modules=[*_ATTENTION, *_FEED_FORWARD])
    inject_adapter_in_model(config, model.encoder.layers)


def _ia3(model: nn.Module, published_init: bool) -> None:
    """Scale keys, values and the feed-forward layers' inner activations (Liu et al. 2022)."""
    from peft import IA3Config, inject_adapter_in_model

    config = IA3Config(target_modules=["k_proj", "v_proj", "output_dense"], feedforward_modules=["output_dense"])
    inject_adapter_in_model(config, model.encoder.layers)


def _bitfit(model: nn.Module, published_init: bool) -> None:
    """Train all biases of the blocks, normalisations included (Ben Zaken et al. 2022)."""
    for name, parameter in model.encoder.layers.named_parameters():
        if name.rpartition(".")[2] == "bias":
            parameter.requires_grad_(True)


def _ba(model: nn.Module, published_init: bool) -> None:
    """Add a bottleneck adapter behind every feed-forward layer (Houlsby et al. 2019; study A)."""
    from local.finetune.adapters import attach_bottlenecks

    attach_bottlenecks(model, published_init)


def _wg(model: nn.Module, published_init: bool) -> None:
    """Scale every block's input, each dimension by a number of its own (study A)."""
    from local.finetune.adapters import attach_gates

    attach_gates(model, published_init)


def _prompt(model: nn.Module, published_init: bool) -> None:
    """Add 10 keys and values to the attention of every block (Li and Liang 2021; Zhang et al. 2023).

    Our own: peft's prompts and prefixes go with token embeddings or a cache of keys, and these encoders have neither.
    """
    from local.finetune.adapters import attach_prompts

    attach_prompts(model)


@dataclass(frozen=True)
class Strategy:
    """One strategy.

    Attributes
    ----------
    words : str
        What it trains, as the report and model cards say it.
    apply : callable
        Takes a transformers model, none of whose weights requires a gradient, and whether to start as published code
        does; adds modules, and asks for gradients where training is to change weights.
    alone : bool
        Whether it cannot be joined with others.
    clashes : tuple of str
        Strategies that it cannot be joined with.
    unmergeable : str
        Why what it adds cannot be merged into the encoder's weights; empty if it can.
    """

    words: str
    apply: Callable[[nn.Module, bool], None]
    alone: bool = False
    clashes: tuple[str, ...] = ()
    unmergeable: str = ""


# In the order in which they are applied: peft freezes whatever it finds, so its own come first.
STRATEGIES = {
    "head": Strategy("nothing but the head", _head, alone=True),
    "full": Strategy("all blocks", _full, alone=True),
    "lora": Strategy("low-rank matrices", _lora, clashes=("ia3",)),
    "ia3": Strategy("scaling vectors", _ia3, clashes=("lora",)),
    "bitfit": Strategy("biases", _bitfit),
    "ba": Strategy("bottleneck adapters", _ba, unmergeable="its rectifier is not linear"),
    "wg": Strategy(
        "weighted gates", _wg, unmergeable="no weight of a block scales all that the block reads, its residual included"
    ),
    "prompt": Strategy(
        "keys and values of attention", _prompt, unmergeable="no weight of attention stands for keys of its own"
    ),
}


@dataclass(frozen=True)
class Design:
    """A classifier's build: everything about it but the encoder and the emotions.

    Attributes
    ----------
    layer : int
        Hidden state that is classified; the blocks above it are dropped.
    strategy : str
        Names of ``STRATEGIES`` joined by ``+``; kept in the order of that table.
    pooling : str
        ``mean`` (over time, of the layer) or ``weighted`` (softmax-weighted sum of all hidden states up to the layer,
        then the mean over time).
    head : str
        ``linear`` (dim-classes, as study A's text says) or ``mlp`` (dim-128-16-classes, as its published code does).
    published_init : bool
        Start ``ba`` and ``wg`` as the published code does, not as the identity; the others start as the identity
        either way.

    Raises
    ------
    UserError
        A name is unknown, strategies contradict each other, or the layer has no blocks to tune.
    """

    layer: int
    strategy: str = "head"
    pooling: str = "mean"
    head: str = "linear"
    published_init: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", "+".join(parse(self.strategy)))
        for name, known in (("pooling", POOLINGS), ("head", HEADS)):
            value = getattr(self, name)
            if value not in known:
                raise UserError(f"finetune: {name} '{value}' is not one of {', '.join(known)}")
        if self.layer < 0:
            raise UserError(f"finetune: layer {self.layer} is negative; layers count from 0, the encoder's input")
        if self.layer == 0 and self.strategy != "head":
            raise UserError(f"finetune: layer 0 has no blocks to tune by {self.strategy}; use strategy head or layer 1")


def parse(strategy: str) -> list[str]:
    """Resolve a strategy to its parts.

    Parameters
    ----------
    strategy : str
        Names joined by ``+``.

    Returns
    -------
    list of str
        In the order of ``STRATEGIES``.

    Raises
    ------
    UserError
        A name is unknown or given twice, or two contradict each other.

    Examples
    --------
    >>> parse("wg+lora+ba")
    ['lora', 'ba', 'wg']
    """
    parts = strategy.split("+")
    place = f"finetune: strategy '{strategy}'"
    for part in parts:
        if part not in STRATEGIES:
            near = hint(part, STRATEGIES)
            near = near + " " if near.startswith("did") else ""
            raise UserError(f"{place}: there is no '{part}'; {near}known: {_known()}")
        if parts.count(part) > 1:
            raise UserError(f"{place} names {part} twice")
        if STRATEGIES[part].alone and len(parts) > 1:
            raise UserError(f"{place}: {part} stands alone, it decides on all of the encoder; known: {_known()}")
        for other in STRATEGIES[part].clashes:
            if other in parts:
                raise UserError(f"{place}: {part} and {other} change the same matrices; choose one; known: {_known()}")
    return sorted(parts, key=list(STRATEGIES).index)


def words(strategy: str) -> str:
    """Say what a strategy trains, in few words.

    Examples
    --------
    >>> words("wg+lora")
    'low-rank matrices, weighted gates'
    """
    return ", ".join(STRATEGIES[part].words for part in parse(strategy))


def apply(design: Design, model: nn.Module) -> None:
    """Change a model in place so that training it follows a strategy.

    Parameters
    ----------
    design : Design
        Its strategy and start are followed.
    model : nn.Module
        A transformers model of the wav2vec 2.0 family, cut behind the layer; all its weights are frozen first.
    """
    from utils.dropout import speed_up

    model.requires_grad_(False)
    for part in parse(design.strategy):
        STRATEGIES[part].apply(model, design.published_init)
    speed_up(model)


def merge(design: Design, model: nn.Module) -> bool:
    """Merge what a strategy added into the weights that it was added to, so that it costs nothing any more.

    Parameters
    ----------
    design : Design
        What :func:`apply` followed.
    model : nn.Module
        The model; changed in place.

    Returns
    -------
    bool
        Whether there was anything to merge.

    Raises
    ------
    UserError
        Part of the strategy cannot be merged.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for part in parse(design.strategy):
        if STRATEGIES[part].unmergeable:
            raise UserError(f"finetune: {part} cannot be merged into the weights: {STRATEGIES[part].unmergeable}")
    blocks = model.encoder.layers
    added = {name: module for name, module in blocks.named_modules() if isinstance(module, BaseTunerLayer)}
    for name, module in added.items():
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(blocks.get_submodule(parent), child, module.get_base_layer())
    return bool(added)


def _known() -> str:
    joinable = [name for name, strategy in STRATEGIES.items() if not strategy.alone]
    alone = [name for name, strategy in STRATEGIES.items() if strategy.alone]
    return f"{', '.join(alone)}, or {', '.join(joinable)} joined by '+'"
