"""The lowest speaker and the spread between speakers, beside chance."""

from __future__ import annotations

import numpy as np
import pytest

from utils.spread import Deal


def utterances(speakers: int = 8, each: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    block, reference, _ = (axis.ravel() for axis in np.indices((speakers, classes, each)))
    shuffled = np.random.default_rng(0).permutation(len(block))
    return block[shuffled], reference[shuffled]


def test_scores_are_means_of_the_classes_that_a_speaker_has() -> None:
    rng = np.random.default_rng(1)
    block, reference = rng.integers(0, 5, 90) * 2, rng.integers(0, 3, 90)
    kept = (block != 4) | (reference != 1)  # one speaker lacks a class
    block, reference, scores = block[kept], reference[kept], rng.random(kept.sum())
    found = Deal(block, reference, rng).spread(scores)
    assert found.blocks.tolist() == [0, 2, 4, 6, 8]
    for b, value, size in zip(found.blocks, found.scores, found.sizes, strict=True):
        own = [scores[(block == b) & (reference == c)].mean() for c in set(reference[block == b].tolist())]
        assert (value, size) == (pytest.approx(np.mean(own)), (block == b).sum())
    assert found.sd == pytest.approx(found.scores.std(ddof=1))
    assert found.scores[found.lowest] == found.scores.min()


def test_of_speakers_who_are_alike_the_lowest_is_what_chance_gives() -> None:
    block, reference = utterances()
    rng = np.random.default_rng(2)
    deal = Deal(block, reference, rng)
    found = [deal.spread((rng.random(len(block)) < 0.7).astype(float)) for _ in range(300)]
    lowest = np.mean([one.scores.min() for one in found])
    chance = np.mean([one.lowest_by_chance for one in found])
    assert lowest == pytest.approx(chance, abs=0.01) and lowest < 0.57
    assert np.mean([one.sd for one in found]) == pytest.approx(np.mean([one.sd_by_chance for one in found]), abs=0.005)
    for kind in ("p_lowest", "p_sd"):
        p = np.array([getattr(one, kind) for one in found])
        assert 0.01 <= (p <= 0.05).mean() <= 0.085 and p.min() >= 1 / 1001


def test_a_speaker_who_is_not_understood_is_found() -> None:
    block, reference = utterances()
    rng = np.random.default_rng(3)
    scores = (rng.random(len(block)) < np.where(block == 5, 0.2, 0.7)).astype(float)
    found = Deal(block, reference, rng).spread(scores)
    assert found.blocks[found.lowest] == 5 and found.p_lowest < 0.01 and found.p_sd < 0.05
    assert found.lowest_by_chance > found.scores.min() + 0.1
