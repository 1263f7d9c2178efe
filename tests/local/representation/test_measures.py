"""What is read from features, and where they are drawn: worked numbers and planted directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from local.representation.measures import Lists, centroids, measure
from local.representation.plane import plane_of

DIM = 24
FIXED = np.random.default_rng(5).standard_normal((40, DIM))


def lists(seed: int, voice: float = 3.0, shift: float = 2.0, first: int = 0, n: int = 480) -> Lists:
    """Emotions, voices and languages as planted directions; three corpora of six voices, a language each."""
    rng = np.random.default_rng(seed)
    corpora = np.arange(n) % 3
    speakers = first + corpora * 6 + rng.integers(0, 6, n)
    labels = rng.integers(0, 4, n)
    # Voices lie in three dimensions of their own; emotions and languages in others.
    place = np.arange(DIM)
    told, spoken = FIXED[labels] * (place < 12), FIXED[4 + corpora] * ((place >= 12) & (place < 18))
    who = np.random.default_rng(99).standard_normal((80, DIM))[speakers] * (place >= 18)
    x = told + shift * spoken + voice * who + 0.5 * rng.standard_normal((n, DIM))
    utts = [f"u{row}" for row in range(n)]
    return Lists(x.astype(np.float32), labels, corpora, corpora, [f"s{own}" for own in speakers], utts)


def without(own: Lists, columns: slice) -> Lists:
    x = own.x.copy()
    x[:, columns] = 0
    return replace(own, x=x)


def test_what_is_planted_is_read_and_what_is_taken_away_is_not() -> None:
    own, test = lists(0), lists(1, first=18)  # other voices
    before = measure(own, test)
    assert min(before[name] for name in ("emotion_target", "emotion_source", "language", "heard")) > 0.85
    assert before["speaker"] > before["speaker_chance"] + 0.3
    mute = measure(without(own, slice(18, None)), without(test, slice(18, None)))
    assert mute["heard"] < before["heard"] / 2 and mute["speaker"] < mute["speaker_chance"] + 0.12
    assert mute["emotion_target"] > 0.85 and mute["language"] > 0.85
    flat = measure(without(own, slice(12, 18)), without(test, slice(12, 18)))
    assert flat["language"] < 0.5 and flat["alignment"] > before["alignment"] + 0.1
    blind = measure(without(own, slice(0, 12)), without(test, slice(0, 12)))
    assert blind["emotion_target"] < 0.4 and blind["alignment"] < 0.3
    assert before["language_chance"] == pytest.approx(1 / 3)


def test_labels_of_the_target_train_nothing() -> None:
    own, test = lists(0), lists(1, first=18)
    labels = np.where(own.target, np.roll(own.labels, 1), own.labels)
    before, after = measure(own, test), measure(replace(own, labels=labels), test)
    assert before == after


def test_centroids_by_hand() -> None:
    corners = np.array([[1.0, 0, 0], [-1, 0, 0]])
    labels, languages = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    alike = centroids(np.vstack([corners, corners]), labels, languages)
    assert alike == pytest.approx({"same": 1, "other": -1, "alignment": 2, "cka": 1})
    # Turned by a right angle: cosines are 0, and emotions lie to each other as before.
    turned = centroids(np.vstack([corners, corners[:, [1, 0, 2]]]), labels, languages)
    assert turned == pytest.approx({"same": 0, "other": 0, "alignment": 0, "cka": 1})
    # Languages far apart: centroids of one language are all alike, those of two opposite.
    apart = centroids(np.vstack([corners + [0, 0, 5], corners - [0, 0, 5]]), labels, languages)
    assert apart["same"] == pytest.approx((1 - 25) / 26) and apart["alignment"] == pytest.approx(2 / 26)
    four = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    other = centroids(np.vstack([four, four[[0, 2, 1, 3]]]), np.tile(np.arange(4), 2), np.repeat([0, 1], 4))
    assert other["cka"] < 0.6  # the pairs of opposites are others
    one = centroids(corners, np.array([0, 1]), np.array([0, 0]))
    assert all(np.isnan(value) for value in one.values())


def test_a_plane_is_turned_to_lie_on_another() -> None:
    own = lists(2)
    rows = np.arange(0, 480, 7)
    plane, share = plane_of(own, own, rows)
    assert 0 < share < 1 and (plane**2).sum(axis=1).mean() == pytest.approx(1)
    mirrored = replace(own, x=3 * own.x[:, ::-1].copy() + 1)
    again, same = plane_of(mirrored, mirrored, rows, plane)
    assert np.allclose(again, plane, atol=1e-4) and same == pytest.approx(share, abs=1e-5)
