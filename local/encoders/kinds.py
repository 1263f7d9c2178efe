"""Kinds of encoders: what the project asks of a kind, and which there are.

A new kind is a module beside this one and a line in :data:`KINDS`. The module holds a subclass of :class:`Kind` with
that name and, in it or in what it imports, the :class:`local.encoders.base.Encoder` that it loads. Nothing else in the
repository asks for a kind's name: what a stage needs to know is asked of the kind. The modules are read by every plan,
so they import torch and other heavy packages inside functions.
"""

from __future__ import annotations

import abc
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders.base import Encoder
    from local.encoders.registry import EncoderSpec

KINDS = {
    "hf": "local.encoders.hf",
    "logmel": "local.encoders.logmel",
    "egemaps": "local.encoders.egemaps",
    "shortcut": "local.encoders.shortcut",
    "emotion2vec": "local.encoders.emotion2vec",
    "fusion": "local.encoders.fusion",
}


class Kind(abc.ABC):
    """What the project asks of a kind of encoder; the answers here are those of a kind without a checkpoint."""

    has_source: bool = False  # whether an entry must say where its checkpoint is
    shape: tuple[int, int] | None = None  # layers and dim, where all encoders of the kind have the same
    hears: bool = True  # whether it is given the voice; what one without ears reaches is what others must exceed

    @abc.abstractmethod
    def load(self, spec: EncoderSpec, device: str, precision: str) -> Encoder:
        """Make an encoder; see :func:`local.encoders.load`. One that has no use for a GPU stays on the CPU."""

    def unavailable(self, spec: EncoderSpec) -> str | None:
        """Tell why it cannot run here for want of an optional package, and the mend; None if it can."""
        return None

    def untunable(self, spec: EncoderSpec) -> str | None:
        """Tell why it has no transformer blocks to tune; None if it has, or if only loading it can tell."""
        return f"kind {spec.kind} has no transformer blocks"

    def parts(self, spec: EncoderSpec) -> list[EncoderSpec]:
        """List the encoders whose features its own are made of: itself, but for a fusion."""
        return [spec]

    def layer(self, spec: EncoderSpec, number: int) -> str:
        """Name a layer in tables."""
        return str(number)

    def tables(self, spec: EncoderSpec) -> tuple[str, ...]:
        """Name tables of a data directory, of which it is given the first that says something, in place of audio."""
        return ()

    def check(self, spec: EncoderSpec, place: str) -> None:
        """Raise a UserError if fields of the entry, which ``place`` names, are not for this kind."""
        if spec.sees:
            raise UserError(f"{place}: kind {spec.kind} has no 'sees'")

    def identity(self, spec: EncoderSpec) -> dict[str, Any]:
        """Say what of the entry makes its features what they are, for a stamp."""
        return {"kind": spec.kind}

    def folder(self, spec: EncoderSpec) -> Path | None:
        """Where its checkpoint is, if that is a local one."""
        return None

    def files(self, spec: EncoderSpec) -> list[Path]:
        """List the local files that its features depend on."""
        return []

    def check_present(self, spec: EncoderSpec) -> None:  # noqa: B027 (by default there is nothing to look for)
        """Raise a UserError if its checkpoint is a local one and is not there."""


def of(name: str) -> Kind:
    """Give the kind of a name in :data:`KINDS`."""
    return importlib.import_module(KINDS[name]).Kind()
