"""What --doctor says of a run that could start, and of one that could not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def doctor(repo: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "run.sh", "--doctor", *options], cwd=repo, env=os.environ | {"HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_bundled_recipe_has_nothing_to_mend(repo: Path) -> None:
    before = {*(repo / "egs/mini").iterdir()}
    result = doctor(repo, "--set", "encoders=[logmel,mini]")
    mends = [line for line in result.stdout.splitlines() if line.startswith("  MEND")]
    # A full disk is the machine's own matter, and rightly named.
    assert all("GB free" in line for line in mends), result.stdout + result.stderr
    assert result.returncode == bool(mends) and result.stderr == ""
    assert result.stdout.splitlines()[-1].startswith(f"{len(mends)} to mend" if mends else "nothing to mend")
    for heading in ("Software", "Machine", "Disk", "Corpora", "Encoders"):
        assert f"\n{heading}" in f"\n{result.stdout}"
    assert "  ok    mini_de: corpus" in result.stdout and "  ok    mini: encoder" in result.stdout
    assert {*(repo / "egs/mini").iterdir()} == before


def test_each_thing_that_a_run_would_stop_at_is_named_with_its_mend(repo: Path, tmp_path: Path) -> None:
    encoders = "encoders=[logmel,hubert_base,nobody]"
    (tmp_path / "emodb").mkdir()  # with nothing in it
    options = ("--ngpu", "99", "--set", encoders, "--set", "corpora=[emodb,nemo]")
    result = doctor(repo, "--recipe", "emodb", "--db-root", str(tmp_path), *options)
    mends = [line.strip() for line in result.stdout.splitlines() if line.startswith("  MEND")]
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert any("--ngpu 99" in line for line in mends)
    assert any(f"{tmp_path}/emodb: " in line and "expected layout" in line for line in mends)
    assert any(f"there is no {tmp_path}/nemo" in line for line in mends)
    assert any("'nobody'" in line for line in mends)
    if not any("hubert_base: facebook/hubert-base-ls960, fetched" in line for line in result.stdout.splitlines()):
        assert any("hf download facebook/hubert-base-ls960 --revision" in line for line in mends)
    assert result.stdout.splitlines()[-1] == f"{len(mends)} to mend"


@pytest.mark.parametrize("option", ["--config=conf/none.yaml", "--set=probe.epoch=3"])
def test_a_recipe_that_cannot_be_read_is_one_line(repo: Path, option: str) -> None:
    result = doctor(repo, option)
    assert result.returncode != 0 and len(result.stderr.splitlines()) == 1
