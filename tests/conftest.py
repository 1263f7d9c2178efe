"""Fixtures that all tests share."""

from __future__ import annotations

import os
import re
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


def is_long(item: pytest.Item) -> bool:
    """Tell whether a test is marked as one of integration."""
    return item.get_closest_marker("integration") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Call a test by its name alone, to which pytest-xdist adds its group."""
    report.nodeid = re.sub(r"@(unit|integration) of .*", "", report.nodeid)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Put the unit tests first, and say which tests share a process: those of one kind and file.

    Of the rest, the files that take longest come first, or one worker would still be at them when the others are done.
    And keep Hypothesis, which asks all modules for their file, from importing what SpeechBrain has put off importing.
    """
    longest = ["test_mini.py", "test_fuzz.py"]

    def order(item: pytest.Item) -> tuple[bool, int]:
        name = item.path.name
        return is_long(item), longest.index(name) if name in longest else len(longest)

    items.sort(key=order)
    for item in items:
        kind = "integration" if is_long(item) else "unit"
        item.add_marker(pytest.mark.xdist_group(f"{kind} of {item.path}"))
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
