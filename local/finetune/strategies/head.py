"""Strategy head: nothing of the encoder is trained."""

from __future__ import annotations

from torch import nn


def apply(model: nn.Module, published_init: bool) -> None:
    """Leave the model as it is."""
