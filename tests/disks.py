"""Disks that are full or cannot be written, for tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def full(folder: Path, room: int) -> Iterator[None]:
    """Leave a folder, which is made, room for so many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount(folder, "-t", "tmpfs", "-o", f"size={room}", "none")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[str]:
    """Let nobody write to a folder; give what the system says to who tries."""
    if os.geteuid():
        folder.chmod(0o555)
        try:
            yield "Permission denied"
        finally:
            folder.chmod(0o755)
        return
    _mount(folder, "--bind", str(folder))
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield "Read-only file system"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(folder: Path, *words: str) -> None:
    made = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no disk can be mounted here ({made.stderr.strip()})")
