"""Kind fusion: the features of encoders side by side, of which every combination of layers is a layer.

An experiment asks for it by names joined by ``+``; no entry names it. With La and Lb layers, layer i of ``a`` beside
layer j of ``b`` is layer i * Lb + j of ``a+b``, so whatever chooses a layer chooses one of each. Stage 2 makes the
parts' features and no others; who reads features puts them together (local/probe/features.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local.encoders import kinds
from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders.base import Encoder
    from local.encoders.registry import EncoderSpec

JOIN = "+"
MOST = 200  # combinations of layers: each has heads of its own


class Kind(kinds.Kind):
    """Encoders side by side."""

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Encoder:
        """Refuse: there is nothing to load but the parts."""
        raise UserError(f"encoder {spec.name}: its features are read from those of its parts, which are loaded alone")

    def parts(self, spec: EncoderSpec) -> list[EncoderSpec]:
        """Look up what its name joins."""
        from local.encoders import registry

        return [registry.spec(name, spec.base) for name in parts(spec.name)]

    def unavailable(self, spec: EncoderSpec) -> str | None:
        """Say what is missing for a part."""
        reasons = (kinds.of(part.kind).unavailable(part) for part in spec.parts)
        return next(filter(None, reasons), None)

    def untunable(self, spec: EncoderSpec) -> str | None:
        """Features have no blocks."""
        return f"it is {spec.note}, read from their frozen features"

    def identity(self, spec: EncoderSpec) -> dict[str, Any]:
        """Say what the parts are."""
        return super().identity(spec) | {"parts": [part.identity() for part in spec.parts]}

    def layer(self, spec: EncoderSpec, number: int) -> str:
        """Name the layer of each part."""
        numbers = split(number, [part.layers for part in spec.parts])
        return f" {JOIN} ".join(f"{part.name} {layer}" for part, layer in zip(spec.parts, numbers, strict=True))


def parts(name: str) -> list[str]:
    """List the encoders whose features an encoder's are made of: itself, or what its name joins."""
    return name.split(JOIN)


def split(number: int, layers: Sequence[int]) -> list[int]:
    """Tell the layer of each part from a combination's number.

    Examples
    --------
    >>> split(7, [7, 3])
    [2, 1]
    """
    found = []
    for size in reversed(layers):
        number, layer = divmod(number, size)
        found.append(layer)
    return found[::-1]


def fuse(name: str, parts: Sequence[EncoderSpec], recipe: str) -> EncoderSpec:
    """Describe encoders side by side as one.

    Raises
    ------
    UserError
        One is named twice, or their layers have too many combinations.
    """
    from local.encoders import registry

    names, layers = [part.name for part in parts], math.prod(part.layers for part in parts)
    if len(set(names)) < len(names):
        raise UserError(f"encoder {name}: names an encoder twice; join different ones")
    if layers > MOST:
        raise UserError(
            f"encoder {name}: its parts' layers have {layers} combinations, of which at most {MOST} can be tried; join "
            f"encoders of fewer layers, such as logmel"
        )

    def joined(field: str) -> list[str]:
        return list(dict.fromkeys(value for part in parts for value in getattr(part, field)))

    return registry.EncoderSpec(
        name=name, kind="fusion", layers=layers, dim=sum(part.dim for part in parts), base=recipe,
        unlisted=any(part.unlisted for part in parts),
        **{field: joined(field) for field in ("languages", "pretrained_on", "finetuned_on")},
        note=f"the features of {' and '.join(names)}, side by side",
    )  # fmt: skip
