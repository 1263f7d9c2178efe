"""The lock of a recipe's folder, taken by real scripts: whose it is, when it is free, and what a refusal says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils import lock

SCRIPT = """
exec 8>> .lock
"$PYTHON" -m utils.lock --fd 8 ${WAIT:+--wait} -- .lock "$0" "$@" || exit
echo locked
"$PYTHON" -m utils.lock --beat $$ .lock 8>&- &
eval "$1"
"""


@pytest.fixture
def start(tmp_path, repo):
    """Start a script that takes the lock of one folder and then runs a line of bash; those left are killed."""
    started = []

    def start(line: str, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            ["bash", "-c", SCRIPT, "a script", line], cwd=tmp_path, text=True, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(repo), "PYTHON": sys.executable} | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def text(folder: Path, **fields: object) -> None:
    (folder / ".lock").write_text(json.dumps({"pid": 1, "command": "./run.sh", "started": "then"} | fields))


def test_the_second_is_refused_and_told_by_whom(start, tmp_path):
    first = start("sleep 60")
    assert first.stdout.readline() == "locked\n"
    second = start("true")
    out, error = second.communicate(timeout=30)
    assert (second.returncode, out) == (2, "")
    assert error.startswith(f"error: {tmp_path} is in use by 'a script' 'sleep 60' (process {first.pid} on ")
    assert socket.gethostname() in error and "--wait" in error and error.count("\n") == 1


def test_one_that_waits_goes_on_when_the_first_has_ended(start):
    first = start("read -r < <(sleep 1)")
    assert first.stdout.readline() == "locked\n"
    out, error = start("true", WAIT="1").communicate(timeout=30)
    assert (out, first.wait(timeout=5)) == ("locked\n", 1)
    assert "waiting for" in error


def test_a_killed_scripts_file_locks_nothing(start):
    first = start("sleep 60")
    assert first.stdout.readline() == "locked\n"
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert start("true").communicate(timeout=30)[0] == "locked\n"


@pytest.mark.integration
def test_what_a_killed_script_left_running_is_waited_for(start):
    first = start("sleep 4 & echo started; wait")
    assert [first.stdout.readline() for _ in range(2)] == ["locked\n", "started\n"]
    first.kill()
    first.wait()
    out, error = start("true").communicate(timeout=30)
    assert out == "locked\n"
    assert "waiting for processes that are left of 'a script' 'sleep 4 & echo started; wait'" in error


def test_a_lock_of_another_host_holds_while_it_is_renewed(start, tmp_path):
    text(tmp_path, host="elsewhere")
    refused = start("true")
    assert "in use by ./run.sh (process 1 on elsewhere, since then)" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 2
    old = time.time() - lock._STALE_S - 5
    os.utime(tmp_path / ".lock", (old, old))
    assert start("true").communicate(timeout=30)[0] == "locked\n"


def test_the_file_is_renewed_as_long_as_the_script_lives(tmp_path, repo):
    (tmp_path / ".lock").touch()
    os.utime(tmp_path / ".lock", (0, 0))
    code = f"import sys; sys.path.insert(0, {str(repo)!r}); from utils import lock; lock._BEAT_S = 0.1; lock.main()"
    parent = subprocess.Popen(
        ["bash", "-c", '"$@" --beat $$ .lock & echo $!; wait', "-", sys.executable, "-c", code],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    beater = int(parent.stdout.readline())
    for _ in range(2):
        os.utime(tmp_path / ".lock", (0, 0))
        deadline = time.monotonic() + 20
        while (tmp_path / ".lock").stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{beater}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{beater}").exists()


def test_a_damaged_file_locks_nothing(start, tmp_path):
    for content in ("{", "[]", "\0" * 30):
        (tmp_path / ".lock").write_text(content)
        assert start("true").communicate(timeout=30)[0] == "locked\n"
