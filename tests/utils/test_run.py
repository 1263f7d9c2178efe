"""The job runner: Kaldi's calling convention, exact arguments, honest failures, nothing left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils import jobs

# Prints its arguments so that the log shows exactly what arrived.
SHOW = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]


@pytest.fixture
def run(tmp_path, repo, monkeypatch):
    """Run run.py in an empty folder."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(repo / "utils" / "run.py"), *arguments],
            cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


def body(log: Path) -> list[str]:
    """Lines that the command wrote."""
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def test_one_command_without_a_number(run, tmp_path):
    result = run("log/x.log", "echo", "hello", "JOB")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert body(tmp_path / "log" / "x.log") == ["hello JOB"]


def test_an_array_of_jobs(run, tmp_path):
    assert run("JOB=2:4", "log/x.JOB.log", "echo", "--job=JOB", "a JOB b").returncode == 0
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["x.2.log", "x.3.log", "x.4.log"]
    for number in (2, 3, 4):
        assert body(tmp_path / "log" / f"x.{number}.log") == [f"--job={number} a {number} b"]


def test_another_name_and_a_single_number(run, tmp_path):
    assert run("SHARD=1:2", "SHARD.log", "echo", "SHARD", "JOB").returncode == 0
    assert body(tmp_path / "2.log") == ["2 JOB"]
    assert run("JOB=7", "x.log", "echo", "JOB").returncode == 0
    assert body(tmp_path / "x.log") == ["7"]


def test_the_log_says_what_ran_where_and_how_it_ended(run, tmp_path):
    run("x.log", "echo", "a b", ";", "sleep", "1.2")
    text = (tmp_path / "x.log").read_text()
    assert text.startswith("# echo 'a b' ; sleep 1.2\n# Running on ")
    assert re.search(r"^# Started at \w{3} \w{3} .*\n#\na b\n# Accounting: time=1 threads=\d+\n", text, re.MULTILINE)
    assert re.search(r"\n# Ended \(code 0\) at .*, elapsed time 1 seconds\n$", text)
    run("x.log", "bash", "-c", "exit 3")
    assert "# Ended (code 3) at" in (tmp_path / "x.log").read_text()
    run("x.log", "bash", "-c", "kill -9 $$")
    assert re.search(r"Ended \(code (137|0; signal 9)\)", (tmp_path / "x.log").read_text())


def test_standard_error_goes_to_the_log_and_an_old_log_is_replaced(run, tmp_path):
    (tmp_path / "x.log").write_text("old\n" * 100)
    run("x.log", "bash", "-c", "echo out; echo err >&2")
    assert body(tmp_path / "x.log") == ["out", "err"]


HOSTILE = [
    "a b", "", "'", '"', "it's \"so\"", "$HOME", "${HOME}", "$(id)", "`id`", "*", "?", "~", "\\", "\\n", "a\nb", "a\tb",
    "!", "#", "&", "a;b", "a|b", "a>b", "(", ")", "{a,b}", "<NA>", "->", "--x=a b", "A=b c", "ä", "a=1 | b", "> x",
    "ark:x |",
]  # fmt: skip


def test_every_argument_arrives_unchanged(run, tmp_path):
    assert run("x.log", *SHOW, *HOSTILE).returncode == 0
    assert json.loads(body(tmp_path / "x.log")[0]) == HOSTILE
    assert run("JOB=1:1", "x.log", *SHOW, *HOSTILE, "|", "cat", "|", "cat").returncode == 0
    assert json.loads(body(tmp_path / "x.log")[0]) == HOSTILE


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), max_size=4))
def test_any_argument_arrives_unchanged(words):
    words = [word for word in words if word not in jobs.OPERATORS and not re.match(r"(\d?|&)>", word)]
    script = jobs.parse(["x.log", "printf", r"%s\0", "-", *words]).script_of(1)
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[1:-1] == words


