"""The features of a corpus that an encoder gave, or that several gave, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.encoders import fusion
from local.encoders.registry import PROVENANCE
from local.results.corpus import Corpus
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np


class Fused:
    """Features side by side, every combination of their layers (local/encoders/fusion.py) made when it is taken.

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (utterances, layers of this part, dim of this part)

    Attributes
    ----------
    shape : tuple of int
        (utterances, combinations, sum of dims), as if it were an array.
    """

    def __init__(self, parts: Sequence[np.ndarray]):
        import numpy as np

        self._parts, self._layers = list(parts), [part.shape[1] for part in parts]
        self.shape = (len(parts[0]), int(np.prod(self._layers)), sum(part.shape[2] for part in parts))

    def __getitem__(self, place: tuple[np.ndarray, int]) -> np.ndarray:
        """Take some utterances' features of a combination: ``fused[rows, layer]``, of shape (rows, dim)."""
        import numpy as np

        rows, layer = place
        layers = fusion.split(layer, self._layers)
        return np.concatenate([part[rows, own] for part, own in zip(self._parts, layers, strict=True)], axis=1)


def folders(corpus: str, encoder: str) -> list[Path]:
    """List where stage 2 has put an encoder's features of a corpus: a folder for each that its name joins."""
    return [Path("dump", part, corpus) for part in fusion.parts(encoder)]


def read(corpus: Corpus, encoder: str) -> np.ndarray | Fused:
    """Read a corpus's features.

    Parameters
    ----------
    corpus : Corpus
        Says which utterances.
    encoder : str
        Whose features.

    Returns
    -------
    ndarray of float32, shape (utterances, layers, dim), or Fused
        In the order of ``corpus.utts``.

    Raises
    ------
    UserError
        An utterance is missing that is not excluded, a shape differs, or a value is not finite.
    """
    parts = [_read(corpus, folder) for folder in folders(corpus.name, encoder)]
    return Fused(parts) if len(parts) > 1 else parts[0]


def _read(corpus: Corpus, folder: Path) -> np.ndarray:
    import numpy as np

    from utils import ark

    path = folder / "feats.scp"
    features = ark.read_all(path, corpus.utts)
    for utt, matrix in zip(corpus.utts, features, strict=True):
        if not np.isfinite(matrix).all():
            raise UserError(f"{path}: the features of {utt} are not finite; delete {folder} and extract again")
    return features


def read_info(corpus: str, encoder: str) -> dict[str, Any]:
    """Read what was said of the encoder when it made a corpus's features: the fields of ``PROVENANCE``.

    Of several side by side, what any has heard; what was not asked when features were made counts as not heard.

    Raises
    ------
    UserError
        A file is missing or damaged.
    """
    found = dict.fromkeys(PROVENANCE[:-1], []) | {"unlisted": False}
    for folder in folders(corpus, encoder):
        path = folder / "info.json"
        try:
            info = {"finetuned_on": [], "unlisted": False} | json.loads(path.read_text(encoding="utf-8"))
            lists = {name: list(dict.fromkeys([*found[name], *info[name]])) for name in PROVENANCE[:-1]}
            found = lists | {"unlisted": found["unlisted"] or bool(info["unlisted"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); run the features stage again") from error
    return found
