"""Fixtures of the report's tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from local.report import contents
from local.report.figures.drawing import Figure


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time that the page's figures take; that of RESULTS.md stays."""
    leave_undrawn(monkeypatch)


def leave_undrawn(patch: pytest.MonkeyPatch, but: Sequence[str] = ()) -> None:
    """Leave the figures of the page's sections out, but for some."""
    made = contents.sections
    patch.setattr(contents, "sections", lambda sources: [
        (section, [block for block in blocks if not isinstance(block, Figure) or block.name in but])
        for section, blocks in made(sources)
    ])  # fmt: skip
