"""The report of results as many as those of egs/small: 330 conditions, 1,791 comparisons, 29 figures."""

from __future__ import annotations

import os
import time
from pathlib import Path

from local.report import make
from local.score import collect
from tests.local.report.large import large_world
from utils.errors import UserError

LIMIT = 15.0  # seconds


def _processor_time() -> float:
    """Add up the seconds of this process and of those that drew figures for it, which have ended by then."""
    return sum(os.times()[:4])


def run(work: Path) -> list[dict]:
    """Measure stage 8.

    Parameters
    ----------
    work : Path
        Scratch folder.

    Returns
    -------
    list of dict
        One row, ``report_large``.
    """
    root, before = large_world(work / "large").root, Path.cwd()
    os.chdir(root)
    try:
        collect.main([])
        began, used = time.perf_counter(), _processor_time()
        make.main([])
        seconds, used = time.perf_counter() - began, _processor_time() - used
        figures = len(list(Path("exp/report").glob("*.svg")))
    finally:
        os.chdir(before)
    if figures != 29:
        raise UserError(f"{root}/exp/report: {figures} figures, expected 29; the world or the report has changed")
    return [
        {
            "name": "report_large",
            "ours_s": round(seconds, 2),
            "reference_s": LIMIT,
            "ratio": round(LIMIT / seconds, 2),
            "target": 1.0,
            "note": f"stage 8 on 330 make-believe conditions, on {os.cpu_count()} cores ({used:.1f} processor s); the "
            "reference is its limit",
        }
    ]
