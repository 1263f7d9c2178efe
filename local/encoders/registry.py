"""Which encoders there are: ``conf/encoders.yaml`` of the repository and, added to or over it, of the recipe."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.encoders import fusion, kinds
from utils import registry
from utils.errors import UserError

_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SMALL = 10e6  # weights; HuBERT base has 95 million
# Fields of an entry that say what an encoder has heard.
PROVENANCE = ("languages", "pretrained_on", "finetuned_on", "unlisted")


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder's entry in ``conf/encoders.yaml``."""

    name: str  # the entry's key
    # One of local.encoders.kinds.KINDS: hf (a checkpoint of transformers), emotion2vec (one of FunASR), logmel (mean
    # and standard deviation of Kaldi's log-mel filter banks), egemaps (functionals, openSMILE), shortcut (no ears).
    kind: str = "hf"
    # Of kinds hf and emotion2vec: a folder, relative to the folder that holds the entry's conf folder, or a hub id
    # (owner/name); what could be either (write ./owner/name to avoid it) is a folder if that exists.
    source: str = ""
    revision: str = "main"  # commit of a hub id
    init: str = "pretrained"  # or random: the checkpoint's architecture with random weights, a control
    seed: int = 0  # of the random weights
    # Whether an utterance is brought to zero mean and unit variance first; None: as preprocessor_config.json says.
    normalise: bool | None = None
    sees: list[str] = field(default_factory=list)  # of kind shortcut: duration, level, or text alone
    layers: int = 0  # number of hidden states: blocks + 1
    dim: int = 0  # their size
    # ISO 639-1 codes of the speech it was pre-trained on, empty if it is not bound to a language; and the corpora whose
    # audio it heard. What an entry lacks of these, the checkpoint's pretrain.json says.
    languages: list[str] = field(default_factory=list)
    pretrained_on: list[str] = field(default_factory=list)
    finetuned_on: list[str] = field(default_factory=list)  # corpora whose emotions it was taught: heard with labels
    unlisted: bool = False  # whether it may have heard more: nobody says what all of its training data were
    note: str = ""  # for people
    base: str = "."  # folder that a relative source starts from

    @property
    def module(self) -> str:
        """The module that makes it, and so the code that decides its features."""
        return kinds.KINDS[self.kind]

    @functools.cached_property
    def parts(self) -> list[EncoderSpec]:
        """The encoders whose features its own are made of: itself, or those that ``a+b`` joins."""
        return kinds.of(self.kind).parts(self)

    def layer_name(self, number: int) -> str:
        """Name a layer in tables: its number, or that of each encoder that ``a+b`` joins."""
        return kinds.of(self.kind).layer(self, number)

    @property
    def folder(self) -> Path | None:
        """Where a local checkpoint is; None for one on the hub and for kinds without one."""
        return kinds.of(self.kind).folder(self)

    @property
    def small(self) -> bool:
        """Whether its weights, if it has any, are so few that it runs for less time than it takes to be got ready."""
        # A Transformer's block has about 12 dim^2.
        return not self.source or 12 * self.layers * self.dim**2 < _SMALL

    def check_present(self) -> None:
        """Raise a UserError if the checkpoint is a local one and is not there."""
        kinds.of(self.kind).check_present(self)

    def files(self) -> list[Path]:
        """List the files of a local checkpoint that its features depend on."""
        return kinds.of(self.kind).files(self)

    def state(self) -> str:
        """Say what it is and, by times and sizes, what its local files are: as long as that, what was read is good."""
        files = [(path, path.stat()) for path in self.files()]
        return repr((self, [(path, one.st_mtime_ns, one.st_size) for path, one in files]))

    def identity(self) -> dict[str, Any]:
        """Say what makes its features what they are, for a stamp; names and notes are no part of that."""
        return kinds.of(self.kind).identity(self)


def names(recipe: str | Path = ".") -> list[str]:
    """List the encoders that a recipe may name, sorted."""
    return sorted(_entries(recipe))


def spec(name: str, recipe: str | Path = ".") -> EncoderSpec:
    """Look an encoder up by its name, as in ``encoders`` of an experiment; ``recipe`` is the recipe's folder.

    ``a+b`` is what :mod:`local.encoders.fusion` makes of two or more.

    Raises
    ------
    UserError
        There is no such encoder (the nearest name is suggested), its entry is malformed, or encoders cannot be joined.
    """
    joined = fusion.parts(name)
    if len(joined) > 1:
        return fusion.fuse(name, [spec(part, recipe) for part in joined], str(recipe))
    place, base, entry = registry.look_up(_entries(recipe), name, "encoder")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UserError(f"{place}: the name of the encoder '{name}' may hold letters, digits, '_' and '-' only")
    result = registry.fill(EncoderSpec, entry, f"{place}: {name}", name=name, base=str(base))
    _check_values(result, f"{place}: {name}")
    return _add_provenance(result, set(entry), f"{place}: {name}")


def _entries(recipe: str | Path) -> dict[str, registry.Entry]:
    return registry.read("encoders.yaml", "source", recipe)


def _add_provenance(encoder: EncoderSpec, given: set[str], place: str) -> EncoderSpec:
    """Add what local/pretrain says that a checkpoint has heard; the entry may not hide any of it."""
    path = encoder.folder / "pretrain.json" if encoder.folder else None
    if encoder.init == "random" or path is None or not path.is_file():
        return encoder
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
        heard = {"languages": list(provenance["languages"]), "pretrained_on": list(provenance["data"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not what local.pretrain.train writes; pre-train again") from error
    hidden = sorted(set(heard["pretrained_on"]) - set(encoder.pretrained_on))
    if "pretrained_on" in given and hidden:
        raise UserError(f"{place}: pretrained_on lacks {', '.join(hidden)}, which {path} names; add it")
    return dataclasses.replace(encoder, **{key: value for key, value in heard.items() if key not in given})


def _check_values(encoder: EncoderSpec, place: str) -> None:
    if encoder.kind not in (known := [kind for kind in kinds.KINDS if kind != "fusion"]):
        raise UserError(f"{place}: kind '{encoder.kind}' is not one of {', '.join(known)}")
    kind = kinds.of(encoder.kind)
    if encoder.init not in ("pretrained", "random"):
        raise UserError(f"{place}: init '{encoder.init}' is not one of pretrained, random")
    if kind.has_source != bool(encoder.source):
        raise UserError(f"{place}: kind {encoder.kind} {'needs a' if kind.has_source else 'has no'} 'source'")
    if encoder.layers < 1 or encoder.dim < 1:
        raise UserError(f"{place}: layers and dim must be given; layers counts blocks + 1")
    if kind.shape not in (None, (encoder.layers, encoder.dim)):
        raise UserError(f"{place}: kind {encoder.kind} has layers: {kind.shape[0]}, dim: {kind.shape[1]}")
    kind.check(encoder, place)
    for language in encoder.languages:
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise UserError(
                f"{place}: languages holds {language!r}, expected an ISO 639-1 code such as 'de'; quote it?"
            )
