"""The features of a corpus that an encoder gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from local.results.corpus import Corpus
from utils import ark
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def read(corpus: Corpus, encoder: str) -> np.ndarray:
    """Read a corpus's features.

    Parameters
    ----------
    corpus : Corpus
        Says which utterances.
    encoder : str
        Whose features.

    Returns
    -------
    ndarray of float32, shape (utterances, layers, dim)
        In the order of ``corpus.utts``.

    Raises
    ------
    UserError
        An utterance is missing that is not excluded, a shape differs, or a value is not finite.
    """
    import numpy as np

    path = Path("dump", encoder, corpus.name, "feats.scp")
    features = ark.read_all(path, corpus.utts)
    for utt, matrix in zip(corpus.utts, features, strict=True):
        if not np.isfinite(matrix).all():
            raise UserError(f"{path}: the features of {utt} are not finite; delete {path.parent} and extract again")
    return features


def read_info(corpus: str, encoder: str) -> dict[str, list[str]]:
    """Read what was said of the encoder when it made a corpus's features: ``languages`` and ``pretrained_on``.

    Raises
    ------
    UserError
        The file is missing or damaged.
    """
    path = Path("dump", encoder, corpus, "info.json")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        return {name: list(info[name]) for name in ("languages", "pretrained_on")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run the features stage again") from error
