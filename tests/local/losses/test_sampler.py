"""Batches of all emotions in all languages."""

from __future__ import annotations

import numpy as np
import pytest

from local.losses.sampler import batches
from utils.errors import UserError

LABELS = np.array([0] * 30 + [1] * 9 + [0] * 10 + [1] * 3)
LANGUAGES = np.array([0] * 39 + [1] * 13)


@pytest.mark.parametrize("lengths", [None, list(range(52))])
def test_every_batch_holds_so_many_of_each(lengths: list[int] | None) -> None:
    drawn = batches(LABELS, LANGUAGES, seed=3, each=4, lengths=lengths)
    assert len(drawn) == 8
    for batch in drawn:
        cells = list(zip(LABELS[batch], LANGUAGES[batch], strict=True))
        assert {cell: cells.count(cell) for cell in cells} == {(a, b): 4 for a in (0, 1) for b in (0, 1)}
    rows = np.concatenate(drawn)
    assert {*rows} == {*range(52)}
    # None of the largest cell twice before all were there; the smallest cells as evenly as can be.
    counts = np.bincount(rows)
    for cell in range(4):
        own = counts[cell == 2 * LABELS + LANGUAGES]
        assert own.max() - own.min() <= 1


def test_draws_are_repeatable_and_epochs_differ() -> None:
    first, again, later = (batches(LABELS, LANGUAGES, 1, epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, later, strict=True))


def test_grouping_by_length_makes_batches_more_even() -> None:
    rng = np.random.default_rng(0)
    labels, languages, lengths = np.arange(640) % 4, np.arange(640) // 320, rng.integers(50, 500, 640)

    def spread(found: list[np.ndarray]) -> float:
        return float(np.mean([lengths[batch].max() for batch in found]))

    assert spread(batches(labels, languages, 0, lengths=list(lengths))) < spread(batches(labels, languages, 0)) - 20


def test_an_emotion_that_a_language_lacks_is_an_error() -> None:
    with pytest.raises(UserError, match="missing in a training language"):
        batches(np.array([0, 1, 0]), np.array([0, 0, 1]), 0)