def test_operators_are_words_of_their_own(run, tmp_path):
    assert run("x.log", "echo", "b a", "|", "tr", " ", "\\n", "|", "sort", ">", "my out.txt").returncode == 0
    assert (tmp_path / "my out.txt").read_text() == "a\nb\n"
    assert run("x.log", "cat", "<", "my out.txt", "&&", "echo", "c", ";", "echo", "d", "2>", "err").returncode == 0
    assert body(tmp_path / "x.log") == ["a", "b", "c", "d"]
    assert run("x.log", "bash", "-c", "echo e >&2", "2>&1", "|", "tr", "e", "E", ">>", "my out.txt").returncode == 0
    assert (tmp_path / "my out.txt").read_text() == "a\nb\nE\n"
    assert run("JOB=1:2", "x.JOB.log", "echo", "JOB", ">", "out.JOB").returncode == 0
    assert (tmp_path / "out.2").read_text() == "2\n"


@pytest.mark.parametrize(
    "command",
    [
        ["false"], ["false", "|", "true"], ["true", "|", "false", "|", "cat"], ["true", "|", "false"],
        ["false", ";", "true"], ["no-such-command"], ["bash", "-c", "kill -TERM $$"], ["cat", "<", "missing"],
    ],
)  # fmt: skip
def test_a_failure_anywhere_is_a_failure(run, tmp_path, command):
    result = run("log/x.log", *command)
    assert result.returncode == 1
    assert re.match(r"run\.py: the job failed \(code \d+(; signal 15)?\); the end of its log log/x.log", result.stderr)
    assert "Traceback" not in result.stderr


def test_all_jobs_run_and_the_first_failure_is_shown(run, tmp_path):
    # Job 3 fails first, then 1; 2 and 4 succeed, and 5 starts after the failures.
    script = "echo of JOB; sleep 0.$((JOB == 1 ? 6 : 1)); echo end of JOB > done.JOB; [ JOB != 1 ] && [ JOB != 3 ]"
    result = run("--max-jobs-run", "4", "JOB=1:5", "log/x.JOB.log", "bash", "-c", script)
    assert result.returncode == 1
    assert len(list(tmp_path.glob("done.*"))) == 5
    first, *shown, count, again = result.stderr.splitlines()
    assert first == "run.py: job 3 failed (code 1); the end of its log log/x.3.log:"
    assert "    of 3" in shown
    assert count == "run.py: 2 / 5 failed, logs are in log/x.*.log"
    assert "--max-jobs-run 4 JOB=1,3 log/x.JOB.log bash -c 'echo of JOB; " in again
    (tmp_path / "done.2").unlink()
    command = again.partition("run only these again: ")[2]
    assert subprocess.run(["bash", "-c", command], cwd="/", capture_output=True).returncode == 1
    assert not (tmp_path / "done.2").exists()


def test_only_the_end_of_a_long_log_is_shown(run):
    script = "seq 1000; printf 'bar 1%%\\rbar 50%%\\rbar 99%%\\n'; printf '\\377\\n'; exit 1"
    shown = run("x.log", "bash", "-c", script).stderr
    assert len(shown.splitlines()) <= 1 + jobs._TAIL_LINES
    assert "    1000\n    bar 99%\n    \ufffd\n" in shown
    assert "bar 50%" not in shown


def test_at_most_so_many_at_once(run, tmp_path):
    script = "echo $(date +%s%N) 1 >> times; sleep 0.2; echo $(date +%s%N) -1 >> times"
    for limit, at_once in [(["--max-jobs-run", "2"], 2), (["-tc", "3", "--max-jobs-run", "1"], 1)]:
        (tmp_path / "times").unlink(missing_ok=True)
        assert run(*limit, "JOB=1:5", "x.JOB.log", "bash", "-c", script).returncode == 0
        running = most = 0
        for line in sorted((tmp_path / "times").read_text().splitlines()):
            running += int(line.split()[1])
            most = max(most, running)
        assert most == at_once


