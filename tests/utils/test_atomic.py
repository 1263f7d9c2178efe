"""Files and directories appear whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from utils import atomic
from utils.atomic import atomic_dir, atomic_file, write_changed


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_file(path) as file:
        file.write("ä\n")
        assert not path.exists()
    assert path.read_bytes() == "ä\n".encode()
    assert names(path.parent) == ["a.txt"]


def test_bytes_are_written_as_they_are(tmp_path):
    with atomic_file(tmp_path / "a", "wb") as file:
        file.write(b"\r\n\0")
    assert (tmp_path / "a").read_bytes() == b"\r\n\0"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as file:
        file.write("new")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_leaves_the_old_directory_and_nothing_else(tmp_path):
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ValueError, match="stop"), atomic_dir(path) as temporary:
        (temporary / "new").touch()
        raise ValueError("stop")
    assert names(path) == ["old"]
    assert names(tmp_path) == ["d"]


def test_a_directory_replaces_the_old_one_as_a_whole(tmp_path):
    path = tmp_path / "exp" / "d"
    for content in ("old", "new"):
        with atomic_dir(path) as temporary:
            (temporary / content).write_text(content)
    assert names(path) == ["new"]
    assert names(path.parent) == ["d"]


def test_the_old_directory_never_stands_half_deleted(tmp_path, monkeypatch):
    path = tmp_path / "d"
    with atomic_dir(path) as temporary:
        (temporary / ".done").touch()
        (temporary / "scores").touch()
    seen = []
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda *_, **__: seen.append(names(path)))
    with atomic_dir(path) as temporary:
        (temporary / "scores").touch()
    assert seen == [["scores"]]


def test_the_target_of_a_symbolic_link_is_replaced(tmp_path):
    scratch = tmp_path / "scratch"
    (scratch / "d").mkdir(parents=True)
    (scratch / "d" / "old").touch()
    (scratch / "f").write_text("old")
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "d").symlink_to(scratch / "d")
    (recipe / "f").symlink_to(scratch / "f")
    with atomic_dir(recipe / "d") as temporary:
        (temporary / "new").touch()
    with atomic_file(recipe / "f") as file:
        file.write("new")
    assert (recipe / "d").is_symlink()
    assert (recipe / "f").is_symlink()
    assert names(scratch / "d") == ["new"]
    assert (scratch / "f").read_text() == "new"
    assert names(scratch) == ["d", "f"]


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [("022", 0o644, 0o755), ("077", 0o600, 0o700)])
def test_permissions_follow_the_umask(tmp_path, repo, mask, file_mode, folder_mode):
    script = (
        "from utils.atomic import atomic_dir, atomic_file\n"
        "with atomic_file('f') as file: pass\n"
        "with atomic_dir('d') as folder: pass\n"
    )
    subprocess.run(
        ["bash", "-c", f'umask {mask}; exec "$0" -c "$1"', sys.executable, script],
        cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(repo)},
    )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == file_mode
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == folder_mode


def test_threads_do_not_change_the_umask(tmp_path):
    before = os.umask(0o027)
    try:

        def write(number: int) -> None:
            for _ in range(50):
                with atomic_file(tmp_path / str(number)) as file:
                    file.write("x")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        after = os.umask(before)
    assert after == 0o027


def test_a_terminated_command_leaves_no_temporary_files(tmp_path, repo):
    script = (
        "import time\n"
        "from utils.atomic import atomic_dir\n"
        "from utils.errors import run_main\n"
        "def main():\n"
        "    with atomic_dir('d'):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "run_main(main)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(repo)},
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(timeout=20) == 128 + 15
    process.stdout.close()
    assert names(tmp_path) == []


def test_what_would_say_the_same_is_left_alone(tmp_path):
    path = tmp_path / "table.csv"
    write_changed(path, "ä\n")
    os.utime(path, ns=(1, 1))
    write_changed(path, "ä\n")
    assert path.stat().st_mtime_ns == 1
    write_changed(path, "b\n")
    assert path.read_text("utf-8") == "b\n" and path.stat().st_mtime_ns > 1
