"""Windows hold every frame once, with the context that they need, or evenly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from local.encoders.transformer import Transformer
from local.models import windows
from local.models.windows import CONTEXT, SPAN, WINDOW, by_window, even, front_end, overlapping
from tests.local.encoders.checkpoints import make_model, spec_of
from tests.local.encoders.test_transformer import FIELD, HOP, speech


@given(st.integers(1, 20000))
def test_windows_keep_every_frame_once_with_context(frames: int) -> None:
    found = overlapping(frames)
    assert [frame for window in found for frame in (window.first, window.last)] == [
        0, *(frame for window in found[:-1] for frame in (window.last, window.last)), frames,
    ]  # fmt: skip
    for number, window in enumerate(found):
        assert 0 <= window.begin <= window.first < window.last <= window.end <= frames
        assert number == 0 or window.first - window.begin == CONTEXT
        assert window is found[-1] or window.end - window.last == CONTEXT
    lengths = [window.end - window.begin for window in found]
    assert max(lengths) <= (WINDOW if len(found) == 1 else SPAN) and max(lengths) - min(lengths) <= 1
    # One fewer could not hold every frame once and the context of every seam twice.
    assert frames <= WINDOW or (len(found) - 1) * SPAN < frames + (len(found) - 2) * 2 * CONTEXT


@pytest.mark.parametrize("frames", [1, 1500, 1501, 3000, 3001, 100000])
def test_even_windows_are_whole(frames: int) -> None:
    cut = even(frames)
    assert sum(cut) == frames and max(cut) <= WINDOW and max(cut) - min(cut) <= 1 and len(cut) == -(-frames // WINDOW)


@pytest.mark.parametrize("frames", [1, 7, 40, 41, 333])
def test_frames_come_as_they_are_needed_and_as_of_the_whole(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 40)
    monkeypatch.setattr(windows, "SPAN", 30)
    monkeypatch.setattr(windows, "CONTEXT", 9)
    monkeypatch.setattr("local.encoders.frontend._PIECE", 7)
    encoder = Transformer(spec_of("x"), make_model("wav2vec2-base"), True, "cpu", "fp32")
    wave = speech(FIELD + HOP * (frames - 1))
    whole, computed, pieces = front_end(encoder, wave), [], encoder.feature_pieces
    monkeypatch.setattr(encoder, "feature_pieces", lambda wave: (computed.append(len(x)) or x for x in pieces(wave)))
    found = []
    for window, part in by_window(encoder, wave):
        found.append(window)
        assert torch.equal(part, whole[window.begin : window.end])
        assert window.end <= sum(computed) < window.end + 7
    assert found == overlapping(frames)