def test_jobs_share_the_cores(run, tmp_path):
    cores = len(os.sched_getaffinity(0))

    def threads(*options: str, **environment: str) -> str:
        assert run(*options, "x.JOB.log", "printenv", "OMP_NUM_THREADS", **environment).returncode == 0
        return body(tmp_path / "x.1.log")[0]

    assert threads("JOB=1:1") == str(cores)
    assert threads("JOB=1:2", "--max-jobs-run", "2") == str(max(1, cores // 2))
    assert threads("JOB=1:4", "--max-jobs-run", "1") == str(cores)
    assert threads("JOB=1:2", "--num-threads", "3") == "3"
    assert threads("JOB=1:2", OMP_NUM_THREADS="5") == "5"


def test_options_of_kaldis_cluster_scripts_are_accepted(run, tmp_path):
    options = ["--mem", "8G", "--time=1:00", "-V", "-pe", "smp", "4", "-l", "ram_free=8G", "--gpu", "0"]
    assert run(*options, "JOB=1:2", "--config", "conf/slurm.conf", "x.JOB.log", "echo", "--mem", "1").returncode == 0
    assert body(tmp_path / "x.2.log") == ["--mem 1"]


def test_every_running_job_sees_gpus_of_its_own(run, tmp_path):
    script = "echo $CUDA_VISIBLE_DEVICES; sleep 0.3"
    jobs = ["JOB=1:4", "x.JOB.log", "bash", "-c", script]
    assert run("--gpu", "2", *jobs, CUDA_VISIBLE_DEVICES="3,5,6,7,9").returncode == 0
    seen = [body(tmp_path / f"x.{number}.log")[0] for number in (1, 2, 3, 4)]
    assert sorted(seen) == ["3,5", "3,5", "6,7", "6,7"]
    assert {seen[0], seen[1]} == {"3,5", "6,7"}
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A'\necho 'GPU 1: B'\n")
    (folder / "nvidia-smi").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    assert run("--gpu", "1", "JOB=1:2", "x.JOB.log", "bash", "-c", script, PATH=path).returncode == 0
    assert sorted(body(tmp_path / f"x.{number}.log")[0] for number in (1, 2)) == ["0", "1"]
    result = run("--gpu", "3", "x.log", "true", PATH=path)
    assert (result.returncode, "2 GPUs are here" in result.stderr) == (2, True)
    assert run("--gpu", "1", "x.log", "true", CUDA_VISIBLE_DEVICES="-1").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected [options]"),
        (["x.log"], "expected [options]"),
        (["JOB=1:2", "x.JOB.log"], "expected [options]"),
        (["JOB=0:3", "x.JOB.log", "true"], "JOB=0:3"),
        (["JOB=3:2", "x.JOB.log", "true"], "JOB=3:2"),
        (["JOB=1:x", "x.JOB.log", "true"], "JOB=1:x"),
        (["JOB=1:", "x.JOB.log", "true"], "JOB=1:"),
        (["JOB=1:2", "x.log", "true"], "put JOB in its name"),
        (["--max-jobs-run", "0", "x.log", "true"], "'0' is not a positive whole number"),
        (["--num-threads", "two", "x.log", "true"], "'two' is not"),
        (["--mem", "--gpu", "1", "x.log", "true"], "--mem needs a value"),
        (["--mem"], "--mem needs a value"),
        (["x.log", "echo", "a", ">out"], "two words"),
        (["x.log", "echo", "a", "2>/dev/null"], "two words"),
    ],
)
def test_a_call_that_makes_no_sense(run, tmp_path, arguments, words):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("run.py: error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").touch()
    result = run("file/x.log", "true")
    assert result.returncode == 1
    assert "its log cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


