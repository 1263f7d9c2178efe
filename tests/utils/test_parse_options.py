"""Options of shell scripts: Kaldi's convention, nothing evaluated, every mistake exits 2 with a line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCRIPT = """#!/usr/bin/env bash
set -euo pipefail
stage=1 stop_stage=8 name= dry_run=false skip=true
set=() corpora=()
declare -i jobs=4
readonly root=/tmp
_private=1
UPPER=1
help_message="Usage: demo [options]
  --stage N"
{extra}
. {parse_options}
printf '%s\\0' "$stage" "$stop_stage" "$name" "$dry_run" "$skip" "$jobs" "${{#set[@]}}" ${{set[@]+"${{set[@]}}"}} \
  "${{#corpora[@]}}" ${{corpora[@]+"${{corpora[@]}}"}} "$#" "$@"
"""


class Demo:
    """A script with options; calling it gives what its variables hold afterwards."""

    def __init__(self, folder: Path, repo: Path):
        self.path = folder / "demo.sh"
        self.folder = folder
        self.parse_options = repo / "utils" / "parse_options.sh"
        self.write()

    def write(self, extra: str = "") -> None:
        self.path.write_text(SCRIPT.format(extra=extra, parse_options=self.parse_options))

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", str(self.path), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True
        )

    def __call__(self, *arguments: str) -> dict:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr.decode()
        assert result.stderr == b""
        fields = iter(result.stdout.decode().split("\0")[:-1])
        read = {key: next(fields) for key in ("stage", "stop_stage", "name", "dry_run", "skip", "jobs")}
        for key in ("set", "corpora", "arguments"):
            read[key] = [next(fields) for _ in range(int(next(fields)))]
        return read

    def refuses(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 2
        assert result.stdout == b""
        text = result.stderr.decode()
        assert text.startswith("demo.sh: error: ")
        assert text.count("\n") == 1
        return text


@pytest.fixture
def demo(tmp_path, repo):
    return Demo(tmp_path, repo)


DEFAULTS = {
    "stage": "1", "stop_stage": "8", "name": "", "dry_run": "false", "skip": "true", "jobs": "4",
    "set": [], "corpora": [], "arguments": [],
}  # fmt: skip


def test_no_options(demo):
    assert demo() == DEFAULTS
    assert demo("--") == DEFAULTS


def test_both_ways_to_give_a_value(demo):
    for arguments in (["--stop-stage", "5"], ["--stop-stage=5"], ["--stop_stage", "5"]):
        assert demo(*arguments) == DEFAULTS | {"stop_stage": "5"}
    assert demo("--name=a=b", "--stage", "-3") == DEFAULTS | {"name": "a=b", "stage": "-3"}
    assert demo("--name=", "--stage", "") == DEFAULTS | {"stage": ""}
    assert demo("--name=--stage")["name"] == "--stage"
    assert demo("--stage", "2", "--stage=3")["stage"] == "3"


def test_booleans(demo):
    assert demo("--dry-run")["dry_run"] == "true"
    assert demo("--dry-run", "--skip", "false") == DEFAULTS | {"dry_run": "true", "skip": "false"}
    assert demo("--skip=false", "--dry-run", "true") == DEFAULTS | {"dry_run": "true", "skip": "false"}
    assert "'ture' is not true or false" in demo.refuses("--dry-run=ture")
    assert "'' is not true or false" in demo.refuses("--dry-run=")
    assert "'ture'" in demo.refuses("--dry-run", "ture")


def test_arrays_collect_under_their_name_and_its_singular(demo):
    assert demo("--set", "a=1", "--set=b=2 3", "--corpora", "x")["set"] == ["a=1", "b=2 3"]
    assert demo("--corpora", "x", "--corpora=", "--corpora=y")["corpora"] == ["x", "", "y"]
    demo.write("overrides=(first)\ntrap 'printf \"%s;\" \"${overrides[@]}\" >&2' EXIT")
    assert demo.run("--override", "a b", "--overrides", "c").stderr == b"first;a b;c;"


def test_whole_numbers(demo):
    assert demo("--jobs", "12")["jobs"] == "12"
    for value in ("x", "1.5", "", "08", "a[$(touch evaluated)]", "1+1"):
        assert "is not a whole number" in demo.refuses(f"--jobs={value}")
    assert not (demo.folder / "evaluated").exists()


HOSTILE = [
    "$(touch evaluated)", "`touch evaluated`", "; touch evaluated", "x; touch evaluated #", '"; touch evaluated; "',
    "'; touch evaluated; '", "${x:=$(touch evaluated)}", "a[$(touch evaluated)]", "*", "~", "a\nb", " a  b ", "\\",
    "%s", "-n", "-e", "$HOME", "ä", "!!",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_values_are_never_evaluated(demo, value):
    demo.write("allow_args=true")
    read = demo(f"--name={value}", "--stage", value, "--set", value, f"--corpora={value}", "--", value)
    assert read == DEFAULTS | {"name": value, "stage": value, "set": [value], "corpora": [value], "arguments": [value]}
    assert not (demo.folder / "evaluated").exists()


@pytest.mark.parametrize("value", HOSTILE)
def test_names_are_never_evaluated(demo, value):
    for argument in (f"--{value}=1", f"--stage{value}"):
        result = demo.run(argument, "1")
        assert result.returncode == 2
        assert b"unknown option" in result.stderr
    assert not (demo.folder / "evaluated").exists()


@settings(deadline=None, derandomize=True, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
def test_any_text_arrives_unchanged(demo, value):
    assert demo(f"--name={value}")["name"] == value


@pytest.mark.parametrize(
    ("argument", "suggestion"),
    [
        ("--stag", "--stage"), ("--stop-stge=3", "--stop-stage"), ("--dri-run", "--dry-run"), ("--sets", None),
        ("--corpra", "--corpora"), ("--zzzzzzz", None), ("--x", None),
    ],
)  # fmt: skip
def test_an_unknown_option(demo, argument, suggestion):
    text = demo.refuses(argument, "3")
    assert f"unknown option {argument.split('=')[0]}" in text
    assert (f"did you mean {suggestion}?" in text) if suggestion else "see --help" in text


@pytest.mark.parametrize(
    "name", ["help-message", "allow-args", "root", "-private", "private", "UPPER", "PATH", "http-proxy"]
)
def test_what_is_no_option(demo, name):
    assert "unknown option" in demo.refuses(f"--{name}", "3")


def test_a_value_that_is_missing(demo):
    assert "option --stage needs a value" in demo.refuses("--stage")
    assert "option --set needs a value" in demo.refuses("--name", "x", "--set")
    assert "--stage=--name" in demo.refuses("--stage", "--name", "x")


def test_arguments_are_refused_unless_allowed(demo):
    assert "unexpected argument 'x'" in demo.refuses("x")
    assert "unexpected argument '-3'" in demo.refuses("--stage", "1", "-3")
    assert "unknown option -x" in demo.refuses("-x")
    demo.write("allow_args=true")
    assert demo("a b", "--stage", "2", "", "c", "--", "--stage", "-x") == DEFAULTS | {
        "stage": "2",
        "arguments": ["a b", "", "c", "--stage", "-x"],
    }


def test_help(demo):
    for arguments in (["--help"], ["-h"], ["--stage", "2", "--help", "--nonsense"]):
        result = demo.run(*arguments)
        assert result.returncode == 0
        assert result.stdout == b"Usage: demo [options]\n  --stage N\n"


def test_nothing_of_it_stays_behind(demo):
    demo.write("trap 'compgen -v | grep _po >&2; compgen -A function | grep _po >&2' EXIT")
    assert demo.run("--stage", "2", "--set", "x").stderr == b""


def test_a_variable_of_the_environment_does_not_break_an_option(demo, monkeypatch):
    monkeypatch.setenv("stage", "7")
    assert demo("--stage", "3")["stage"] == "3"
