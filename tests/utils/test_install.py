"""The installer's decisions, with a Python, pip, df and nvidia-smi that only pretend; and the real environment."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = "bash dirname awk sed grep cksum tr df cat paste rm tail cut flock mkdir cp env chmod touch basename"

# What the installer asks of a Python, answered from files: `$state/ok` holds the names of what is installed.
FAKE_PYTHON = r"""#!/usr/bin/env bash
state=${0%/bin/*}/state
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in
  "-c import sys; sys.exit"*) [ -f "$state/in_range" ] ;;
  "-c import venv"*) [ -f "$state/has_venv" ] ;;
  "-c import sys; print"*) echo python3.11-venv ;;
  -V) cat "$state/version" ;;
  "-m venv --clear "*)
    rm -rf "$4"; mkdir -p "$4/bin" "$4/state" "$4/lib"
    cp "$0" "$4/bin/python3"
    touch "$4/state/in_range" "$4/state/ok" ;;
  "-m pip install "*" --upgrade pip") [ -z "${PIP_SAYS:-}" ] ;;
  "-m pip install "*)
    log=$7
    echo "2026-01-01T00:00:00 Collecting torch" > "$log"
    if [ -n "${PIP_SAYS:-}" ]; then echo "2026-01-01T00:00:00 $PIP_SAYS" >> "$log"; exit 1; fi
    for word in "$@"; do
      case $word in torch*) echo torch >> "$state/ok" ;; --requirement=*) echo "${word#*=}" >> "$state/ok" ;; esac
    done ;;
  "-m utils.environment check "*)
    for file in "${@:4}"; do
      case $file in /dev/fd/*) file=torch ;; esac
      grep -qx "$file" "$state/ok" || { echo "$file (not installed)"; exit 1; }
    done
    [ ! -f "$state/fault" ] || { cat "$state/fault"; exit 1; } ;;
  "-m utils.environment version "*) echo 2.13.0+cpu ;;
  "-m utils.environment mend-torchaudio") rm -f "$state/fault" ;;
  *) exit 99 ;;
esac
"""


class Clone:
    """A clone with the installer in it, on a machine where only what it is given exists."""

    def __init__(self, root: Path, repo: Path):
        self.root = root / "clone"
        self.bin = root / "machine" / "bin"
        self.log = root / "log"
        self.environment: dict[str, str] = {}
        (self.root / "utils").mkdir(parents=True)
        self.bin.mkdir(parents=True)
        for name in ("install.sh", "parse_options.sh"):
            shutil.copy2(repo / "utils" / name, self.root / "utils")
        shutil.copy2(repo / "path.sh", self.root)
        (self.root / "requirements.txt").write_text("torch>=2.11  # the models\ntorchaudio>=2.11\n")
        (self.root / "requirements-dev.txt").write_text("pytest\n")
        (self.root / "requirements-egemaps.txt").write_text("opensmile\n")
        for name in TOOLS.split():
            (self.bin / name).symlink_to(shutil.which(name))
        self.tool("df", "echo head; echo x 0 0 104857600 0% /")

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def tool(self, name: str, script: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (self.bin / name).chmod(0o755)

    def python(self, name: str = "python3", *, has: str = "", version: str = "Python 3.11.2", where: str = "") -> Path:
        """Put a Python on PATH (in a folder of its own when ``where`` is given)."""
        prefix = self.bin.parent.parent / (where or f"prefix-{name}")
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        (prefix / "state").mkdir()
        path = prefix / "bin" / name
        path.write_text(FAKE_PYTHON)
        path.chmod(0o755)
        (prefix / "state" / "version").write_text(version + "\n")
        (prefix / "state" / "ok").write_text("\n".join(has.split()) + "\n")
        if version.split(".")[1] in ("10", "11", "12", "13"):
            (prefix / "state" / "in_range").touch()
        (prefix / "state" / "has_venv").touch()
        self.environment["PATH"] = f"{prefix}/bin:{self.environment.get('PATH', self.bin)}"
        return path

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess:
        machine = {"PATH": str(self.bin), "LOG": str(self.log), "HOME": "/nonexistent"} | self.environment
        self.log.write_text("")
        return subprocess.run(
            [shutil.which("bash"), str(self.root / "utils" / "install.sh"), *options],
            cwd="/", env=machine | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def pip(self) -> list[list[str]]:
        """Arguments of each call of pip in the last run, after its own options."""
        lines = [line for line in self.log.read_text().splitlines() if "install.log" in line]
        return [line.split("install.log --no-compile ", 1)[1].split() for line in lines]


@pytest.fixture
def clone(tmp_path, repo):
    return Clone(tmp_path, repo)


@pytest.fixture
def installed(clone):
    """A clone whose .venv is made."""
    clone.python()
    result = clone.run()
    assert result.returncode == 0, result.stderr
    return clone


def test_a_fresh_clone(clone):
    clone.python()
    result = clone.run()
    assert result.returncode == 0, result.stderr
    constraint = str(clone.venv / "torch.constraint")
    assert clone.pip() == [["torch==2.13.0"], ["--constraint", constraint, "--requirement=requirements.txt"]]
    assert clone.log.read_text().count("--upgrade pip") == 1  # which fails where an index is out of reach, below
    assert Path(constraint).read_text() == "torch==2.13.0+cpu\n"
    assert [word for word in ("making", "[1/3]", "[2/3]", "[3/3]", "done") if word not in result.stderr] == []
    assert result.stdout == ""
    assert clone.run("--which").stdout == f"{clone.venv}/bin/python3\n"


def test_a_rerun_does_nothing_and_says_nothing(installed):
    result = installed.run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert installed.pip() == []


def test_edited_requirements_are_installed(installed):
    (installed.root / "requirements.txt").write_text("torch>=2.11\nnumpy\n")
    assert installed.run("--which").returncode == 1
    assert installed.run().returncode == 0
    assert [call[-1] for call in installed.pip()] == ["--requirement=requirements.txt"]
    assert installed.run().stderr == ""


def test_an_interrupted_installation_goes_on(installed):
    (installed.venv / ".installed").unlink()
    assert installed.run().returncode == 0
    assert len(installed.pip()) == 1
    assert installed.run().stderr == ""


def test_something_uninstalled_is_installed_again(installed):
    (installed.venv / "state" / "ok").write_text("torch\n")
    assert installed.run().returncode == 0
    assert installed.run().stderr == ""


def test_extras_are_added_and_stay(installed):
    assert installed.run("--dev").returncode == 0
    assert installed.pip()[-1][2:] == ["--requirement=requirements.txt", "--requirement=requirements-dev.txt"]
    for options in (["--dev"], [], ["--extra", "dev"]):
        assert installed.run(*options).stderr == ""
    assert installed.run("--extra=egemaps").returncode == 0
    assert installed.pip()[-1][-1] == "--requirement=requirements-dev.txt"
    (installed.root / "requirements-dev.txt").write_text("pytest>=9\n")
    assert installed.run().returncode == 0
    assert "--requirement=requirements-dev.txt" in installed.pip()[-1]


def test_a_broken_environment_is_made_anew(installed):
    (installed.venv / "state" / "in_range").unlink()
    result = installed.run()
    assert result.returncode == 0
    assert "does not run: making it anew" in result.stderr
    assert len(installed.pip()) == 2


def test_a_shim_that_does_not_run_is_passed_over(clone):
    clone.python("python3.12", version="Python 3.12.1")
    clone.tool("python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    clone.tool("python3.13", "exit 127")
    result = clone.run()
    assert result.returncode == 0, result.stderr
    assert "Python 3.12.1" in result.stderr


def test_no_python(clone):
    result = clone.run()
    assert result.returncode == 1
    assert "no Python 3.10 to 3.13 on PATH" in result.stderr
    assert "apt-get install python3 python3-venv" in result.stderr
    assert not clone.venv.exists()


def test_only_pythons_that_are_too_old_or_too_new(clone):
    clone.python("python3", version="Python 3.9.2")
    clone.python("python3.13", version="Python 3.14.0")
    result = clone.run()
    assert result.returncode == 1
    assert "python3 is Python 3.9.2" in result.stderr
    assert not clone.venv.exists()


def test_a_debian_without_the_venv_package(clone):
    (clone.python().parent.parent / "state" / "has_venv").unlink()
    result = clone.run()
    assert result.returncode == 1
    assert "apt-get install python3-venv   (or python3.11-venv)" in result.stderr


@pytest.mark.parametrize(("gpu", "needed"), [(False, 3), (True, 6)])
def test_a_disk_that_is_too_full(clone, gpu, needed):
    clone.python()
    if gpu:
        clone.tool("nvidia-smi", "echo 'GPU 0: H200'")
    clone.tool("df", f"echo head; echo x 0 0 {needed * 1048576 - 1} 0% /")
    result = clone.run()
    assert result.returncode == 1
    assert f"{needed - 1} GB are free" in result.stderr
    assert f"{needed} GB are needed" in result.stderr
    assert not clone.venv.exists()
    clone.tool("df", f"echo head; echo x 0 0 {needed * 1048576} 0% /")
    assert clone.run().returncode == 0


@pytest.mark.parametrize(
    ("says", "mend"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "a disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "check the network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no such release for this Python"),
        ("ERROR: something else", "it goes on from here"),
    ],
)
def test_pip_fails(clone, says, mend):
    clone.python()
    result = clone.run(PIP_SAYS=says)
    assert result.returncode == 1
    assert "pip install torch==2.13.0 failed" in result.stderr
    assert f"\n{says[:60]}" in result.stderr.replace("  ", "")
    assert mend in result.stderr
    assert not (clone.venv / ".installed").exists()
    assert clone.run("--which").returncode == 1
    assert clone.run().returncode == 0


def test_a_gpu_gets_the_ordinary_torch(clone):
    clone.python()
    clone.tool("nvidia-smi", "[ $1 = -L ] && echo 'GPU 0: H200'")
    assert clone.run().returncode == 0
    assert clone.pip()[0] == ["torch>=2.11"]


def test_a_driver_without_a_gpu_does_not(clone):
    clone.python()
    clone.tool("nvidia-smi", "exit 9")
    assert clone.run().returncode == 0
    assert clone.pip()[0] == ["torch==2.13.0"]


def test_torch_by_hand(clone):
    clone.python()
    result = clone.run(XSER_TORCH="torch==2.14.0 --index-url file:///wheels")
    assert result.returncode == 0
    assert clone.pip()[0] == ["torch==2.14.0", "--index-url", "file:///wheels"]


def test_a_torch_that_is_in_range_stays(installed):
    assert installed.run("--dev").returncode == 0
    assert all("torch==2.13.0" not in call for call in installed.pip())


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_active_environment_that_satisfies_is_used(installed, variable):
    active = installed.python(where="active", has="requirements.txt torch")
    activate = {variable: str(active.parent.parent)}
    assert installed.run("--which", **activate).stdout == f"{active}\n"
    result = installed.run(**activate)
    assert (result.returncode, result.stderr, installed.pip()) == (0, "", [])
    # With what only .venv has, .venv it is; and so for every script from then on.
    assert installed.run("--dev", **activate).returncode == 0
    for options in ([], ["--dev"]):
        assert installed.run("--which", *options, **activate).stdout == f"{installed.venv}/bin/python3\n"


def test_an_active_environment_that_does_not_is_left_alone(clone):
    active = clone.python(where="active", has="torch")
    assert clone.run(VIRTUAL_ENV=str(active.parent.parent)).returncode == 0
    assert (active.parent.parent / "state" / "ok").read_text() == "torch\n"
    assert clone.run("--which", VIRTUAL_ENV=str(active.parent.parent)).stdout == f"{clone.venv}/bin/python3\n"


def test_a_plain_python_that_satisfies_is_used_where_there_is_no_venv(clone):
    plain = clone.python(has="requirements.txt torch")
    result = clone.run()
    assert (result.returncode, result.stderr) == (0, "")
    assert not clone.venv.exists()
    assert clone.run("--which").stdout == f"{plain}\n"


def test_torchaudio_is_mended_in_an_active_environment_too(clone):
    active = clone.python(has="requirements.txt torch")
    fault = active.parent.parent / "state" / "fault"
    fault.write_text("torchaudio (its extension is linked against CUDA, which this torch lacks)\n")
    assert clone.run("--which").returncode == 0
    assert fault.exists()
    assert clone.run().returncode == 0
    assert not fault.exists()
    assert not clone.venv.exists()


def test_python_by_hand(installed):
    good = installed.python(where="good", has="requirements.txt torch")
    bad = installed.python(where="bad", has="torch")
    assert installed.run("--which", XSER_PYTHON=str(good)).stdout == f"{good}\n"
    assert installed.run(XSER_PYTHON=str(good)).returncode == 0
    result = installed.run(XSER_PYTHON=str(bad))
    assert result.returncode == 1
    assert "lacks:\n  requirements.txt (not installed)" in result.stderr
    assert "does not run" in installed.run(XSER_PYTHON="/no/python3").stderr
    assert installed.pip() == []


def test_a_path_with_blanks(tmp_path, repo):
    clone = Clone(tmp_path / "a b", repo)
    clone.python()
    assert clone.run().returncode == 0
    assert clone.run().stderr == ""


def test_without_installing(clone):
    clone.python()
    result = clone.run("--dry-run", "--dev")
    assert result.returncode == 0
    assert "torch==2.13.0; requirements.txt requirements-dev.txt" in result.stdout
    result = clone.run("--which")
    assert (result.returncode, result.stdout) == (1, "")
    assert "run utils/install.sh" in result.stderr
    assert not clone.venv.exists()


@pytest.mark.parametrize("options", [["--extra", "nothing"], ["--extra"], ["--dve"], ["x"]])
def test_options_that_make_no_sense(clone, options):
    clone.python()
    result = clone.run(*options)
    assert result.returncode in (1, 2)
    assert "error: " in result.stderr
    assert not clone.venv.exists()


def test_path_sh_uses_what_the_installer_says(installed, tmp_path):
    script = f'set -eu; . "{installed.root}/path.sh"; . "{installed.root}/path.sh"; env'
    result = subprocess.run(
        [shutil.which("bash"), "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PATH": f"{installed.bin}", "LOG": str(installed.log), "PYTHONPATH": "/mine"},
    )  # fmt: skip
    values = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert values["XSER_PYTHON"] == f"{installed.venv}/bin/python3"
    assert values["PATH"] == f"{installed.root}/utils:{installed.venv}/bin:{installed.bin}"
    assert values["PYTHONPATH"] == f"{installed.root}:/mine"
    assert (values["LC_ALL"], values["PYTHONUTF8"], values["XSER_ROOT"]) == ("C", "1", str(installed.root))


def test_path_sh_without_an_environment_says_what_to_do(clone, tmp_path):
    clone.python()
    for flags in ("-eu", "+e"):
        result = subprocess.run(
            [shutil.which("bash"), "-c", f'set {flags}; . "{clone.root}/path.sh" && echo went on'],
            cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": clone.environment["PATH"], "LOG": str(clone.log)},
        )  # fmt: skip
        assert result.returncode == 1
        assert result.stdout == ""
        assert "run utils/install.sh" in result.stderr


def test_the_present_environment_is_found_fast(repo):
    def spent() -> float:  # processor time: other work on the machine does not count
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    seconds = []
    for _ in range(3):
        begin = spent()
        result = subprocess.run(
            [repo / "utils" / "install.sh", "--dev"], env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        seconds.append(spent() - begin)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert min(seconds) < 1
