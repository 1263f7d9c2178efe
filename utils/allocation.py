"""Memory that is freed and wanted again at once, as in training, stays with the process (glibc)."""

from __future__ import annotations

import contextlib
import ctypes

# Numbers and largest values of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_BYTES = 1 << 30


def keep_freed() -> bool:
    """Ask malloc to give freed arrays of up to 1 GB back to the process and not to the system; tell if it will.

    By default it returns arrays of 32 MB and more, and the system then clears every page anew: adding two arrays of
    60 MB takes six times as long. The peak of memory does not change. Without glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _BYTES)) and bool(mallopt(_TRIM_THRESHOLD, _BYTES))


def give_back() -> None:
    """Return to the system what is free of the process's memory, with holes between what is not (glibc).

    Batches of many lengths leave holes that the next ones do not fit into: without this, a process that trains one
    model after another grows by some hundred megabytes with each.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
