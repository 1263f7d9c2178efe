"""Puts what a strategy trains into a model, and merges it into the weights again."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from local.finetune.strategies import STRATEGIES, Design, parse
from utils.dropout import speed_up
from utils.errors import UserError


def apply(design: Design, model: nn.Module) -> None:
    """Change a model in place so that training it follows a strategy.

    Parameters
    ----------
    design : Design
        Its strategy and start are followed.
    model : nn.Module
        A transformers model of the wav2vec 2.0 family, cut behind the layer; all its weights are frozen first.
    """
    model.requires_grad_(False)
    for part in parse(design.strategy):
        STRATEGIES[part].apply(model, design.published_init)
    speed_up(model)


def merge(design: Design, model: nn.Module, keep: Collection[str] = ()) -> bool:
    """Merge what a strategy added into the weights that it was added to, so that it costs nothing any more.

    Parameters
    ----------
    design : Design
        What :func:`apply` followed.
    model : nn.Module
        The model; changed in place.
    keep : collection of str
        Strategies whose modules may stay, where they cannot be merged.

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
        if STRATEGIES[part].unmergeable and part not in keep:
            raise UserError(f"finetune: {part} cannot be merged into the weights: {STRATEGIES[part].unmergeable}")
    blocks = model.encoder.layers
    added = {name: module for name, module in blocks.named_modules() if isinstance(module, BaseTunerLayer)}
    for name, module in added.items():
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(blocks.get_submodule(parent), child, module.get_base_layer())
    return bool(added)
