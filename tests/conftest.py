"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent

# No test may reach a network, whatever a library would like to look up.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of real speech (``emodb``, ``ravdess``, ``urdu``, ``nemo``); skips where there is none."""
    folder = Path(os.environ.get("XSER_TEST_CORPORA", REPO.parent / "shared" / "corpora"))
    if not folder.is_dir():
        pytest.skip(f"no real speech at {folder}; set XSER_TEST_CORPORA to a folder with emodb, ravdess, urdu, nemo")
    return folder


@pytest.fixture
def repo() -> Path:
    """Root of the repository."""
    return REPO