def alive(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if mark.encode() in words and path.parent.name != str(os.getpid()):
            found.append(path.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_running_after_an_interrupt(tmp_path, repo, number):
    mark = f"97.{os.getpid()}{int(number)}"
    # One job obeys, one starts a background process, one does not want to end.
    script = (
        f"case JOB in 1) sleep {mark} ;; 2) sleep {mark} & sleep {mark} ;; "
        f"3) trap '' TERM HUP INT; sleep {mark} ;; esac"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from utils import run; run._GRACE_S = 0.5; sys.exit(run.main())",
         "--max-jobs-run", "3", "JOB=1:5", "log/x.JOB.log", "bash", "-c", script],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(repo)}, stderr=subprocess.PIPE, text=True,
        # Tests that a shell started in the background have inherited that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while sum("sleep" in Path(f"/proc/{pid}/comm").read_text() for pid in alive(mark)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    assert process.stderr.read() == f"run.py: {number.name}: ending the jobs\n"
    process.stderr.close()
    assert alive(mark) == []
    assert not (tmp_path / "log" / "x.5.log").exists()
    assert "# Ended (code" in (tmp_path / "log" / "x.1.log").read_text()


def test_under_nohup_a_hangup_changes_nothing(tmp_path, repo):
    process = subprocess.Popen(
        ["bash", "-c", "trap '' HUP; exec \"$@\"", "-", sys.executable, str(repo / "utils" / "run.py"), "x.log",
         "bash", "-c", "echo started; sleep 1; echo whole"],
        cwd=tmp_path,
    )  # fmt: skip
    while not (tmp_path / "x.log").exists() or "started\n" not in (tmp_path / "x.log").read_text().split("#\n")[-1]:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=20) == 0
    assert body(tmp_path / "x.log") == ["started", "whole"]


def test_help(run):
    result = run("--help")
    assert result.returncode == 0
    assert "JOB=1:4" in result.stdout


def test_cmd_sh_knows_its_backends(repo):
    def run(script: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", f"set -eu; . {repo}/cmd.sh; {script}"], capture_output=True, text=True,
            env={"PATH": os.environ["PATH"]} | environment,
        )  # fmt: skip

    assert run('echo "$train_cmd,$feature_cmd"').stdout == "run.py,run.py\n"
    site = run('echo "$train_cmd,$feature_cmd"', train_cmd="slurm.pl --mem 8G")
    assert site.stdout == "slurm.pl --mem 8G,run.py\n"
    assert run('echo "$train_cmd"', cmd_backend="slurm").stdout == "submit.py slurm\n"
    assert run('echo "$train_cmd"', cmd_backend="sge", ngpu="2").stdout == "submit.py sge --gpu 1 --max-jobs-run 2\n"
    assert run('echo "$feature_cmd"', cmd_backend="ssh").stdout == "run.py --machines .queue/machines\n"
    unknown = run("echo went on", cmd_backend="pbs")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "cmd_backend 'pbs' is not known; known: local" in unknown.stderr


# A pipeline, a process in the background and one that does not want to end.
STUBBORN = "(trap '' TERM HUP INT; sleep {mark}) & sleep {mark} | sleep {mark}"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("victim", ["run.py", "driver"])
def test_nothing_is_left_running_after_a_kill(tmp_path, repo, victim):
    mark = f"96.{os.getpid()}{len(victim)}"
    driver = subprocess.Popen(
        ["bash", "-c", 'export XSER_DRIVER=$$; "$@" & echo $!; wait', "-", sys.executable, str(repo / "utils/run.py"),
         "--max-jobs-run", "2", "JOB=1:2", "log/x.JOB.log", "bash", "-c", STUBBORN.format(mark=mark)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    runner_pid = int(driver.stdout.readline())
    wait_for(lambda: sum("sleep" in Path(f"/proc/{pid}/comm").read_text() for pid in alive(mark)) == 6)
    os.kill(driver.pid if victim == "driver" else runner_pid, signal.SIGKILL)
    driver.wait(timeout=20)
    driver.stdout.close()
    wait_for(lambda: alive(mark) == [])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for file descriptors in /proc")
def test_a_job_holds_the_drivers_lock(tmp_path, repo):
    script = f"exec 8>> lock; flock 8; XSER_LOCK_FD=8 {repo}/utils/run.py x.log readlink /proc/self/fd/8"
    assert subprocess.run(["bash", "-c", script], cwd=tmp_path).returncode == 0
    assert body(tmp_path / "x.log") == [str(tmp_path / "lock")]
    # Closed on the way, by a site's own script: no lock to hold.
    script = f"XSER_LOCK_FD=8 {repo}/utils/run.py x.log echo ran"
    assert subprocess.run(["bash", "-c", script], cwd=tmp_path).returncode == 0
