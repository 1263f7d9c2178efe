"""docs/extending.md: what it adds is as little as it says, and runs."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.conftest import REPO
from tests.docs.page import Block, sections
from tests.integration.conftest import Checkout

PAGE = sections("extending.md")
# Of each part: new files, and the lines added to and taken from files that are there.
COST = {
    "A corpus": (1, {"conf/corpora.yaml": (1, 0)}),
    "An encoder": (0, {"conf/encoders.yaml": (1, 0)}),
    "A kind of encoder": (1, {"local/encoders/kinds.py": (1, 0), "conf/encoders.yaml": (1, 0)}),
    "A strategy": (1, {"local/finetune/strategies/__init__.py": (1, 0)}),
    "A factor": (1, {"local/grid/factors.py": (1, 0)}),
    "A stage": (2, {"run.sh": (3, 1)}),
}


def git(root: Path, *words: str) -> str:
    settings = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def test_the_page_shows_every_part() -> None:
    assert set(COST) < set(PAGE) and all(PAGE[part] for part in COST)


@pytest.mark.parametrize("part", COST)
def test_a_part_costs_what_the_page_says(tmp_path: Path, part: str) -> None:
    for name in {block.path for block in PAGE[part] if block.language == "diff"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((REPO / name).read_bytes())
    git(tmp_path, "init", "-q")
    (tmp_path / "local").mkdir(exist_ok=True)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "before")
    for block in PAGE[part]:
        target = tmp_path / block.path
        target.parent.mkdir(parents=True, exist_ok=True)
        block.put(tmp_path)
    git(tmp_path, "add", "-A")
    changes = {}
    for line in git(tmp_path, "diff", "--cached", "--numstat", "--diff-filter=M").splitlines():
        added, gone, name = line.split("\t")
        changes[name] = int(added), int(gone)
    new = git(tmp_path, "diff", "--cached", "--name-only", "--diff-filter=A").splitlines()
    assert (len(new), changes) == COST[part]


def test_the_code_looks_like_ours(tmp_path: Path) -> None:
    for package in ("local", "utils"):
        shutil.copytree(REPO / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = [block for part in COST for block in PAGE[part] if block.language == "python"]
    for block in blocks:
        block.put(tmp_path)
    files = [block.path for block in blocks]
    command = [sys.executable, "-m", "ruff", "check", "--config", str(REPO / "pyproject.toml"), *files]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if "No module named" in found.stderr:
        pytest.skip("ruff is not installed")
    assert found.returncode == 0, found.stdout


def test_a_line_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")
    with pytest.raises(AssertionError, match="not there once"):
        Block("diff", "a.py", " three\n+four\n").put(tmp_path)
    Block("diff", "a.py", " one\n+half\n").put(tmp_path)
    Block("diff", "a.py", "+end\n").put(tmp_path)
    assert (tmp_path / "a.py").read_text() == "one\nhalf\ntwo\nend\n"


@pytest.mark.integration
def test_corpus_encoder_and_stage_run(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    for part in ("A corpus", "An encoder", "A stage"):
        for block in PAGE[part]:
            block.put(checkout.root)
    lab = tmp_path / "corpora/lab"
    lab.mkdir(parents=True)
    with open(REPO / "egs/mini/corpus/metadata.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"] == "de"]
    audio = {name: soundfile.read(REPO / f"egs/mini/corpus/de/{name}.ogg") for name in {r["recording"] for r in rows}}
    kept = [row for row in rows if row["sentence"] in ("de-s1", "de-s2")]
    for row in kept:
        wave, rate = audio[row["recording"]]
        part = wave[int(float(row["start"]) * rate) : int(float(row["end"]) * rate)]
        soundfile.write(lab / f"{row['speaker']}_{row['emotion']}_{row['sentence'][-1]}.wav", part, rate)
    (lab / "noise.wav").write_bytes((lab / f"{kept[0]['speaker']}_{kept[0]['emotion']}_1.wav").read_bytes())
    recipe = checkout.root / "egs/lab"
    (recipe / "conf").mkdir(parents=True)
    (recipe / "run.sh").write_text('exec "$(dirname "$0")/../../run.sh" --recipe lab "$@"\n')
    (recipe / "conf/experiment.yaml").write_text(
        "corpora: [lab]\nencoders: [mini_other]\nsplit: {folds: 3}\nprobe: {heads: [logreg]}\n"
    )
    outcome = checkout.run("lab", "--db-root", str(lab.parent))
    assert outcome.status == 0, outcome.output[-3000:]
    assert "noise.wav\tname not understood" in (recipe / "data/lab/excluded.tsv").read_text(encoding="utf-8")
    assert "== lab, stage 9 latex: exp/results.csv -> exp/table.tex" in outcome.output
    row = (recipe / "exp/table.tex").read_text(encoding="utf-8")
    assert row.startswith(r"mini\_other.logreg & lab & lab & ") and len(row.splitlines()) == 1
    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        last = [one for one in csv.DictReader(file) if one["fold"] == "all" and one["layer"] == "dev"]
    assert [int(one["n_test"]) for one in last] == [len(kept)]
