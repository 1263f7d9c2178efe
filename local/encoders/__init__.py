"""Encoders: one interface for every speech representation, from eGeMAPS to WavLM.

    from local import encoders
    spec = encoders.spec("wav2vec2_de")                # conf/encoders.yaml; reads YAML and nothing else
    encoder = encoders.load(spec, device="cuda:0", precision="fp32")
    encoder.pooled([wave_a, wave_b])                   # (2, layers, dim): time mean of every layer

To add an encoder that transformers can read, give it an entry in ``conf/encoders.yaml``; for another kind,
write a module with a class that has :class:`local.encoders.base.Encoder`'s methods and a function ``load``, and name
the kind in ``local/encoders/registry.py``. Nothing that other kinds have made depends on it.
This package is import-light: torch is imported by :func:`load`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from local.encoders.registry import EncoderSpec, names, spec, unavailable
from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders.base import Encoder

__all__ = ["EncoderSpec", "load", "names", "spec", "unavailable"]


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

    Returns
    -------
    Encoder

    Raises
    ------
    UserError
        The checkpoint is missing, damaged or not what the registry says; the device is not there; an
        optional package is not installed.
    """
    if precision not in ("fp32", "bf16"):
        raise UserError(f"precision '{precision}' is not one of fp32, bf16")
    return importlib.import_module(encoder.module).load(encoder, device, precision)
