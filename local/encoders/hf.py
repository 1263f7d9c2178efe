"""Kind hf: checkpoints that transformers reads, from a folder or from the hub.

Two paths lead through them, chosen by the checkpoint's ``model_type``: the wav2vec 2.0 family runs packed
(local/encoders/transformer.py), which tuning and diarization build on; the others run as transformers runs them
(local/encoders/general.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.encoders import kinds
from local.encoders.packed import untunable_type
from local.encoders.registry import EncoderSpec
from utils.errors import UserError

if TYPE_CHECKING:
    from local.encoders.base import Encoder

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})/")


def commit_of(path: str | Path) -> str:
    """Read the commit of a checkpoint off the path of one of its files in the cache of the hub; empty elsewhere.

    Examples
    --------
    >>> commit_of("hub/models--a--b/snapshots/" + "0a" * 20 + "/config.json") == "0a" * 20, commit_of("a/config.json")
    (True, '')
    """
    found = _SNAPSHOT.search(Path(path).as_posix())
    return found[1] if found else ""


class Kind(kinds.Kind):
    """A checkpoint that transformers reads."""

    has_source = True

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Encoder:
        """Read the checkpoint."""
        from local.encoders import loading

        return loading.load(spec, device, precision)

    def untunable(self, spec: EncoderSpec) -> str | None:
        """Go by the model type, where the checkpoint is a local one."""
        folder = self.folder(spec)
        if folder is None:
            return None
        try:
            model_type = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # loading says what is wrong
        return untunable_type(model_type)

    def identity(self, spec: EncoderSpec) -> dict[str, Any]:
        """Give what of the entry decides; names and notes do not."""
        kept = {"kind": spec.kind, "source": spec.source, "init": spec.init, "normalise": spec.normalise}
        if spec.folder is None:
            kept["revision"] = spec.revision
        if spec.init == "random":
            kept["seed"] = spec.seed
        return kept

    def folder(self, spec: EncoderSpec) -> Path | None:
        """Take for a folder what exists, and what cannot be a hub id."""
        folder = Path(spec.base) / spec.source
        looks_like_hub_id = _HUB_ID.fullmatch(spec.source) and not spec.source.startswith(".")
        return None if looks_like_hub_id and not folder.is_dir() else folder

    def files(self, spec: EncoderSpec) -> list[Path]:
        """List configuration, preprocessor and, unless they are random, weights."""
        patterns = ["config.json", "preprocessor_config.json"]
        if spec.init == "pretrained":
            # Large checkpoints come in parts.
            patterns += ["model*.safetensors", "pytorch_model*.bin"]
        return [path for pattern in patterns for path in sorted(spec.folder.glob(pattern))] if spec.folder else []

    def check_present(self, spec: EncoderSpec) -> None:
        """Look for the configuration."""
        if spec.folder is not None and not (spec.folder / "config.json").is_file():
            raise UserError(
                f"encoder {spec.name}: no checkpoint in {spec.folder} (config.json, model.safetensors); "
                f"make it first, or correct 'source' in conf/encoders.yaml"
            )
