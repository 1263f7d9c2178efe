"""How commands end: one line for what a user can mend, a traceback for what only we can."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from tests import disks
from utils.errors import UserError, named, run_main


@pytest.fixture(autouse=True)
def _handlers():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ends_with(main) -> int:
    with pytest.raises(SystemExit) as ended:
        run_main(main)
    return ended.value.code


def fails(error: BaseException):
    def main():
        raise error

    return main


def test_success_and_a_status_of_its_own():
    assert ends_with(lambda: None) == 0
    assert ends_with(lambda: 3) == 3


def test_a_user_error_is_one_line(capsys):
    assert ends_with(fails(UserError("conf/x.yaml: no such file; make it"))) == 1
    assert capsys.readouterr().err == "error: conf/x.yaml: no such file; make it\n"


def test_a_full_disk_and_a_missing_permission_are_one_line(capsys):
    assert ends_with(fails(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))) == 1
    assert ends_with(fails(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "exp/x"))) == 1
    assert capsys.readouterr().err == (
        "error: cannot write: No space left on device; make room, or move its folder to a larger disk and put a link "
        "there, then run again\n"
        "error: exp/x: Permission denied; make it writable, then run again; results alone may go elsewhere (--expdir)\n"
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save({"a": torch.zeros(50_000)}, path),
        lambda path: save_file({"a": torch.zeros(50_000)}, path),
        lambda path: soundfile.write(path, np.full(50_000, 0.1), 16000, format="WAV"),
        lambda path: np.save(path, np.zeros(50_000)),
        lambda path: np.savez(path, a=np.zeros(50_000)),
        lambda path: path.write_bytes(bytes(200_000)),
    ],
    ids=["torch", "safetensors", "soundfile", "numpy", "npz", "bytes"],
)
def test_what_libraries_say_of_a_full_disk_is_what_the_system_said(tmp_path, capsys, write):
    def main():
        with named(tmp_path / "disk/folder"):
            write(tmp_path / "disk/x.npy")

    with disks.full(tmp_path / "disk", 65536):
        assert ends_with(main) == 1
    err = capsys.readouterr().err
    assert "/disk/" in err and "No space left on device; make room" in err and err.count("\n") == 1


def test_other_errors_stay_what_they_are_where_there_is_room(tmp_path):
    for error in (RuntimeError("x"), KeyError("x"), UserError("x"), OSError("no errno")):
        with pytest.raises(type(error)) as raised, named(tmp_path / "not/there/yet"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("CUDA error: unspecified launch failure\nCUDA kernel errors might be", "what is finished counts, run again"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "what is finished counts, run again"),
        ("NCCL Error 1: unhandled cuda error", "what is finished counts, run again"),
        ("CUDA out of memory. Tried to allocate 2 GiB", "use one with more memory that is free, or smaller batches"),
    ],
)
def test_a_gpu_that_is_lost_is_one_line(capsys, said, mend):
    assert ends_with(fails(RuntimeError(said))) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: the GPU failed ({said.splitlines()[0]}); {mend}") and err.count("\n") == 1
    with pytest.raises(RuntimeError):
        run_main(fails(RuntimeError("tensors are on cuda:0 and cpu")))


def test_a_job_that_loses_its_gpu_has_failed_and_its_log_says_why(tmp_path, repo):
    # AcceleratorError is what torch makes of CUDA's errors; no GPU is needed to raise it.
    code = (
        "import torch; from utils.errors import run_main\n"
        "def main(): raise torch.AcceleratorError('CUDA error: GPU is lost; see dmesg\\nmore')\n"
        "run_main(main)"
    )
    job = subprocess.run(
        [sys.executable, repo / "utils/run.py", "x.log", sys.executable, "-c", code], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repo)}, capture_output=True, text=True,
    )  # fmt: skip
    assert job.returncode == 1 and "Traceback" not in job.stderr
    assert "error: the GPU failed (CUDA error: GPU is lost; see dmesg); what is finished counts" in job.stderr


def test_an_error_of_ours_keeps_its_traceback():
    with pytest.raises(FileNotFoundError):
        run_main(fails(FileNotFoundError(errno.ENOENT, "x")))
    with pytest.raises(KeyError):
        run_main(fails(KeyError("x")))


def test_signals_give_the_status_that_a_shell_expects():
    assert ends_with(fails(KeyboardInterrupt())) == 130
    assert ends_with(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143


def test_a_command_ends_with_the_driver_that_started_it(repo):
    code = "import time; from utils.errors import run_main; run_main(lambda: print('up', flush=True) or time.sleep(60))"
    driver = subprocess.Popen(
        ["bash", "-c", 'export XSER_DRIVER=$$; "$@"; true', "-", sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(repo)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert driver.stdout.readline() == "up\n"
    begin = time.monotonic()
    driver.kill()
    # The pipe ends when the command, too, has ended.
    assert driver.communicate(timeout=50)[0] == ""
    assert time.monotonic() - begin < 30
