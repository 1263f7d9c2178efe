"""Figures are drawn by processes, of which none is waited for when it is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from local.report.figures.drawing import Figure, save_all
from utils.errors import UserError


def draw(kill: bool = False):
    from matplotlib.figure import Figure as Drawing

    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    drawing = Drawing()
    drawing.subplots().plot([0, 1])
    return drawing


def figures(*names: str, killed: str = "") -> list[Figure]:
    return [Figure(name, name, "", lambda name=name: draw(name == killed)) for name in names]


@pytest.mark.integration
def test_all_are_there_and_a_command_that_can_be_terminated_ends(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # processes must not inherit what keeps this one alive
    try:
        for _ in range(3):
            save_all(figures("a", "b", "c", "d"), tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n}.{s}" for n in "abcd" for s in ("pdf", "svg")]


def test_a_process_that_is_killed_ends_the_command_in_a_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(UserError, match="a process that draws was killed"):
        save_all(figures("a", "b", "c", killed="b"), tmp_path)
