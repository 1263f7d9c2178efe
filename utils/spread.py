"""Do speakers differ more than chance has it?  Every block's score, the lowest of them, and their spread.

The lowest of many noisy scores is low even if all speakers are alike. What it would be then is found by dealing the
utterances of each class out to the blocks at random: totals, class means and ties between runs stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 1000


@dataclass(frozen=True)
class Spread:
    """Scores of blocks, and what they would be if blocks were alike.

    Attributes
    ----------
    blocks : ndarray of int
        Those that were scored.
    scores : ndarray of float
        Of each: mean of its classes' means.
    sizes : ndarray of int
        Utterances of each.
    sd : float
        Standard deviation between blocks.
    lowest_by_chance, sd_by_chance : float
        Means of the lowest score and of the standard deviation, if blocks were alike.
    p_lowest, p_sd : float
        Share of the draws in which the lowest is as low, the standard deviation as large; the draw seen is one of them.
    """

    blocks: np.ndarray
    scores: np.ndarray
    sizes: np.ndarray
    sd: float
    lowest_by_chance: float
    sd_by_chance: float
    p_lowest: float
    p_sd: float

    @property
    def lowest(self) -> int:
        """Place of the lowest score."""
        return int(self.scores.argmin())


class Deal:
    """The draws for one set of utterances, which any number of systems share.

    Parameters
    ----------
    block, reference : ndarray of int, shape (utterances,)
        Block and class of each utterance.
    rng : Generator
        Source of the draws.
    draws : int
        How many.
    """

    def __init__(
        self, block: np.ndarray, reference: np.ndarray, rng: np.random.Generator, draws: int = DRAWS
    ) -> None:
        self._order = np.lexsort((block, reference))
        block, reference = block[self._order], reference[self._order]
        changes = np.diff(block, prepend=-1) != 0
        self._starts = np.flatnonzero(changes | (np.diff(reference, prepend=-1) != 0))
        self._size = np.diff(np.append(self._starts, len(block)))
        self.blocks, owner = np.unique(block[self._starts], return_inverse=True)
        # Of every cell (a block's utterances of a class) its share in the block's score.
        classes = np.bincount(owner)
        self._share = np.zeros((len(self._starts), len(self.blocks)))
        self._share[np.arange(len(owner)), owner] = 1 / classes[owner] / self._size
        self.sizes = np.bincount(owner, self._size).astype(int)
        ends = np.append(np.flatnonzero(np.diff(reference, prepend=-1)), len(reference))
        self._dealt = [
            rng.permuted(np.tile(np.arange(low, high, dtype=np.int32), (draws, 1)), axis=1)
            for low, high in zip(ends, ends[1:], strict=False)
        ]

    def spread(self, scores: np.ndarray) -> Spread:
        """Score blocks, and the same utterances dealt out to them at random.

        Parameters
        ----------
        scores : ndarray, shape (utterances,)
            Of each utterance; a mean over runs may be given. Three blocks or more.

        Returns
        -------
        Spread
        """
        ordered = np.asarray(scores, dtype=float)[self._order]
        seen = self._of(ordered)
        dealt = self._of(np.concatenate([ordered[own] for own in self._dealt], axis=1))
        lowest, sd = dealt.min(axis=1), dealt.std(axis=1, ddof=1)
        own = float(seen.std(ddof=1))
        # Sums of the same numbers in another order differ by rounding; they count as equal.
        as_low, as_wide = lowest <= seen.min() + 1e-12, sd >= own - 1e-12
        p_lowest, p_sd = ((1 + int(count.sum())) / (1 + len(dealt)) for count in (as_low, as_wide))
        return Spread(
            self.blocks, seen, self.sizes, own, float(lowest.mean()), float(sd.mean()), p_lowest, p_sd
        )  # fmt: skip

    def _of(self, ordered: np.ndarray) -> np.ndarray:
        return np.add.reduceat(ordered, self._starts, axis=-1) @ self._share
