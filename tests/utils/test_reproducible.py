"""Inside, torch warns of what it cannot repeat; outside, all is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from utils.reproducible import reproducible, threads


@pytest.mark.parametrize("before", ["default", "warn", "error"])
def test_settings_and_random_numbers_are_left_as_they_were(before: str) -> None:
    own, fills = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory
    try:
        torch.set_deterministic_debug_mode(before)
        mode, state = torch.get_deterministic_debug_mode(), torch.get_rng_state()
        with pytest.raises(KeyError), reproducible("cpu"):
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.is_deterministic_algorithms_warn_only_enabled()
            torch.rand(3)
            raise KeyError
        assert torch.get_deterministic_debug_mode() == mode and torch.equal(torch.get_rng_state(), state)
        assert torch.utils.deterministic.fill_uninitialized_memory == fills
    finally:
        torch.set_deterministic_debug_mode(own)


def test_no_compiler_is_imported_for_it(repo: Path) -> None:
    code = (
        "import sys\nfrom utils.reproducible import reproducible\n"
        "with reproducible('cpu'): print('torch._inductor' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_libraries_that_come_later_are_limited_too(repo: Path) -> None:
    code = (
        "from threadpoolctl import threadpool_info\nfrom utils.reproducible import threads\n"
        "with threads(1): pass\nbefore = len(threadpool_info())\nimport scipy.linalg\n"
        "with threads(1): found = [pool['num_threads'] for pool in threadpool_info()]\n"
        "print(len(found) > before, set(found), {pool['num_threads'] for pool in threadpool_info()})\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=repo, env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == "True {1} {2}\n"
