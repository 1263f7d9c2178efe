"""Folders of trained models: ``config.json``, and ``model.safetensors`` with what training changed.

``config.json`` says what a model is, the encoder that it is built on, what it was trained on and how (``provenance``),
and hashes, so that damaged weights and another encoder than the one of training are found. Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from local import encoders
from local.encoders import EncoderSpec
from utils.atomic import atomic_file
from utils.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RUN = "run.json"  # of a training that is not over: what it depends on
_AGAIN = "train the model again"
Model = TypeVar("Model")


def save(
    folder: str | Path, weights: Mapping[str, torch.Tensor], spec: EncoderSpec, encoder_sha256: str,
    packages: Iterable[str], **fields: Any,
) -> None:  # fmt: skip
    """Write a model's folder, which is made if it is not there.

    ``weights`` are what training changes; ``encoder_sha256`` (:func:`sha256`) is of the encoder's weights that it
    leaves alone. The versions of ``packages`` are noted, and further fields of ``config.json``, which JSON must know.
    """
    folder = Path(folder)
    data = write(folder, weights)
    fields |= {"encoder": dataclasses.asdict(spec), "encoder_sha256": encoder_sha256}
    save_config(folder, packages, weights_sha256=hashlib.sha256(data).hexdigest(), **fields)


def write(folder: Path, weights: Mapping[str, torch.Tensor]) -> bytes:
    """Write ``model.safetensors`` alone, in a folder that is made if it is not there; give its bytes."""
    from safetensors.torch import save as to_bytes

    data = to_bytes({name: tensor.detach().contiguous() for name, tensor in weights.items()})
    with atomic_file(folder / WEIGHTS, "wb") as file:
        file.write(data)
    return data


def save_config(folder: str | Path, packages: Iterable[str], **fields: Any) -> None:
    """Write ``config.json`` alone, with the versions of packages."""
    versions = {package: importlib.metadata.version(package) for package in packages}
    with atomic_file(Path(folder) / CONFIG) as file:
        json.dump(fields | {"versions": versions}, file, indent=1)
        file.write("\n")


def load(folder: str | Path, build: Callable[[Path, dict[str, Any]], Model]) -> Model:
    """Read a model's folder: what ``build`` makes of the folder and what its ``config.json`` says.

    Raises
    ------
    UserError
        A file is missing, ``build`` says so, or its ValueError, KeyError or TypeError shows that the folder is damaged.
    """
    folder = Path(folder)
    try:
        return build(folder, json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train the model first") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / CONFIG}: damaged ({error}); {_AGAIN}") from error


def resumes(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Tell whether what is in a folder is of this very run; if not, clear it and note the run in ``run.json``."""
    try:
        if json.loads((folder / RUN).read_text(encoding="utf-8")) == json.loads(json.dumps(identity)):
            return True
    except (FileNotFoundError, ValueError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    with atomic_file(folder / RUN) as file:
        json.dump(identity, file, indent=1)
    return False


def encoder_of(config: Mapping[str, Any]) -> EncoderSpec:
    """Give the encoder that ``config.json`` names; of a repository that has moved, its registry knows where to."""
    spec = EncoderSpec(**config["encoder"])
    return encoders.spec(spec.name) if spec.folder is not None and not spec.folder.is_dir() else spec


def restore(
    folder: Path, config: Mapping[str, Any], spec: EncoderSpec, encoder_sha256: str,
    parameters: Mapping[str, torch.Tensor],
) -> None:  # fmt: skip
    """Give a fresh model, built on ``spec``, the trained weights of a folder, whose ``config.json`` is given.

    Its parameters have the names and shapes that were saved; ``encoder_sha256`` is the hash of this encoder.

    Raises
    ------
    UserError
        The weights are damaged, or the encoder is not the one of training.
    ValueError
        The weights are another model's.
    """
    weights = read(folder, config["weights_sha256"])
    if encoder_sha256 != config["encoder_sha256"]:
        raise UserError(
            f"{folder}: the encoder {spec.name} ({spec.source}) is not the one that the model was trained with; "
            f"restore it, or {_AGAIN}"
        )
    copy(weights, parameters)


def read(folder: Path, digest: str | None = None) -> dict[str, torch.Tensor]:
    """Read a folder's weights, and compare their bytes with a hash where one is given."""
    from safetensors.torch import load as from_bytes

    data = (folder / WEIGHTS).read_bytes()
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{folder / WEIGHTS}: damaged, or not that of {CONFIG}; {_AGAIN}")
    return from_bytes(data)


def copy(weights: Mapping[str, torch.Tensor], parameters: Mapping[str, torch.Tensor]) -> None:
    """Copy weights to the parameters of the same names; a ValueError if names or shapes differ."""
    import torch

    if {name: own.shape for name, own in weights.items()} != {name: own.shape for name, own in parameters.items()}:
        raise ValueError("it does not fit the weights")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


def sha256(model: nn.Module, but: Iterable[nn.Parameter] = ()) -> str:
    """Hash the weights of a module, without some of its parameters."""
    import torch

    left_out = {id(parameter) for parameter in but}
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict(keep_vars=True).items()):
        # Checkpoints may lack the mask, which only pre-training uses; it is drawn anew at every loading then.
        if id(tensor) not in left_out and name != "masked_spec_embed":
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
