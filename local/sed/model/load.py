"""Diarizers of any kind from where they are: one registry, by what a folder holds or an id says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.models import store
from utils.errors import UserError

if TYPE_CHECKING:
    from local.sed.model.diarizer import Diarizer

PUBLISHED = "speechbrain/emotion-diarization-wavlm-large"


def load(model: str | Path, device: str = "cpu") -> Diarizer:
    """Load a model, in evaluation mode, by what is in its folder.

    It is a folder that ``Diarizer.save`` wrote, SpeechBrain's published checkpoint (a folder with hyperparams.yaml), or
    that checkpoint's name on the Hugging Face hub.

    Raises
    ------
    UserError
        It is none of these, or what is in the folder is missing or damaged; its encoder is not there or not the one
        that it was trained with; the device is not there.
    """
    if (Path(model) / "hyperparams.yaml").is_file() or str(model) == PUBLISHED:
        from local.sed.model import published

        return published.load(str(model), device)
    if not (Path(model) / store.CONFIG).is_file():
        raise UserError(
            f"{model}: neither a folder with a model of stage 6 ({store.CONFIG}) nor {PUBLISHED} or its folder "
            "(hyperparams.yaml)"
        )

    def build(folder: Path, config: dict[str, Any]) -> Diarizer:
        from local.sed.model import diarizer, published
        from local.sed.model.decode import Decoder

        if config["kind"] == "published":
            made = published.load(config["source"], device, config["emotions"], config["revision"])
        else:
            made = diarizer.rebuild(folder, config, device)
        made.decoder = None if config["decoder"] is None else Decoder(**config["decoder"])
        made.provenance = config["provenance"]
        return made

    return store.load(model, build)
