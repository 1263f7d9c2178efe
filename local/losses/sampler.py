"""Batches that hold every emotion in every language: contrasts across languages need both in one batch.

A batch is drawn of cells, an emotion in a language, ``each`` utterances of each. An epoch goes through the largest cell
once; smaller ones begin again, in a new order. With ``lengths``, utterances of like length are taken together within
a cell, up to chance, as length grouping does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.errors import UserError

EACH = 4
_POOL = 8  # batches within which utterances are sorted by length


def batches(
    labels: np.ndarray, languages: np.ndarray, seed: int, epoch: int = 0, each: int = EACH,
    lengths: Sequence[int] | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """Draw the batches of an epoch.

    Parameters
    ----------
    labels, languages : ndarray of int64, shape (utterances,)
        Emotion and language of each.
    seed, epoch : int
        Which draw.
    each : int
        Utterances of a cell in a batch; of a cell that has fewer, some are there more than once.
    lengths : sequence of int, optional
        By which utterances are grouped.

    Returns
    -------
    list of ndarray of int64
        Rows of each batch, in an order that says nothing of the cells.

    Raises
    ------
    UserError
        An emotion is missing in a language.
    """
    rng = np.random.default_rng([seed, epoch])
    cells = [
        np.flatnonzero((labels == label) & (languages == language))
        for language in np.unique(languages) for label in np.unique(labels)
    ]  # fmt: skip
    if not all(len(cell) for cell in cells):
        raise UserError("an emotion is missing in a training language, so no batch can hold all of both; choose others")
    number = -(-max(map(len, cells)) // each)
    drawn = np.stack([_draw(cell, number * each, rng, lengths).reshape(number, each) for cell in cells], axis=1)
    return [rng.permutation(batch.ravel()) for batch in drawn]


def _draw(cell: np.ndarray, wanted: int, rng: np.random.Generator, lengths: Sequence[int] | None) -> np.ndarray:
    """Take so many of a cell, all of them before any again."""
    rounds = [rng.permutation(cell) for _ in range(-(-wanted // len(cell)))]
    order = np.concatenate(rounds)[:wanted]
    if lengths is None:
        return order
    # Sorted within a few batches, so that the order of batches remains by chance.
    size = max(1, wanted // -(-wanted // (_POOL * EACH)))
    pools = [order[begin : begin + size] for begin in range(0, wanted, size)]
    return np.concatenate([pool[np.argsort(np.asarray(lengths)[pool], kind="stable")] for pool in pools])
