"""Which encoders there are: ``conf/encoders.yaml`` of the repository and, added to or over it, of the recipe."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils import registry
from utils.errors import UserError

REPO = Path(__file__).resolve().parent.parent.parent
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# The modules of local/encoders that make an encoder of a kind: each has load(spec, device, precision).
_KINDS = {"hf": "loading", "logmel": "spectral", "egemaps": "spectral"}


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder's entry in ``conf/encoders.yaml``.

    Attributes
    ----------
    name : str
        The entry's key.
    kind : str
        ``hf`` (a wav2vec 2.0, HuBERT, WavLM or data2vec-audio checkpoint of transformers), ``logmel`` (mean and
        standard deviation of Kaldi's log-mel filter banks) or ``egemaps`` (functionals, openSMILE).
    source : str
        Of kind ``hf``: a folder, relative to the folder that holds the ``conf`` folder of the entry, or a hub
        id (``owner/name``); what could be either (write ``./owner/name`` to avoid it) is a folder if that exists.
    revision : str
        Commit of a hub id.
    init : str
        ``pretrained``, or ``random``: the checkpoint's architecture with random weights, a control.
    seed : int
        Of the random weights.
    normalise : bool or None
        Whether an utterance is brought to zero mean and unit variance first; None (the default) is what the
        checkpoint's ``preprocessor_config.json`` says.
    layers, dim : int
        Number of hidden states (blocks + 1) and their size.
    languages : list of str
        ISO 639-1 codes of the speech it was pre-trained on; empty if it is not bound to a language.
    pretrained_on : list of str
        Corpora whose audio its pre-training saw: the contamination list. Where an entry lacks one of these
        two, the ``pretrain.json`` that local/encoders/pretrain.py leaves with a checkpoint says it.
    note : str
        For people.
    base : str
        Folder that a relative ``source`` starts from.
    """

    name: str
    kind: str = "hf"
    source: str = ""
    revision: str = "main"
    init: str = "pretrained"
    seed: int = 0
    normalise: bool | None = None
    layers: int = 0
    dim: int = 0
    languages: list[str] = field(default_factory=list)
    pretrained_on: list[str] = field(default_factory=list)
    note: str = ""
    base: str = "."

    @property
    def module(self) -> str:
        """The module that makes it, and so the code that decides its features."""
        return f"local.encoders.{_KINDS[self.kind]}"

    @property
    def folder(self) -> Path | None:
        """Where a local checkpoint is; None for one on the hub and for kinds without one."""
        if self.kind != "hf":
            return None
        folder = Path(self.base) / self.source
        looks_like_hub_id = _HUB_ID.fullmatch(self.source) and not self.source.startswith(".")
        return None if looks_like_hub_id and not folder.is_dir() else folder

    def check_present(self) -> None:
        """Raise a UserError if the checkpoint is a local one and is not there."""
        folder = self.folder
        if folder is not None and not (folder / "config.json").is_file():
            raise UserError(
                f"encoder {self.name}: no checkpoint in {folder} (config.json, model.safetensors); "
                f"make it first, or correct 'source' in conf/encoders.yaml"
            )

    def files(self) -> list[Path]:
        """List the files of a local checkpoint that its features depend on."""
        names = ["config.json", "preprocessor_config.json"]
        if self.init == "pretrained":
            names += ["model.safetensors", "pytorch_model.bin"]
        folder = self.folder
        return [folder / name for name in names if (folder / name).exists()] if folder else []

    def identity(self) -> dict[str, Any]:
        """Say what makes its features what they are, for a stamp; names and notes are no part of that."""
        if self.kind != "hf":
            return {"kind": self.kind}
        kept = {"kind": self.kind, "source": self.source, "init": self.init, "normalise": self.normalise}
        if self.folder is None:
            kept["revision"] = self.revision
        if self.init == "random":
            kept["seed"] = self.seed
        return kept


def names(recipe: str | Path = ".") -> list[str]:
    """List the encoders that a recipe may name, sorted."""
    return sorted(_entries(recipe))


def spec(name: str, recipe: str | Path = ".") -> EncoderSpec:
    """Look an encoder up.

    Parameters
    ----------
    name : str
        Its name, as in ``encoders`` of an experiment.
    recipe : str or Path
        The recipe's folder.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    UserError
        There is no such encoder (the nearest name is suggested), or its entry is malformed.
    """
    place, base, entry = registry.look_up(_entries(recipe), name, "encoder")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UserError(f"{place}: the name of the encoder '{name}' may hold letters, digits, '_' and '-' only")
    _check_keys(entry, f"{place}: {name}")
    result = EncoderSpec(**entry, name=name, base=str(base))
    _check_values(result, f"{place}: {name}")
    return _add_provenance(result, set(entry), f"{place}: {name}")


def unavailable(encoder: EncoderSpec) -> str | None:
    """Tell why an encoder cannot run here for want of an optional package.

    Returns
    -------
    str or None
        The reason and the mend; None if it can run.
    """
    if encoder.kind == "egemaps" and importlib.util.find_spec("opensmile") is None:
        return "opensmile is not installed (utils/install.sh --extra egemaps)"
    return None


def _entries(recipe: str | Path) -> dict[str, registry.Entry]:
    return registry.read("encoders.yaml", "source", recipe)


def _add_provenance(encoder: EncoderSpec, given: set[str], place: str) -> EncoderSpec:
    """Add what local/encoders/pretrain.py says that a checkpoint has heard; the entry may not hide any of it."""
    path = encoder.folder / "pretrain.json" if encoder.folder else None
    if encoder.init == "random" or path is None or not path.is_file():
        return encoder
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
        heard = {"languages": list(provenance["languages"]), "pretrained_on": list(provenance["data"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not what local.encoders.pretrain writes; pre-train again") from error
    hidden = sorted(set(heard["pretrained_on"]) - set(encoder.pretrained_on))
    if "pretrained_on" in given and hidden:
        raise UserError(f"{place}: pretrained_on lacks {', '.join(hidden)}, which {path} names; add it")
    return dataclasses.replace(encoder, **{key: value for key, value in heard.items() if key not in given})


def _check_keys(entry: dict[str, Any], place: str) -> None:
    known = [item.name for item in dataclasses.fields(EncoderSpec) if item.name not in ("name", "base")]
    kinds = {"seed": int, "layers": int, "dim": int, "languages": list, "pretrained_on": list, "normalise": bool}
    for key, value in entry.items():
        if key not in known:
            raise UserError(f"{place}: unknown key '{key}'; {registry.hint(key, known)}")
        kind = kinds.get(key, str)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UserError(f"{place}: {key} is {value!r}, expected a {kind.__name__}; quote it?")


def _check_values(encoder: EncoderSpec, place: str) -> None:
    if encoder.kind not in _KINDS:
        raise UserError(f"{place}: kind '{encoder.kind}' is not one of {', '.join(_KINDS)}")
    if encoder.init not in ("pretrained", "random"):
        raise UserError(f"{place}: init '{encoder.init}' is not one of pretrained, random")
    if (encoder.kind == "hf") != bool(encoder.source):
        raise UserError(f"{place}: 'source' is needed for kind hf and for no other")
    if encoder.layers < 1 or encoder.dim < 1:
        raise UserError(f"{place}: layers and dim must be given; layers counts blocks + 1")
    for language in encoder.languages:
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise UserError(
                f"{place}: languages holds {language!r}, expected an ISO 639-1 code such as 'de'; quote it?"
            )
