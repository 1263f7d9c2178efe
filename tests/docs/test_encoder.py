"""The card of the shipped encoder: its line loads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


def test_the_shipped_encoder_loads_by_its_card(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    code = re.search(r"```python\n(.*?)```", Path("egs/mini/encoder/README.md").read_text(encoding="utf-8"), re.DOTALL)
    made: dict[str, Any] = {}
    exec(code[1], made)
    assert [tuple(state.shape) for state in made["states"]] == [(1, 49, 256)] * 7
