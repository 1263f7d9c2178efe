"""A rerun of the finished bundled recipe against its first run."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import Checkout
from utils.errors import UserError


def run(work: Path) -> list[dict]:
    """Run ``egs/mini`` twice in a clean copy of the repository and time both runs.

    Parameters
    ----------
    work : Path
        Scratch folder.

    Returns
    -------
    list of dict
        One row, ``rerun``.
    """
    checkout = Checkout(work / "checkout")
    first, second = checkout.run("mini"), checkout.run("mini")
    for outcome in (first, second):
        if outcome.status != 0:
            raise UserError(f"egs/mini failed: {outcome.output[-2000:]}")
    return [
        {
            "name": "rerun",
            "ours_s": round(second.seconds, 2),
            "reference_s": round(first.seconds, 2),
            "ratio": round(first.seconds / second.seconds, 1),
            "target": "ours under 4 s",
            "note": "egs/mini, all stages, after a first complete run; the reference is that first run",
        }
    ]
