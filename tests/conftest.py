"""Fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

REPO = Path(__file__).resolve().parent.parent

# No test may reach a network, whatever a library would like to look up.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Workers of pytest-xdist share the cores, and so do the commands that they start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


# What is green here is green elsewhere; HYPOTHESIS_PROFILE=explore draws other cases every time.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.register_profile("fuzz", derandomize=False, max_examples=10_000)  # for tests/test_fuzz.py
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep Hypothesis, which asks all modules for their file, from importing what SpeechBrain has put off importing.

    The files that take longest come first, or one worker would still be at them when the others are done.
    """
    longest = ["test_mini.py", "test_fuzz.py"]
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))
    for module in list(sys.modules.values()):
        if any(kind.__name__ == "LazyModule" for kind in type(module).__mro__):
            module.__dict__.setdefault("__file__", None)
    return (yield)


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
