"""Biases of classes: what they mend, and that a speaker's labels do not mend that speaker."""

from __future__ import annotations

import numpy as np
import pytest

from utils import biases


def scored(speakers: int = 10, each: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log posteriors that are right more often than not, classes and speakers."""
    rng = np.random.default_rng(seed)
    reference = np.tile(np.repeat(np.arange(4), each), speakers)
    scores = rng.normal(size=(1, len(reference), 4)) + 3 * np.eye(4)[reference]
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return scores, reference, np.repeat(np.arange(speakers), 4 * each)


def ua(said: np.ndarray, reference: np.ndarray) -> float:
    return float(np.mean([(said[reference == c] == c).mean() for c in np.unique(reference)]))


@pytest.mark.parametrize("moved", [[4, 0, 0, 0], [0, -3, 3, 0], [-6, 0, 0, 0]])
def test_moved_thresholds_are_moved_back(moved: list[float]) -> None:
    scores, reference, block = scored()
    before, after = ua(scores[0].argmax(-1), reference), ua((scores[0] + moved).argmax(-1), reference)
    found = ua(biases.held_out(scores + np.array(moved), reference, block)[0], reference)
    assert after < before - 0.15 and before - found < 0.25 * (before - after)


def test_frequencies_do_not_matter_since_classes_count_the_same() -> None:
    scores, reference, block = scored(each=24)
    rng = np.random.default_rng(1)
    kept = (reference < 2) | (rng.random(len(reference)) < 0.15)
    moved = scores[:, kept] + [0, 0, 4, 0]
    found = biases.held_out(moved, reference[kept], block[kept])[0]
    assert ua(found, reference[kept]) > ua(moved[0].argmax(-1), reference[kept]) + 0.15


def test_where_nothing_is_to_be_mended_little_is_lost() -> None:
    lost = []
    for seed in range(10):
        scores, reference, block = scored(speakers=6, seed=seed)
        lost.append(ua(scores[0].argmax(-1), reference) - ua(biases.held_out(scores, reference, block)[0], reference))
    assert np.mean(lost) < 0.01


def test_a_speaker_s_own_labels_do_not_help() -> None:
    scores, reference, block = scored()
    moved = scores + np.array([2, 0, 0, -2])
    before = biases.held_out(moved, reference, block)[0]
    own = block == 3
    other = np.where(own, (reference + 1) % 4, reference)
    after = biases.held_out(moved, other, block)[0]
    np.testing.assert_array_equal(before[own], after[own])
    assert (before != after).any()


def test_runs_have_biases_of_their_own_and_one_block_has_none() -> None:
    scores, reference, block = scored()
    runs = np.concatenate([scores + np.array([5, 0, 0, 0]), scores + np.array([0, 0, 0, 5])])
    found = biases.held_out(runs, reference, block)
    for run, said in zip(runs, found, strict=True):
        np.testing.assert_array_equal(said, biases.held_out(run[None], reference, block)[0])
    np.testing.assert_array_equal(biases.held_out(runs, reference, np.zeros_like(block)), runs.argmax(-1))


def test_a_class_of_one_speaker_is_no_error() -> None:
    scores, reference, block = scored()
    kept = (reference < 3) | (block == 0)
    found = biases.held_out(scores[:, kept], reference[kept], block[kept])[0]
    assert ua(found, reference[kept]) > 0.7
