"""The same training twice: torch's random numbers and algorithms."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextlib.contextmanager
def reproducible(device: str) -> Iterator[None]:
    """Let torch use algorithms that give the same result every time, and leave its random numbers as they were."""
    import torch

    index = torch.device(device).index or 0
    # cuBLAS asks for it, before it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    fills = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[index] if torch.device(device).type == "cuda" else []):
        # Not `use_deterministic_algorithms`, which imports a compiler that nothing here uses, for over a second.
        torch.set_deterministic_debug_mode("warn")
        # Against programs that read what nobody wrote; it writes everything twice.
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = fills
            torch.set_deterministic_debug_mode(before)


@contextlib.contextmanager
def threads(number: int = 1) -> Iterator[None]:
    """Compute with so many threads, of torch and of other libraries: last bits may depend on how many there are."""
    import torch

    before = torch.get_num_threads()
    try:
        with _pools(len(sys.modules)).limit(limits=number):
            torch.set_num_threads(number)
            yield
    finally:
        torch.set_num_threads(before)


@functools.lru_cache(maxsize=1)
def _pools(modules: int) -> ThreadpoolController:
    """Look for libraries with threads of their own, which takes milliseconds, once for so many imported modules."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
