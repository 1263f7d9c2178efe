"""The same training twice: torch's random numbers and algorithms."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def reproducible(device: str) -> Iterator[None]:
    """Let torch use algorithms that give the same result every time, and leave its random numbers as they were."""
    import torch

    index = torch.device(device).index or 0
    # cuBLAS asks for it, before it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[index] if torch.device(device).type == "cuda" else []):
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Against programs that read what nobody wrote; it writes everything twice.
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.utils.deterministic.fill_uninitialized_memory = fills
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextlib.contextmanager
def threads(number: int = 1) -> Iterator[None]:
    """Compute with so many threads, of torch and of other libraries: last bits may depend on how many there are."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    try:
        with threadpool_limits(number):
            torch.set_num_threads(number)
            yield
    finally:
        torch.set_num_threads(before)
