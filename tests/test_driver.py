"""The driver's interface: options, stage ranges, and one table of stages everywhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import disks
from tests.integration.conftest import Checkout


def driver(repo: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "run.sh", *options], cwd=repo, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def stages(repo: Path) -> list[list[str]]:
    result = driver(repo, "--list-stages")
    assert result.returncode == 0
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_stages_are_those_of_every_recipe(repo: Path) -> None:
    names = ["download", "data", "features", "probe", "finetune", "score", "sed", "listen", "report"]
    assert [row[:2] for row in stages(repo)] == [[str(n), name] for n, name in enumerate(names)]


def test_help_and_readme_show_the_same_stages(repo: Path) -> None:
    shown = driver(repo, "--help").stdout
    readme = (repo / "README.md").read_text(encoding="utf-8")
    for number, name, arrow in stages(repo):
        assert re.search(rf"^  {number} {name} .*{re.escape(arrow)}", shown, re.MULTILINE)
        reads, writes = arrow.split(" -> ")
        assert f"| {number} | {name} | {reads} | {writes} |" in readme.replace("`", "")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--stage", "abc"], "abc"),
        (["--stage"], "--stage"),
        (["--stage="], "stage"),
        (["--stage", "5", "--stop-stage", "3"], "nothing to run"),
        (["--stop-stag", "3"], "--stop-stag"),
        (["positional"], "positional"),
        (["--nj", "0"], "--nj"),
        (["--ngpu", "one"], "--ngpu"),
        (["--db-root", "/no/such/folder"], "/no/such/folder"),
        (["--recipe", "nowhere"], "nowhere"),
        (["--config", "conf/none.yaml"], "conf/none.yaml"),
    ],
)
def test_bad_options_exit_2_and_name_the_value(repo: Path, options: list[str], word: str) -> None:
    result = driver(repo, "--dry-run", *options)
    assert result.returncode == 2, result.stderr
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_dry_run_runs_the_stages_asked_for_and_nothing_else(repo: Path) -> None:
    by_number = driver(repo, "--dry-run", "--stage", "3", "--stop-stage", "5", "--nj=4")
    by_name = driver(repo, "--dry-run", "--stage=probe", "--stop-stage=score", "--nj", "4")
    assert by_number.returncode == 0
    assert by_number.stdout == by_name.stdout
    assert "JOB=1:4 exp/probe/log/probe.JOB.log python3 -m local.probe.train" in by_number.stdout
    assert "local.score.collect" in by_number.stdout
    assert "local.finetune.train" in by_number.stdout
    assert not re.search("local.features|local.report", by_number.stdout)
    everything = driver(repo, "--dry-run")
    assert "stage 7 listen: data, answers" in everything.stdout
    assert "local.listen.run" in everything.stdout and "local.listen.server" not in everything.stdout


def test_the_listening_test_is_served_where_it_alone_is_asked_for(repo: Path) -> None:
    alone = driver(repo, "--dry-run", "--stage", "listen").stdout
    assert "local.listen.clips" in alone and "local.listen.server" in alone and "local.report" not in alone
    both = driver(repo, "--dry-run", "--stage=7", "--stop-stage", "report").stdout
    assert "local.listen.run" in both and "local.report.make" in both and "local.listen.server" not in both


def test_nothing_is_downloaded_unless_asked_for(repo: Path) -> None:
    assert "local.corpora.download" not in driver(repo, "--dry-run").stdout
    asked = driver(repo, "--dry-run", "--recipe=emodb", "--stage=download", "--stop-stage=0", "--accept-licence=emodb")
    assert asked.returncode == 0, asked.stderr
    assert re.search(r"local\.corpora\.download --config \S+ --accept-licence emodb *$", asked.stdout, re.MULTILINE)
    assert "local.splits.run" not in asked.stdout


def test_overrides_reach_the_commands_unevaluated(repo: Path, tmp_path: Path) -> None:
    marker = tmp_path / "evaluated"
    result = driver(repo, "--dry-run", "--stage=5", "--stop-stage=5", "--set", f"probe.lr=$(touch {marker})")
    assert result.returncode == 0
    assert not marker.exists()
    assert "touch" in result.stdout


def test_precision_is_a_setting_of_the_features(repo: Path) -> None:
    result = driver(repo, "--dry-run", "--stage=2", "--stop-stage=2", "--precision", "bf16")
    assert "--set features.precision=bf16" in result.stdout


def test_fields_are_listed_with_the_recipes_values(repo: Path) -> None:
    result = driver(repo, "--dry-run", "--recipe", "emodb", "--list-fields", "--set", "probe.epochs=20")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^\* corpora=\[emodb\] ", result.stdout, re.MULTILINE)
    assert re.search(r"^\* probe.epochs=20 .*\[default 100\]$", result.stdout, re.MULTILINE)
    assert "python3 -m local.experiment" in driver(repo, "--help").stdout


def test_a_plan_is_told_without_a_run_and_documented(repo: Path) -> None:
    result = driver(repo, "--dry-run", "--recipe=table", "--plan", "--expdir=nowhere", "--set", "probe.heads=[mlp]")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^  probe +\d of 2 conditions to be made", result.stdout, re.MULTILINE)
    assert "Power" in result.stdout
    assert not (repo / "egs/table/nowhere").exists()
    assert "--plan " in driver(repo, "--help").stdout
    assert "`--plan`" in (repo / "README.md").read_text(encoding="utf-8")


def test_what_is_kept_can_be_verified_and_pipes_are_only_run_on_request(repo: Path) -> None:
    result = driver(repo, "--dry-run", "--recipe=table", "--verify", "--expdir=nowhere")
    assert (result.returncode, result.stdout) == (0, "all is as it was made\n"), result.stderr
    words = driver(repo, "--help").stdout
    assert "--verify " in words and "--allow-pipes " in words
    readme = (repo / "README.md").read_text(encoding="utf-8")
    assert "`--verify`" in readme and "`--allow-pipes`" in readme


def test_support_is_documented(repo: Path) -> None:
    readme = (repo / "README.md").read_text(encoding="utf-8")
    assert "--doctor  " in driver(repo, "--help").stdout
    for word in ("`--doctor`", "`exp/env.json`", "`exp/run.sh`", "`utils/pack.sh --verify"):
        assert word in readme


def test_a_recipe_calls_the_driver(repo: Path) -> None:
    for script in sorted(repo.glob("egs/*/run.sh")):
        result = subprocess.run(
            ["bash", str(script), "--dry-run"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert f"== {script.parent.name}, stage 1 data" in result.stdout
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.integration
def test_tuning_is_planned_wherever_a_grid_asks_for_it(tmp_path: Path) -> None:
    checkout, only = Checkout(tmp_path), ("--stage", "finetune", "--stop-stage", "finetune", "--set")
    grid = "finetune.also=[{encoders: [mini], strategies: [head], pairs: [within]}]"
    asked = driver(checkout.root, *only, grid)
    assert asked.returncode == 1 and "data/mini_zh/" in asked.stderr  # nothing is prepared
    idle = driver(checkout.root, *only, "finetune.encoders=[]")
    assert (idle.returncode, idle.stderr) == (0, "")


def test_a_recipe_s_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    with disks.read_only(tmp_path / "egs/mini"):
        result = driver(checkout.root, "--stop-stage", "data")
    assert result.returncode == 2
    mend = "make it writable, or run a copy of the repository that is"
    assert result.stderr == f"run.sh: error: {tmp_path}/egs/mini cannot be written: {mend}\n"
