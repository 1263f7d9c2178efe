"""What of an encoder is trained: named strategies, which may be joined by ``+`` (``lora+ba+wg``), and their registry.

A new strategy is a module, best beside this one, and a line in :data:`STRATEGIES`. The module holds the function
``apply(model, published_init)``. It takes a transformers model of the wav2vec 2.0 family, cut behind the layer, none of
whose weights requires a gradient, and whether to start as published code does; it adds modules, and asks for gradients
where training is to change weights. It should start as the identity, as those here do: an untrained classifier then
sees what the plain encoder gives, and what it sees later is due to training. The packed forward of
:mod:`local.encoders.transformer` runs what it finds in a block: its feed-forward layer whatever that is, ``input_gate``
on the block's input, ``prompts`` in the attention.

What is tuned depends on the modules of its own strategies and not on this registry, so a new line leaves results valid.
This module is import-light, for the planning of conditions.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.registry import hint

if TYPE_CHECKING:
    from torch import nn

POOLINGS = ("mean", "weighted")
HEADS = ("linear", "mlp")


@dataclass(frozen=True)
class Strategy:
    """One strategy.

    Attributes
    ----------
    words : str
        What it trains, as the report and model cards say it.
    module : str
        Holds its ``apply``.
    alone : bool
        Whether it cannot be joined with others.
    clashes : tuple of str
        Strategies that it cannot be joined with.
    unmergeable : str
        Why what it adds cannot be merged into the encoder's weights; empty if it can.
    """

    words: str
    module: str
    alone: bool = False
    clashes: tuple[str, ...] = ()
    unmergeable: str = ""

    @property
    def apply(self) -> Callable[[nn.Module, bool], None]:
        """The function that changes a model."""
        return importlib.import_module(self.module).apply


# In the order in which they are applied: peft freezes whatever it finds, so its own come first.
STRATEGIES = {
    "head": Strategy("nothing but the head", f"{__name__}.head", alone=True),
    "full": Strategy("all blocks", f"{__name__}.full", alone=True),
    "lora": Strategy("low-rank matrices", f"{__name__}.lora", clashes=("ia3",)),
    "ia3": Strategy("scaling vectors", f"{__name__}.ia3", clashes=("lora",)),
    "bitfit": Strategy("biases", f"{__name__}.bitfit"),
    "ba": Strategy("bottleneck adapters", f"{__name__}.ba", unmergeable="its rectifier is not linear"),
    "wg": Strategy(
        "weighted gates", f"{__name__}.wg",
        unmergeable="no weight of a block scales all that the block reads, its residual included",
    ),
    "prompt": Strategy(
        "keys and values of attention", f"{__name__}.prompt",
        unmergeable="no weight of attention stands for keys of its own",
    ),
}  # fmt: skip


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


def modules(strategy: str) -> list[str]:
    """Name the modules that carry a strategy out, for stamps."""
    return [STRATEGIES[part].module for part in parse(strategy)]


def _known() -> str:
    joinable = [name for name, strategy in STRATEGIES.items() if not strategy.alone]
    alone = [name for name, strategy in STRATEGIES.items() if strategy.alone]
    return f"{', '.join(alone)}, or {', '.join(joinable)} joined by '+'"
