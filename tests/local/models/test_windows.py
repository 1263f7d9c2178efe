"""Windows hold every frame once, with the context that they need, or evenly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.models.windows import CONTEXT, WINDOW, even, overlapping


@given(st.integers(1, 20000))
def test_windows_keep_every_frame_once_with_context(frames: int) -> None:
    found = overlapping(frames)
    assert [frame for window in found for frame in (window.first, window.last)] == [
        0, *(frame for window in found[:-1] for frame in (window.last, window.last)), frames,
    ]  # fmt: skip
    for number, window in enumerate(found):
        assert 0 <= window.begin <= window.first < window.last <= window.end <= frames
        assert window.end - window.begin == min(frames, WINDOW)
        assert number == 0 or window.first - window.begin >= CONTEXT
        assert window is found[-1] or window.end - window.last >= CONTEXT
    assert len(found) <= 2 + frames // (WINDOW - 2 * CONTEXT)


@pytest.mark.parametrize("frames", [1, 1500, 1501, 3000, 3001, 100000])
def test_even_windows_are_whole(frames: int) -> None:
    cut = even(frames)
    assert sum(cut) == frames and max(cut) <= WINDOW and max(cut) - min(cut) <= 1 and len(cut) == -(-frames // WINDOW)
