"""How commands end: one line for what a user can mend, a traceback for what only we can."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from utils.errors import UserError, run_main


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


def test_a_gpu_that_is_lost_is_one_line(capsys):
    assert ends_with(fails(RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be"))) == 1
    err = capsys.readouterr().err
    assert err == (
        "error: the GPU failed (CUDA error: unspecified launch failure); what is finished counts, run again\n"
    )
    with pytest.raises(RuntimeError):
        run_main(fails(RuntimeError("shapes differ")))


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
