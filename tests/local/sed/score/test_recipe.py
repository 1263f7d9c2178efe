"""The published recipe's figure, against the recipe's own steps on frames."""

from __future__ import annotations

import numpy as np
import pytest

from local.results.eder import score_all
from local.sed.model.decode import Decoder, decode, smooth
from local.sed.score import recipe
from utils.rttm import Segment

EMOTIONS = ["angry", "happy", "neutral", "sad"]
DECODER = Decoder("median", 5)


def made_up(rng: np.random.Generator) -> tuple[list[Segment], np.ndarray, float]:
    """A recording with one emotional span, and posteriors that are about right."""
    samples = int(rng.integers(16000, 96000))
    duration = samples / 16000
    start, end = sorted(rng.uniform(0, duration, 2))
    label = EMOTIONS[rng.choice([0, 1, 3])]
    frames = (samples - 400) // 320 + 1
    centres = 0.02 * np.arange(frames) + 0.0125
    right = np.where((centres >= start) & (centres < end), EMOTIONS.index(label), 2)
    posteriors = rng.random((frames, 4)) + 0.6 * np.eye(4)[right]
    return [Segment("u", start, end, label)], posteriors, duration


def published(reference: list[Segment], labels: list[str], duration: float, repeats: bool) -> float:
    """The recipe's test step: labels by their first letters, the last one repeated, SpeechBrain's function."""
    from speechbrain.utils.EDER import EDER

    letters = [label[0] for label in labels]
    wanted = 0  # as its get_labels counts the frames of a reference
    while 0.02 * wanted < duration - 1e-9:
        wanted += 1
    if repeats and len(letters) < wanted:
        letters.append(letters[-1])
    (span,) = reference
    emotion = [{"emo": span.label, "start": span.start, "end": span.end}]
    return EDER(letters, "u", duration, emotion, 0.02, 0.02)


def test_it_is_what_the_recipe_gives_and_near_what_segments_give() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        reference, posteriors, duration = made_up(rng)
        hypothesis = decode(posteriors, "u", duration, EMOTIONS, DECODER)
        plain = [EMOTIONS[label] for label in smooth(posteriors, DECODER)]
        ours = score_all({"u": reference}, {"u": hypothesis}, {"u": duration})["u"].rate
        as_recipe = recipe.rate(reference, hypothesis, duration)
        assert as_recipe == pytest.approx(published(reference, plain, duration, True), abs=1e-6)
        found.append((ours, as_recipe, published(reference, plain, duration, False)))
    segments, frames, bare = np.mean(found, axis=0)
    # Without the repeated frame up to 20 ms a recording count as wrong.
    assert abs(segments - frames) < 0.002 < bare - frames


def test_recordings_that_speechbrain_stops_at() -> None:
    two = [Segment("u", 0.0, 0.5, "sad"), Segment("u", 1.5, 2.0, "happy")]
    assert recipe.rate(two, two, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert recipe.rate([], two, 2.0) == pytest.approx(0.5)
    assert recipe.rate(two, [], 2.0) == pytest.approx(0.5)
    assert recipe.rate([], [], 2.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("samples", "given"), [(16000, 49), (16080, 50), (16300, 50), (16320, 50)])
def test_the_last_frame_is_repeated_once(samples: int, given: int) -> None:
    labels = recipe.frames([Segment("u", 0.0, 0.5, "sad")], samples / 16000)
    assert len(labels) == given + 1
    assert labels[:25] == ["sad"] * 25 and set(labels[25:]) == {"neutral"}
