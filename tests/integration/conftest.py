"""A clean copy of the repository for recipes to run in, so that tests never touch the working tree's results."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPO


@dataclass
class Outcome:
    """What a recipe's run gave: exit status, everything it printed, and seconds taken."""

    status: int
    output: str
    seconds: float


class Checkout:
    """A copy of the tracked and untracked, not ignored, files of the repository.

    Parameters
    ----------
    root : Path
        Where to make it.
    """

    def __init__(self, root: Path):
        self.root = root
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPO, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listing.split("\0")):
            source, target = REPO / name, root / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def thin(self, each: int) -> None:
        """Leave so many utterances of every voice's emotion in the bundled corpora, for tests that need no more."""
        table = self.root / "egs/mini/corpus/metadata.tsv"
        header, *lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
        place = [header.split("\t").index(name) for name in ("speaker", "emotion")]
        cells: dict[tuple[str, ...], list[str]] = {}
        for line in lines:
            cells.setdefault(tuple(line.split("\t")[column] for column in place), []).append(line)
        kept = [line for own in cells.values() for line in own[:each]]
        table.write_text(header + "".join(kept), encoding="utf-8")

    def run(self, recipe: str, *options: str) -> Outcome:
        """Run ``egs/<recipe>/run.sh`` with options."""
        begin = time.monotonic()
        result = subprocess.run(
            ["bash", f"egs/{recipe}/run.sh", *options], cwd=self.root, env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return Outcome(result.returncode, result.stdout, time.monotonic() - begin)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh copy of the repository, shared by the tests of one module."""
    return Checkout(tmp_path_factory.mktemp("checkout"))
