"""What holds for the repository as a whole: imports point one way, scripts are clean, commands answer fast."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO

# Loading any of these takes longer than a person waits for --help.
HEAVY = {"torch", "torchaudio", "transformers", "speechbrain", "sklearn", "matplotlib", "pandas", "scipy"}


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=REPO, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [path for name in sorted(set(listing.split("\0"))) if name and (path := REPO / name).is_file()]


def shell_scripts() -> list[Path]:
    def is_shell(path: Path) -> bool:
        with open(path, "rb") as file:
            return path.suffix == ".sh" or bool(re.match(rb"#!.*\b(ba)?sh\b", file.readline(80)))

    return [path for path in tracked() if is_shell(path)]


def commands() -> list[str]:
    """Modules that are run with ``python3 -m``."""
    return [
        ".".join(path.relative_to(REPO).with_suffix("").parts)
        for path in tracked("local/*.py", "utils/*.py")
        if re.search(r"^if __name__ == .__main__.:", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def test_imports_point_one_way():
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=REPO, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_shell_scripts_are_clean():
    scripts = shell_scripts()
    assert {REPO / "run.sh", REPO / "path.sh", REPO / ".ci" / "run"} <= set(scripts)
    shellcheck = Path(sys.executable).parent / "shellcheck"
    result = subprocess.run([shellcheck, "-x", *scripts], cwd=REPO, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", tracked("*.md"), ids=lambda path: str(path.relative_to(REPO)))
def test_links_between_documents_lead_to_files(path):
    links = re.findall(r"\]\((?!\w+:|#|\{)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", shell_scripts(), ids=lambda path: str(path.relative_to(REPO)))
def test_a_script_is_executable_or_says_that_it_is_to_be_sourced(path):
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    if first == "#!/usr/bin/env bash":
        assert os.access(path, os.X_OK)
    else:
        assert first == "# shellcheck shell=bash"


@pytest.mark.parametrize("module", commands())
def test_help_is_there_at_once(module, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, "--help"], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, result.stderr.splitlines()[-1]
    assert re.search(r"^usage: |^ {4}(run|submit)\.py ", result.stdout, re.MULTILINE)
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert imported & HEAVY == set()
    # Processor time: other work on the machine does not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_what_is_not_run_here_can_still_be_imported():
    paths = tracked("tests/benchmarks/*.py", "tests/gpu.py")
    modules = [".".join(path.relative_to(REPO).with_suffix("").parts) for path in paths]
    command = [sys.executable, "-c", f"import {', '.join(modules)}"]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert len(modules) > 10 and result.returncode == 0, result.stderr
