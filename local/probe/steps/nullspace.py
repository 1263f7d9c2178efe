"""Iterative null-space projection: classes are read linearly, what they are read by is taken away, until chance.

Source: S. Ravfogel, Y. Elazar, H. Gonen, M. Twiton, Y. Goldberg, "Null it out: guarding protected attributes by
iterative nullspace projection", ACL 2020. All layers go together (local/representation/reader.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from local.representation.reader import Reader

ITERATIONS = 30  # at most
_NOTHING = 1e-6  # of the largest singular value of a layer's weights so far: below it there is no direction


@dataclass(frozen=True)
class Erasure:
    """What was taken away, iteration by iteration.

    Attributes
    ----------
    blocks : list of ndarray, shape (layers, dim, directions)
        Of each iteration; orthonormal, and orthogonal to those before. Columns of zeros stand for none: of a layer that
        is at chance already.
    """

    blocks: list[np.ndarray]

    @property
    def directions(self) -> np.ndarray:
        """All directions, shape (layers, dim, number)."""
        return np.concatenate(self.blocks, axis=2)

    @property
    def ranks(self) -> np.ndarray:
        """How many directions were taken away after each iteration, from 0: shape (iterations + 1, layers)."""
        there = [np.zeros(len(self.blocks[0]), dtype=int)]
        there += [(block != 0).any(axis=1).sum(axis=1) for block in self.blocks]
        return np.cumsum(there, axis=0)


def erase(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> Erasure:
    """Take away what classes are read by, until those of held-out utterances are not.

    Parameters
    ----------
    x : ndarray, shape (layers, utterances, dim)
        Features.
    y : ndarray of int, shape (utterances,)
        Class indices, from 0.
    held : ndarray of bool, shape (utterances,)
        Those that no direction is learnt from; see :func:`local.representation.reader.hold_out`.

    Returns
    -------
    Erasure
        A layer is done when its accuracy on them is within the interval of chance, see :func:`chance`, or nothing is
        left, and at last after :data:`ITERATIONS`.
    """
    reader, unheard = Reader(x[:, ~held], y[~held]), x[:, held].astype(np.float64)
    _, highest = chance(y[held])
    most = min(int(y.max()), x.shape[2])
    blocks, least = [np.zeros((len(x), x.shape[2], 0))], np.zeros((len(x), 1))
    for _ in range(ITERATIONS):
        going = (reader.classify(unheard) == y[held]).mean(axis=1) > highest
        vectors, sizes, _ = np.linalg.svd(reader.weights, full_matrices=False)
        least = np.maximum(least, _NOTHING * sizes[:, :1])
        there = going[:, None] & (sizes > least)
        if not there.any():
            break
        block = (vectors * there[:, None])[:, :, :most]
        reader.forget(block)
        blocks.append(block)
    return Erasure(blocks[1:] or blocks)


def chance(y: np.ndarray) -> tuple[float, float]:
    """Give the accuracy of always naming the most frequent class, and how high it may be by chance (97.5%).

    A binomial number of as many utterances as ``y`` has is right. None of no utterances is: 1.
    """
    from scipy.special import bdtr

    if not len(y):
        return 1.0, 1.0
    share = float(np.bincount(y).max() / len(y))
    below = bdtr(np.arange(len(y) + 1.0), len(y), share)
    return share, float(np.searchsorted(below, 0.975) / len(y))


def draw(dim: int, ranks: Sequence[int], seed: Sequence[int]) -> np.ndarray:
    """Draw a random subspace for each layer: shape (layers, dim, largest rank), zeros beyond a layer's own rank.

    Directions are uniform on the sphere, orthonormal, and the same for all layers.
    """
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((dim, max(ranks))))
    return np.stack([basis * (np.arange(max(ranks)) < rank) for rank in ranks])
