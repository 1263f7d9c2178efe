"""What a picture shows, read back from what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from local.sed.score import picture
from utils.rttm import Segment

EMOTIONS = ["angry", "happy", "neutral", "sad"]
REFERENCE = [Segment("u", 0.0, 1.0, "neutral"), Segment("u", 1.0, 3.0, "sad")]
HYPOTHESIS = [Segment("u", 0.0, 1.5, "neutral"), Segment("u", 1.5, 1.52, "happy"), Segment("u", 1.52, 3.0, "sad")]


def recording(seconds: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    samples = 0.1 * generator.normal(size=round(16000 * seconds)).astype(np.float32)
    return samples, generator.dirichlet([1, 1, 1, 1], round(50 * seconds) - 1).astype(np.float32)


def bars(axes) -> list[tuple[float, float, float, str]]:
    """Begin, end, row and colour of everything in the stripes."""
    found = []
    for stretch in axes.collections:
        corners = stretch.get_paths()[0].vertices
        (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
        found.append((left, right, (bottom + top) / 2, to_hex(stretch.get_facecolor()[0]).upper()))
    return found


def test_curves_bars_and_boundaries_are_where_they_belong() -> None:
    samples, posteriors = recording()
    figure = picture.draw(samples, posteriors, EMOTIONS, HYPOTHESIS, REFERENCE, "u: EDER 17.3%")
    wave, curves, stripes = figure.axes
    assert (wave.get_title(loc="left"), stripes.get_xlabel()) == ("u: EDER 17.3%", "time (s)")
    assert stripes.get_xlim() == curves.get_xlim() == (0.0, 3.0)
    for column, emotion in enumerate(EMOTIONS):
        line = curves.lines[column]
        np.testing.assert_allclose(line.get_xdata(), 0.0125 + 0.02 * np.arange(len(posteriors)))
        np.testing.assert_array_equal(line.get_ydata(), posteriors[:, column])
        assert line.get_color() == picture.STYLES[emotion][0]
    assert [label.get_text() for label in stripes.get_yticklabels()] == ["reference", "hypothesis"]
    expected = [
        (segment.start, segment.end, row, picture.STYLES[segment.label][0])
        for row, segments in enumerate((REFERENCE, HYPOTHESIS))
        for segment in segments
    ]
    assert [bar[3] for bar in bars(stripes)] == [bar[3] for bar in expected]
    np.testing.assert_allclose([bar[:3] for bar in bars(stripes)], [bar[:3] for bar in expected])
    assert [line.get_xdata()[0] for line in curves.lines[len(EMOTIONS) :]] == [1.0]
    # What is too short for its name goes without.
    assert [text.get_text() for text in stripes.texts] == ["neutral", "sad", "neutral", "sad"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == EMOTIONS


def test_without_a_reference_there_is_one_bar_and_no_boundary() -> None:
    samples, posteriors = recording()
    wave, curves, stripes = picture.draw(samples, posteriors, EMOTIONS, HYPOTHESIS).axes
    assert [label.get_text() for label in stripes.get_yticklabels()] == ["hypothesis"]
    assert (len(wave.lines), len(curves.lines)) == (0, len(EMOTIONS))


def test_time_that_no_segment_covers_is_shown_as_neutral() -> None:
    samples, posteriors = recording()
    partial = [Segment("u", 0.5, 1.0, "angry"), Segment("u", 1.0004, 2.0, "sad"), Segment("u", 2.9, 3.2, "happy")]
    _, curves, stripes = picture.draw(samples, posteriors, EMOTIONS, [], partial).axes
    colours = [picture.STYLES[name][0] for name in ("neutral", "angry", "sad", "neutral", "happy", "neutral")]
    assert [bar[3] for bar in bars(stripes)] == colours
    times = [(0.0, 0.5), (0.5, 1.0), (1.0004, 2.0), (2.0, 2.9), (2.9, 3.0), (0.0, 3.0)]
    np.testing.assert_allclose([bar[:2] for bar in bars(stripes)], times)
    assert [line.get_xdata()[0] for line in curves.lines[len(EMOTIONS) :]] == [0.5, 1.0004, 2.0, 2.9]


def test_the_waveform_shows_every_peak_however_long_the_recording() -> None:
    samples = np.zeros(16000 * 300, dtype=np.float32)
    samples[1234567], samples[3333333] = 0.9, -0.8
    wave = picture.draw(samples, np.full((10, 4), 0.25), EMOTIONS, []).axes[0]
    vertices = wave.collections[0].get_paths()[0].vertices
    assert (vertices[:, 1].max(), vertices[:, 1].min()) == pytest.approx((0.9, -0.8))
    assert vertices[vertices[:, 1].argmax(), 0] == pytest.approx(1234567 / 16000, abs=0.1)
    assert len(vertices) < 30000


def test_curves_of_long_recordings_are_means_that_say_so() -> None:
    samples, posteriors = recording(60.0)
    curves = picture.draw(samples, posteriors, EMOTIONS, []).axes[1]
    assert curves.get_ylabel() == "posterior\n(means of 0.08 s)"
    assert len(curves.lines[0].get_xdata()) == 750
    for column in range(4):
        line = curves.lines[column]
        assert line.get_ydata()[7] == pytest.approx(posteriors[28:32, column].mean())
        assert line.get_ydata()[-1] == pytest.approx(posteriors[2996:2999, column].mean())
        # Frames 28 to 31 are centred at 0.5725 to 0.6325 s.
        assert line.get_xdata()[7] == pytest.approx(0.6025)
        assert line.get_xdata()[-1] == pytest.approx(0.0125 + 0.02 * 2997)


def test_emotions_keep_their_colours_and_unknown_ones_get_others() -> None:
    assert picture.styles_of(["sad", "angry"])["sad"] == picture.styles_of(EMOTIONS)["sad"]
    styles = picture.styles_of([*picture.STYLES, "bored", "contempt", "calm", "bored"])
    assert len(styles) == len({colour for colour, _, _ in styles.values()}) == len(picture.STYLES) + 3


@pytest.mark.parametrize("emotion", [*picture.STYLES, "bored", "contempt", "calm"])
def test_writing_on_a_bar_can_be_read(emotion: str) -> None:
    """Contrast as WCAG 2.1 (1.4.3) has it: at least 3 for what is not body text."""
    background, ink, _ = picture.styles_of([emotion, "bored", "contempt", "calm"])[emotion]

    def luminance(colour: str) -> float:
        from matplotlib.colors import to_rgb

        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(background), luminance(ink)))
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_the_same_numbers_make_the_same_file(tmp_path: Path) -> None:
    samples, posteriors = recording()
    for name in ("a.png", "b.png"):
        picture.save(tmp_path / "new" / name, samples, posteriors, EMOTIONS, HYPOTHESIS, REFERENCE, "u")
    content = (tmp_path / "new" / "a.png").read_bytes()
    assert content == (tmp_path / "new" / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10000


@pytest.mark.parametrize("samples", [np.zeros(400, dtype=np.float32), np.full(16000, 0.5, dtype=np.float32)])
def test_silence_one_frame_and_an_offset_can_be_drawn(samples: np.ndarray, tmp_path: Path) -> None:
    segments = [Segment("u", 0.0, len(samples) / 16000, "sad")]
    picture.save(tmp_path / "a.png", samples, np.full((1, 4), 0.25), EMOTIONS, segments)
    assert (tmp_path / "a.png").is_file()
