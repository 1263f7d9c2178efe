"""Jobs over ssh: a real server on this machine under two names, arguments, failures, and nothing left running."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.integration.clusters import free_ports, processes, wait_for

pytestmark = pytest.mark.integration
RUN = [sys.executable, str(REPO / "utils/run.py"), "--machines", ".queue/machines"]
_CONFIG = """Host here there
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {root}/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment in which ssh knows two machines, ``here`` and ``there``."""
    server, client = shutil.which("sshd"), shutil.which("ssh")
    if not server or not client:
        pytest.skip("openssh-server is not installed")
    if os.getuid() != 0:
        pytest.skip("openssh-server needs root to let anybody in")
    root, (port,) = tmp_path_factory.mktemp("ssh"), free_ports(1)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / name], check=True)
    (root / "config").write_text(_CONFIG.format(port=port, user=getpass.getuser(), root=root))
    (root / "bin").mkdir()
    (root / "bin/ssh").write_text(f'#!/bin/sh\nexec {client} -F {root}/config "$@"\n')
    (root / "bin/ssh").chmod(0o755)
    options = [f"Port={port}", "ListenAddress=127.0.0.1", f"HostKey={root}/host", "StrictModes=no", "UsePAM=no",
               f"AuthorizedKeysFile={root}/key.pub", "PidFile=none", "MaxStartups=50"]  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    log = open(root / "log", "wb")  # noqa: SIM115
    process = subprocess.Popen([server, "-D", "-e", "-f", "/dev/null", *words], stderr=log)
    variables = os.environ | {"PATH": f"{root}/bin:{os.environ['PATH']}"}
    try:
        wait_for(lambda: subprocess.run(["ssh", "here", "true"], env=variables, capture_output=True).returncode == 0)
        yield variables
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".queue").mkdir()
    (tmp_path / ".queue/machines").write_text("# ours\nhere\nthere\n")
    return tmp_path


def test_jobs_run_on_the_machines_in_this_folder_and_environment(environment, folder):
    script = 'echo "$PWD $XSER_X $1"; sleep 0.5; [ JOB != 2 ] || exit 3'
    words = ["JOB=1:4", "log/x.JOB.log", "bash", "-c", script, "-", 'it\'s "$HOME" *', "|", "cat"]
    result = subprocess.run(
        [*RUN, *words], cwd=folder, env=environment | {"XSER_X": "a  b"}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith("run.py: job 2 failed (code 3); the end of its log log/x.2.log:")
    assert "--machines .queue/machines JOB=2 log/x.JOB.log" in result.stderr
    logs = [(folder / f"log/x.{number}.log").read_text() for number in (1, 2, 3, 4)]
    assert all(f'\n{folder} a  b it\'s "$HOME" *\n' in log for log in logs)
    assert all(any(f"Running on {name}\n" in log for log in logs) for name in ("here", "there"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(environment, folder, number):
    script = "touch runs.JOB; sleep 99 & sleep 99 | sleep 99"
    process = subprocess.Popen(
        [*RUN, "JOB=1:2", "log/x.JOB.log", "bash", "-c", script], cwd=folder, env=environment,
        stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    wait_for(lambda: len(list(folder.glob("runs.*"))) == 2)
    process.send_signal(number)
    assert process.wait(timeout=30) == (130 if number == signal.SIGINT else -number)
    wait_for(lambda: processes(folder) == [])


def test_a_machine_that_cannot_be_reached_and_a_file_that_names_none(environment, folder):
    (folder / ".queue/machines").write_text("nowhere.invalid\n")
    result = subprocess.run([*RUN, "x.log", "true"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (result.returncode, "nowhere.invalid" in result.stderr) == (1, True)
    (folder / ".queue/machines").write_text("# none\n")
    result = subprocess.run([*RUN, "x.log", "true"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (
        2, "run.py: error: .queue/machines: no machine in it; name one a line\n"
    )  # fmt: skip
