"""Reads a page of docs/: its blocks of code, and puts those that name a file into a copy of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.conftest import REPO

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code: its language, the file that it belongs to, and its text."""

    language: str
    path: str
    text: str

    def put(self, root: Path) -> None:
        """Write the file, or change it as a diff says: new lines alone come at the end."""
        path = root / self.path
        if self.language != "diff":
            assert not path.exists(), f"{self.path} is there already"
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.text, encoding="utf-8")
            return
        old, new = (
            "".join(f"{line[1:]}\n" for line in self.text.splitlines() if line[0] in signs) for signs in (" -", " +")
        )
        text = path.read_text(encoding="utf-8")
        assert not old or text.count(old) == 1, f"{self.path}: {old!r} is not there once"
        path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")


def sections(name: str) -> dict[str, list[Block]]:
    """List a page's blocks under each of its headings of the second level."""
    _, *parts = re.split(r"^## ", (REPO / "docs" / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: [Block(*found) for found in _BLOCK.findall(part)] for part in parts}
