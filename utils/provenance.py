"""Say beside results what made them: on what, from which code and data, and by which command.

    python3 -m utils.provenance --exp exp --root CLONE --data data/emodb data/nemo --cwd DIR -- --recipe open --nj 4

writes ``exp/env.json`` (commit, versions, machine, digests of the data) and ``exp/run.sh`` (the command once more). A
file that says so already is left alone, so neither tells the time. It runs in every run and is quick: the standard
library only. Neither the machine's nor the user's name is written, but the command's folders are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from utils import environment
from utils.atomic import atomic_file
from utils.errors import run_main

ENVIRONMENT, COMMAND = "env.json", "run.sh"
_TABLES = ("utt2spk", "utt2emo", "ref.rttm", "utt2digest")  # the last, of decoded samples; nothing of where they lie
_VARIABLES = (
    "train_cmd", "feature_cmd", "cmd_backend", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "HF_HUB_OFFLINE",
)  # fmt: skip
_RESULTS = (":(exclude)egs/*/RESULTS*.md", ":(exclude)egs/*/results*")  # written by runs
_FOLDERS = ("--db-root",)  # options whose value starts at the folder that the command was given in
_EARLIER = "#   "


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exp", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--root", type=Path, required=True, help="the clone, which holds run.sh")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="the data directories")
    parser.add_argument("--cwd", default=".", help="where the command was given (default: here)")
    parser.add_argument("command", nargs="*", help="what run.sh was called with")
    arguments = parser.parse_args()
    made = describe(arguments.root, arguments.data, arguments.exp)
    _write(arguments.exp / ENVIRONMENT, json.dumps(made, indent=1) + "\n")
    record(arguments.exp, arguments.root, absolute(arguments.command, arguments.cwd))


def describe(root: Path, data: Iterable[Path] = (), exp: Path | None = None) -> dict[str, Any]:
    """Describe what a run computes with and from.

    Parameters
    ----------
    root : Path
        The clone.
    data : iterable of Path
        Data directories; one that is not prepared has no digest.
    exp : Path, optional
        The results, which do not count as a change of the clone.

    Returns
    -------
    dict
        ``git`` (None outside a clone), ``python``, ``packages``, ``machine``, ``variables``, ``data``; for JSON.
    """
    return {
        "git": git(root, exp),
        "python": platform.python_version(),
        "packages": environment.versions(
            path for path in sorted(root.glob("requirements*.txt")) if path.stem != "requirements-dev"
        ),
        "machine": machine(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "data": {folder.name: digest(folder) for folder in data},
    }


def git(root: Path, exp: Path | None = None) -> dict[str, Any] | None:
    """Give a clone's commit, and the files that differ from it, results apart; None if it is no clone."""
    where = _from(root, exp) if exp else ".."
    but = _RESULTS if where.startswith("..") else (*_RESULTS, f":(exclude,literal){where}")
    try:
        top, commit = _output("git", "-C", root, "rev-parse", "--show-toplevel", "HEAD").split("\n")
        if not os.path.samefile(top, root):
            return None
        changed = _output("git", "-C", root, "status", "--porcelain", "-z", "-uall", "--", ".", *but)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "changed": sorted(line[3:] for line in changed.split("\0") if line[2:3] == " ")}


def machine() -> dict[str, Any]:
    """Describe the machine without naming it: what decides speed, and the last bits of sums."""
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        cpu = ""
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpu, re.MULTILINE)
    model = re.search(r"^model name\s*: (.*)$", cpu, re.MULTILINE)
    vector = {flag for flag in (flags[1].split() if flags else ()) if re.match("avx|amx|asimd|sve", flag)}
    gpus = (path.read_text(errors="replace") for path in Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "processor": model[1] if model else platform.processor(),
        "vector_instructions": sorted(vector),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpus": sorted(found[1] for text in gpus if (found := re.search(r"^Model:\s*(.*)$", text, re.MULTILINE))),
    }


def digest(data_dir: Path) -> str | None:
    """Digest what a prepared corpus holds: utterances, speakers, emotions, and samples where stage 1 has decoded them.

    Where they lie has no influence. None for what is not prepared.
    """
    tables = [data_dir / name for name in _TABLES if (data_dir / name).is_file()]
    if not tables:
        return None
    lines = (f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in tables)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def absolute(command: Sequence[str], cwd: str) -> list[str]:
    """Make relative folders in a command absolute, so that it can be given elsewhere.

    Examples
    --------
    >>> absolute(["--db-root", "corpora", "--db-root=/x", "--nj", "2"], "/home")
    ['--db-root', '/home/corpora', '--db-root=/x', '--nj', '2']
    """
    made: list[str] = []
    for word in command:
        option, equals, value = word.partition("=")
        if made and made[-1] in _FOLDERS:
            made.append(os.path.normpath(os.path.join(cwd, word)))
        elif equals and option in _FOLDERS:
            made.append(f"{option}={os.path.normpath(os.path.join(cwd, value))}")
        else:
            made.append(word)
    return made


def record(exp: Path, root: Path, command: Sequence[str]) -> None:
    """Write the script that gives run.sh the same command again; commands before it stand there as comments."""
    path = exp / COMMAND
    # On one line, so that it may become a comment.
    call = f"./run.sh {shlex.join(command)}".rstrip().replace("\n", "'$'\\n''")
    earlier = []
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        earlier = [line for line in lines if line.startswith(_EARLIER)]
        if lines and (last := lines[-1].removeprefix("exec ")) != call:
            earlier.append(_EARLIER + last)
    place = f'"$(dirname "${{BASH_SOURCE[0]}}")"/{_from(exp, root)}'
    inside = not _from(root, exp).startswith("..")
    text = [
        "#!/usr/bin/env bash",
        "# The command that made the results beside this script: give it once more.",
        *(["# Earlier commands, which may have made some of them:", *earlier] if earlier else []),
        f"cd {place if inside else shlex.quote(os.path.realpath(root))}",
        f"exec {call}",
    ]
    _write(path, "\n".join(text) + "\n", 0o111)


def _from(folder: Path, path: Path) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))


def _write(path: Path, text: str, mode: int = 0) -> None:
    """Write a file that does not say so already."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with atomic_file(path) as file:
        file.write(text)
    path.chmod(path.stat().st_mode | mode)


def _output(*command: str | Path) -> str:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return result.stdout.strip("\n")


if __name__ == "__main__":
    run_main(main)
