"""Job arrays on real schedulers, one machine each: failures, interrupts, kills, restarts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.integration.clusters import Cluster, GridEngine, Slurm, processes, running, wait_for

pytestmark = pytest.mark.integration

# submit.py, more impatient than for a network file system.
SUBMIT = "import sys; from utils import submit; submit._SETTLE_S = submit._ASK_S = 1; sys.exit(submit.main())"
# A job that says that it runs, and goes on when it is let.
HELD = "touch runs.JOB; until [ -e go ]; do sleep 0.1; done; echo over JOB"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with running(Slurm) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def grid_engine() -> Iterator[Cluster]:
    with running(GridEngine) as cluster:
        yield cluster


@pytest.fixture(params=["slurm", "grid_engine"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return request.getfixturevalue(request.param)


class Submitted:
    """A call of submit.py that runs in a folder."""

    def __init__(self, cluster: Cluster, folder: Path, *arguments: str):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUBMIT, cluster.name, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True,
            env=cluster.environment | {"PYTHONPATH": str(REPO)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def end(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=120)[1]
        return self.process.returncode, said

    def id(self) -> str:
        return next(self.folder.glob("q/*/ids")).read_text().split()[0]


def held(cluster: Cluster, folder: Path, jobs: int = 2) -> Submitted:
    """Submit jobs that wait to be let go, and wait until they run."""
    call = Submitted(cluster, folder, f"JOB=1:{jobs}", "log/x.JOB.log", "bash", "-c", HELD)
    wait_for(lambda: len(list(folder.glob("runs.*"))) == jobs)
    return call


def test_an_array_fails_in_one_job_which_alone_runs_again(cluster, tmp_path):
    # Of Slurm's arrays, which have three jobs at most here, it takes two.
    script = 'echo "of JOB: $1"; date > ran.JOB; [ JOB != 4 ] || [ -e mended ]'
    call = Submitted(cluster, tmp_path, "--max-jobs-run", "2", "--mem", "0", "JOB=1:5", "log/x.JOB.log",
                     "bash", "-c", script, "-", "it's \"$HOME\" *")  # fmt: skip
    status, said = call.end()
    assert status == 1
    first, *shown, count, again = said.splitlines()
    assert first == "submit.py: job 4 failed (code 1); the end of its log log/x.4.log:"
    assert '    of 4: it\'s "$HOME" *' in shown
    assert count == "submit.py: 1 / 5 failed, logs are in log/x.*.log"
    assert sorted(path.name for path in tmp_path.glob("ran.*")) == [f"ran.{number}" for number in range(1, 6)]
    assert 'of 5: it\'s "$HOME" *\n' in (tmp_path / "log/x.5.log").read_text()
    for path in tmp_path.glob("ran.*"):
        path.unlink()
    (tmp_path / "mended").touch()
    command = again.partition("run only these again: ")[2]
    rerun = subprocess.run(["bash", "-c", command], cwd="/", env=cluster.environment, capture_output=True, text=True)
    assert (rerun.returncode, rerun.stderr) == (0, "")
    assert [path.name for path in tmp_path.glob("ran.*")] == ["ran.4"]
    assert not list(tmp_path.glob("q/*"))


def test_an_interrupt_cancels_the_array(cluster, tmp_path):
    call = held(cluster, tmp_path)
    call.process.send_signal(signal.SIGINT)
    assert call.end() == (130, "submit.py: SIGINT: ending the jobs\n")
    assert cluster.jobs() == ""
    wait_for(lambda: processes(tmp_path) == [])
    assert not list(tmp_path.glob("q/*"))


def test_jobs_of_a_call_that_was_killed_end_before_the_next(cluster, tmp_path):
    call = held(cluster, tmp_path)
    before = call.id()
    call.process.kill()
    call.process.communicate()
    assert cluster.jobs() != ""
    for path in tmp_path.glob("runs.*"):
        path.unlink()
    call = held(cluster, tmp_path)
    assert call.id() != before
    (tmp_path / "go").touch()
    assert call.end() == (0, f"submit.py: cancelling {before}, of a call that was killed\n")
    assert "over 2\n" in (tmp_path / "log/x.2.log").read_text()


def test_a_job_that_is_killed_or_cancelled_has_failed(slurm, tmp_path):
    call = held(slurm, tmp_path, jobs=3)
    of_three = {pid: _command(pid) for pid in processes(tmp_path) if "touch runs.3" in _command(pid)}
    killed = next(pid for pid, command in of_three.items() if "run.py" not in command)
    os.kill(int(killed), signal.SIGKILL)
    wait_for(lambda: (tmp_path / "q/x.JOB.log/ended.3").exists())
    slurm.call("scancel", f"{call.id()}_2")
    wait_for(lambda: not any("touch runs.2" in _command(pid) for pid in processes(tmp_path)))
    (tmp_path / "go").touch()
    status, said = call.end()
    assert status == 1
    assert re.match(r"submit.py: job 3 failed \(code .*(137|signal 9), killed: perhaps the memory was full\)", said)
    assert "submit.py: 2 / 3 failed" in said
    assert "JOB=2:3 log/x.JOB.log" in said


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_a_cancelled_job_alone_says_who_ended_it(slurm, tmp_path):
    call = held(slurm, tmp_path)
    slurm.call("scancel", f"{call.id()}_1")
    (tmp_path / "go").touch()
    status, said = call.end()
    assert (status, said.splitlines()[0]) == (
        1, "submit.py: job 1 failed (slurm ended it: CANCELLED); the end of its log log/x.1.log:",
    )  # fmt: skip


def test_the_controller_restarts_and_a_node_is_drained(slurm, tmp_path):
    call = held(slurm, tmp_path)
    slurm.end("slurmctld")
    (tmp_path / "go").touch()
    other = tmp_path / "other"
    other.mkdir()
    later = Submitted(slurm, other, "x.log", "echo", "submitted meanwhile")
    try:
        # The call may know it before we do, and put everything away.
        wait_for(lambda: (tmp_path / "q/x.JOB.log/ended.2").exists() or call.process.poll() is not None)
    finally:
        slurm.control()
    assert call.end() == (0, "")
    slurm.call("scontrol", "update", "NodeName=two", "State=DRAIN", "Reason=test")
    try:
        assert later.end()[0] == 0  # nodes may not be back at once, which it says
        assert Submitted(slurm, tmp_path, "JOB=1:3", "y.JOB.log", "printenv", "SLURMD_NODENAME").end() == (0, "")
        assert all("\none\n" in (tmp_path / f"y.{number}.log").read_text() for number in (1, 2, 3))
    finally:
        slurm.call("scontrol", "update", "NodeName=two", "State=RESUME")


def test_jobs_see_the_gpus_that_they_ask_for(slurm, tmp_path):
    shown = ["bash", "-c", "echo gpus: $CUDA_VISIBLE_DEVICES, threads: $OMP_NUM_THREADS"]
    slurm.environment.pop("OMP_NUM_THREADS", None)
    assert Submitted(slurm, tmp_path, "--gpu", "1", "--num-threads", "2", "x.log", *shown).end() == (0, "")
    assert "\ngpus: 0, threads: 2\n" in (tmp_path / "x.log").read_text()
    assert Submitted(slurm, tmp_path, "x.log", *shown).end() == (0, "")
    assert "\ngpus: , threads: 1\n" in (tmp_path / "x.log").read_text()


def test_what_a_scheduler_refuses_is_said(cluster, tmp_path):
    refused = ["--partition=none"] if cluster.name == "slurm" else ["-q none.q -w e"]
    (tmp_path / "site.conf").write_text(f"command {'sbatch' if cluster.name == 'slurm' else 'qsub'} {refused[0]}\n")
    status, said = Submitted(cluster, tmp_path, "--config", "site.conf", "x.log", "true").end()
    assert status == 2
    assert said.startswith("submit.py: error: ")
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("q/*"))
