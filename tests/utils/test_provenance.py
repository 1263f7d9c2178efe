"""What made results, said beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from utils import provenance


def call(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose run.sh prints its arguments, with a recipe's results in it."""
    root = tmp_path / "a clone"
    (root / "egs/mine/exp").mkdir(parents=True)
    (root / "egs/mine/RESULTS.md").write_text("70\n")
    (root / "requirements.txt").write_text("numpy>=1\nno-such-package>=2  # for nobody\n")
    (root / "run.sh").write_text("#!/usr/bin/env bash\nprintf '%s\\0' \"$@\"\n")
    (root / "run.sh").chmod(0o755)
    call("git", "init", "-q", cwd=root)
    call("git", "add", ".", cwd=root)
    call("git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x", cwd=root)
    return root


def test_a_clone_is_known_by_its_commit_and_what_differs_but_results(clone: Path) -> None:
    head = call("git", "rev-parse", "HEAD", cwd=clone).strip()
    (clone / "egs/mine/RESULTS.md").write_text("71\n")
    assert provenance.git(clone) == {"commit": head, "changed": []}
    (clone / "run.sh").write_text("changed")
    (clone / "a new file.py").touch()
    assert provenance.git(clone) == {"commit": head, "changed": ["a new file.py", "run.sh"]}


def test_what_only_lies_in_a_clone_is_none(clone: Path) -> None:
    assert provenance.git(clone / "egs") is None
    assert provenance.git(clone.parent) is None


def test_a_digest_tells_of_the_data_and_not_of_where_it_lies(tmp_path: Path) -> None:
    assert provenance.digest(tmp_path) is None
    for name in ("utt2spk", "utt2emo", "utt2digest"):
        (tmp_path / name).write_text("a1 a\n")
    before = provenance.digest(tmp_path)
    (tmp_path / "wav.scp").write_text("a1 /elsewhere/a1.wav\n")
    assert provenance.digest(tmp_path) == before
    (tmp_path / "utt2emo").write_text("a1 b\n")
    assert provenance.digest(tmp_path) != before


def test_the_command_comes_again_word_by_word(clone: Path) -> None:
    command = ["--recipe", "mine", "--set", "a=$(touch x) 'b'", "--set", "two\nlines", "--tag", ""]
    provenance.record(clone / "egs/mine/exp", clone, command)
    assert call("egs/mine/exp/run.sh", cwd=clone).split("\0")[:-1] == command
    moved = clone.rename(clone.parent / "moved")
    assert call(moved / "egs/mine/exp/run.sh", cwd=moved.parent).split("\0")[:-1] == command
    assert not (moved / "x").exists()


def test_earlier_commands_are_kept_and_the_same_one_changes_nothing(clone: Path) -> None:
    exp = clone / "egs/mine/exp"
    for nj in ("1", "2", "2", "3"):
        provenance.record(exp, clone, ["--nj", nj])
    text = (exp / "run.sh").read_text()
    assert "#   ./run.sh --nj 1\n#   ./run.sh --nj 2\ncd " in text
    assert call(exp / "run.sh", cwd=clone).split("\0") == ["--nj", "3", ""]
    before = (exp / "run.sh").stat().st_mtime_ns
    provenance.record(exp, clone, ["--nj", "3"])
    assert (exp / "run.sh").stat().st_mtime_ns == before and (exp / "run.sh").read_text() == text


def test_the_command_writes_both_files_once(clone: Path, repo: Path) -> None:
    exp = clone / "egs/mine/exp"
    command = [sys.executable, "-m", "utils.provenance", "--exp", exp, "--root", clone, "--data", clone / "data/none",
               "--cwd", "/somewhere", "--", "--db-root", "corpora"]  # fmt: skip
    call(*command, cwd=repo)
    made = json.loads((exp / "env.json").read_text())
    assert made["packages"].keys() == {"numpy", "no-such-package"} and made["packages"]["no-such-package"] is None
    assert made["data"] == {"none": None} and made["machine"]["cores"] >= 1
    assert (exp / "run.sh").read_text().endswith("exec ./run.sh --db-root /somewhere/corpora\n")
    times = [path.stat().st_mtime_ns for path in exp.iterdir()]
    call(*command, cwd=repo)
    assert [path.stat().st_mtime_ns for path in exp.iterdir()] == times
