"""docs/tutorial.md: its commands run, and print what the page shows, but for numbers."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.docs.page import sections
from tests.integration.conftest import Checkout


def shape(line: str) -> str:
    """A line without its numbers, and without the stars of what is best."""
    line = re.sub(r"(, )?\d+ \(\d+\)", "", line)  # layers and how often, of which there may be more or fewer
    return re.sub(r"-?\d+(\.\d+)?|\*\*| \[-?[\d.]+, [^]]*\]|\u2020", "", line).strip()


def test_numbers_alone_may_differ() -> None:
    first, second = "| mini | **57.8 [48.4, 66.7]**\u2020 | 0 (3), 2 (1) |", "| mini | 7.0 [1, 2] | 1 (6) |"
    assert shape(first) == shape(second) != shape("| logmel | 7.0 [1, 2] | 1 (6) |")


@pytest.mark.integration
def test_the_commands_print_what_the_page_shows(checkout: Checkout) -> None:
    blocks = [block for section in sections("tutorial.md").values() for block in section]
    script = "set -euo pipefail\n" + "".join(block.text for block in blocks if block.language == "bash")
    # Cut down: three partitions where the page has six.
    quick = script.replace("folds: 6", "folds: 3").replace('[-1] in "1234"', '[-1] in "12"')
    assert quick.count("folds: 3") == 1 and '"12"' in quick
    result = subprocess.run(
        ["bash", "-c", quick], cwd=checkout.root, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]
    printed = {shape(line) for line in result.stdout.splitlines()}
    shown = [line for block in blocks if block.language == "text" for line in block.text.splitlines()]
    assert len(shown) > 15
    assert [line for line in shown if shape(line) not in printed] == []
