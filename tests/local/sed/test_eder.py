"""The command that scores RTTM files."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import REPO


def write(path, *rows):
    lines = [f"SPEAKER {name} 1 {start} {time} <NA> <NA> {emo} <NA> <NA>\n" for name, start, time, emo in rows]
    path.write_text("".join(lines))


@pytest.fixture
def files(tmp_path):
    write(tmp_path / "ref.rttm", ("a", 0, 1, "neutral"), ("a", 1, 2, "angry"), ("a", 3, 1, "neutral"),
          ("b", 0, 2, "sad"), ("c", 0, 2, "neutral"))  # fmt: skip
    write(tmp_path / "hyp.rttm", ("a", 1, 1, "angry"), ("b", 0, 1, "sad"), ("b", 1, 1, "happy"), ("c", 0, 1, "sad"))
    (tmp_path / "utt2dur").write_text("a 4.0\nb 2.5\nc 2.0\nd 1.0\n")
    return tmp_path


def command(folder, *arguments: str) -> subprocess.CompletedProcess:
    arguments = [str(folder / a) if a.endswith((".rttm", "2dur")) else a for a in arguments]
    return subprocess.run(
        [sys.executable, "-m", "local.sed.eder", *arguments], cwd=REPO, capture_output=True, text=True
    )


def test_the_command_prints_a_table(files):
    result = command(files, "ref.rttm", "hyp.rttm", "--durations", "utt2dur")
    assert result.stderr == ""
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()[3:]}
    assert rows["angry"] == ["1", "4.0", "25.00", "25.00", "25.00", "0.00", "0.00", "0.00"]
    assert rows["sad"] == ["1", "2.5", "40.00", "40.00", "0.00", "0.00", "40.00", "0.00"]
    assert rows["neutral"] == ["1", "2.0", "50.00", "50.00", "0.00", "50.00", "0.00", "0.00"]
    assert rows["all"] == ["3", "8.5", "38.33", "35.29", "11.76", "11.76", "11.76", "0.00"]
    assert "no collar" in result.stdout


def test_the_command_prints_json(files):
    write(files / "hyp.rttm", ("a", 1, 1, "angry"), ("b", 0, 1, "sad"), ("b", 1, 3, "happy"), ("b", 2, 1, "happy"))
    report = json.loads(command(files, "ref.rttm", "hyp.rttm", "--json", "--missing", "neutral").stdout)
    assert (report["collar"], report["durations"], report["cut"], report["utterances"]) == (0, None, 2, 3)
    assert (report["mean"], report["weighted"]) == (pytest.approx((0.25 + 0.5) / 3), 0.25)
    assert report["emotions"]["neutral"]["mean"] == report["by_utterance"]["c"]["eder"] == 0
    assert report["by_utterance"]["b"] == {
        "eder": 0.5, "missed": 0, "false_alarm": 0, "confusion": 1, "overlap": 0, "duration": 2
    }  # fmt: skip


def test_the_command_states_what_is_not_scored(files):
    result = command(files, "ref.rttm", "hyp.rttm", "--collar", "0.5")
    assert "0.5 s on each side" in result.stdout and "utterances, of which" not in result.stdout
    assert "to the end of the last segment of the reference" in result.stdout
    write(files / "ref.rttm", ("a", 0, 1, "neutral"), ("a", 1, 1, "angry"), ("b", 0, 2, "sad"), ("c", 0, 2, "neutral"))
    write(files / "hyp.rttm", ("a", 1, 2, "angry"), ("b", 0, 1, "sad"), ("c", 0, 1, "sad"))
    result = command(files, "ref.rttm", "hyp.rttm", "--collar", "1")
    assert "what 1 segments of the hypothesis say later" in result.stdout
    assert "1 utterances, of which the collar leaves nothing" in result.stdout
    assert "-" in next(line for line in result.stdout.splitlines() if line.startswith("angry"))
    report = json.loads(command(files, "ref.rttm", "hyp.rttm", "--collar", "1", "--json").stdout)
    assert report["by_utterance"]["a"]["eder"] is None


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("hyp.rttm", [("a", 0, -1, "sad")], "hyp.rttm:1: the start '0' must"),
        ("hyp.rttm", [("a", 0, 1, "sad"), ("b", "nan", 1, "sad")], "hyp.rttm:2: the start 'nan'"),
        ("hyp.rttm", [("a", 0, 1, "sad"), ("x", 0, 1, "sad")], "hyp.rttm:2: the utterance x is not in"),
        ("hyp.rttm", [("a", 0, 1, "sad")], "hyp.rttm: no segment of the utterance b (2 of 3 are missing)"),
        ("hyp.rttm", [("a", 0, 1, "sad"), ("b", 2, 1, "sad"), ("c", 0, 1, "sad")], "hyp.rttm:2: b: it runs past the"),
        ("ref.rttm", [("c", 0, 1, "sad"), ("a", 0, 2, "sad"), ("b", 0, 1, "sad"), ("a", 1, 2, "sad")],
         "ref.rttm:4: a: it begins before the one before it ends, at 2.0 s"),
        ("ref.rttm", [], "ref.rttm: no segments"),
        ("utt2dur", "a 4\nb -1\n", "utt2dur:2: expected a positive number"),
        ("utt2dur", "a 4\nb 2.5\n", "utt2dur: the utterance c of"),
    ],
)  # fmt: skip
def test_the_command_names_file_and_line(files, name, rows, message):
    (files / name).write_text(rows) if isinstance(rows, str) else write(files / name, *rows)
    result = command(files, "ref.rttm", "hyp.rttm", "--durations", "utt2dur")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
