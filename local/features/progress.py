"""A progress bar that is also readable in a log file, where it is a line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Shows how much audio is done, how fast, and the time left, of ``total`` seconds of audio."""

    def __init__(self, label: str, total: float):
        from tqdm import tqdm

        terminal = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._bar = tqdm(
            desc=label,
            total=round(total, 3),
            file=sys.stderr if terminal else _Lines(sys.stderr),
            mininterval=0.5 if terminal else 10.0,
            miniters=0,
            dynamic_ncols=terminal,
            bar_format="{desc}: {percentage:3.0f}%{postfix}, {elapsed} gone, {remaining} left",
        )

    def add(self, seconds: float) -> None:
        """Note that so much more audio is done."""
        speed = (self._bar.n + seconds) / max(time.monotonic() - self._begin, 1e-9)
        self._bar.set_postfix_str(f"{speed:.1f} x real time", refresh=False)
        self._bar.update(seconds)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


class _Lines:
    """A text file that turns a bar's returns to the line's start into lines."""

    def __init__(self, file: TextIO):
        self._file, self._last = file, ""

    def write(self, text: str) -> None:
        # The bar is drawn once more when it is closed.
        if text.strip() not in ("", self._last):
            self._last = text.strip()
            self._file.write(self._last + "\n")

    def flush(self) -> None:
        self._file.flush()
