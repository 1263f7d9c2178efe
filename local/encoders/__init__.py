"""Encoders: one interface for every speech representation, from eGeMAPS to WavLM.

    from local import encoders
    spec = encoders.spec("wav2vec2_de")                # conf/encoders.yaml; reads YAML and nothing else
    encoder = encoders.load(spec, device="cuda:0", precision="fp32")
    encoder.pooled([wave_a, wave_b])                   # (2, layers, dim): time mean of every layer

To add an encoder that transformers can read, give it an entry in ``conf/encoders.yaml``; for another kind, write a
module and name it in ``local/encoders/kinds.py``, which says what it must hold. Nothing that other kinds have made
depends on it.
This package is import-light: torch is imported by :func:`load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.encoders import kinds
from local.encoders.registry import EncoderSpec, names, spec
from utils.errors import UserError
from utils.reproducible import threads

if TYPE_CHECKING:
    from local.encoders.base import Encoder
    from local.encoders.transformer import Transformer

__all__ = ["EncoderSpec", "load", "load_tunable", "names", "spec", "unavailable", "untunable"]


def load(encoder: EncoderSpec, device: str = "cpu", precision: str = "fp32") -> Encoder:
    """Make an encoder ready for use.

    Parameters
    ----------
    encoder : EncoderSpec
        From :func:`spec`.
    device : str
        As torch names it: ``cpu``, ``cuda:0``.
    precision : str
        ``fp32``, or ``bf16`` for matrix products in bfloat16; on a processor without bfloat16
        instructions, where that is several times slower, fp32 is used and a line says so.

    Raises
    ------
    UserError
        The checkpoint is missing, damaged or not what the registry says; the device is not there; an
        optional package is not installed.
    """
    if precision not in ("fp32", "bf16"):
        raise UserError(f"precision '{precision}' is not one of fp32, bf16")
    # Weights that are stored normalised are computed now: no result may depend on how many jobs share the cores.
    with threads(1):
        return kinds.of(encoder.kind).load(encoder, device, precision)


def load_tunable(encoder: EncoderSpec, device: str = "cpu", precision: str = "fp32") -> Transformer:
    """Make an encoder whose transformer blocks can be run, and trained, one by one; parameters as for :func:`load`.

    Raises
    ------
    UserError
        As for :func:`load`, or it has no such blocks.
    """
    reason = untunable(encoder)
    made = None if reason else load(encoder, device, precision)
    reason = reason or made.untunable
    if reason:
        raise UserError(f"encoder {encoder.name} can be neither tuned nor read frame by frame: {reason}")
    return made


def unavailable(encoder: EncoderSpec) -> str | None:
    """Tell why an encoder cannot run here for want of an optional package, and the mend; None if it can."""
    return kinds.of(encoder.kind).unavailable(encoder)


def untunable(encoder: EncoderSpec) -> str | None:
    """Tell why an encoder has no transformer blocks that stages 4 and 6 could work on.

    None if it has them, or if only loading it (:func:`load_tunable`) can tell.
    """
    return kinds.of(encoder.kind).untunable(encoder)
