"""What utils/install.sh asks of a Python environment: does it satisfy the requirement files, does torchaudio load?

Commands, from the root of the repository:

    python3 -m utils.environment check requirements.txt [FILE ...]   # prints what is not satisfied; exit 1 if anything
    python3 -m utils.environment version NAME                        # prints an installed distribution's version
    python3 -m utils.environment mend-torchaudio                     # see mend_torchaudio

It runs before anything is installed: the standard library only, and ``packaging``, which every environment
that satisfies the requirements holds. ``check`` imports neither torch nor torchaudio.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from utils.errors import UserError, run_main

_ASIDE = ".unused-with-torch-"


def unmet(files: Iterable[str | Path]) -> list[str]:
    """List the requirements that this environment does not satisfy, a line each.

    The files are in pip's format: one specifier a line, comments, ``-r other.txt``.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return ["packaging (not installed)"]
    missing = []
    for line in _specifiers(files):
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        installed = _version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            missing.append(f"{line} ({installed or 'not installed'})")
    fault = torchaudio_fault()
    return [*missing, fault] if fault else missing


def versions(files: Iterable[str | Path]) -> dict[str, str | None]:
    """Give the installed versions of what requirement files name; None for what is not installed."""
    names = dict.fromkeys(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in _specifiers(files))
    return {name: _version(name) for name in names}


def torchaudio_fault() -> str | None:
    """Tell, without importing it, why torchaudio's native extension cannot load beside the installed torch.

    None where it can, and where one of the two is not installed.
    """
    torch, torchaudio = _folder("torch"), _folder("torchaudio")
    if torch is None or torchaudio is None:
        return None
    if any(path.name.split(_ASIDE)[1] != _version("torch") for path in _aside(torchaudio)):
        return "torchaudio (its extension was set aside for another torch)"
    if (torch / "lib" / "libc10_cuda.so").exists():
        return None
    if any(b"libc10_cuda.so" in path.read_bytes() for path in _libraries(torchaudio)):
        return "torchaudio (its extension is linked against CUDA, which this torch lacks)"
    return None


def mend_torchaudio() -> str | None:
    """Make ``import torchaudio`` work whatever torch stands beside it; say in a line what was done, if anything.

    The package index has only torchaudio wheels linked against CUDA. Beside a torch without CUDA (or with
    another CUDA) their extension does not load, and ``import torchaudio`` fails. torchaudio works without its
    extension when the library files are absent, in all that is used here, so they are renamed. The new
    name says for which torch; when another torch stands there, they get their names back and are tried again.

    Raises
    ------
    RuntimeError
        torchaudio does not import without its extension either; the message is Python's.
    """
    torchaudio = _folder("torchaudio")
    if torchaudio is None:
        return None
    for path in _aside(torchaudio):
        original = path.with_name(path.name.split(_ASIDE)[0])
        # Where both exist, a reinstalled torchaudio brought the library anew.
        if original.exists():
            path.unlink()
        elif path.name.split(_ASIDE)[1] != _version("torch"):
            path.rename(original)
    if torchaudio_fault() is None and _import_error() is None:
        return None
    for path in _libraries(torchaudio):
        path.rename(path.with_name(f"{path.name}{_ASIDE}{_version('torch')}"))
    error = _import_error()
    if error is not None:
        raise RuntimeError(error)
    return f"torchaudio's extension cannot load with torch {_version('torch')}: set aside, nothing here needs it"


def _specifiers(files: Iterable[str | Path]) -> Iterator[str]:
    for file in map(Path, files):
        for line in file.read_text(encoding="utf-8").splitlines():
            line = line.split("#")[0].strip()
            if line.startswith("-r "):
                yield from _specifiers([file.parent / line[3:].strip()])
            elif line:
                yield line


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _libraries(torchaudio: Path) -> list[Path]:
    return sorted((torchaudio / "lib").glob("*.so"))


def _aside(torchaudio: Path) -> list[Path]:
    return sorted((torchaudio / "lib").glob(f"*.so{_ASIDE}*"))


def _import_error() -> str | None:
    # In a process of its own: an import that failed cannot be tried again within one.
    script = "import warnings; warnings.simplefilter('ignore'); import torchaudio"
    result = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, check=False)
    return result.stderr.decode(errors="replace").strip().splitlines()[-1] if result.returncode else None


def main() -> int:
    """Run one command of the module's docstring and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="print what is not satisfied; exit 1 if anything")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    version = commands.add_parser("version", help="print an installed distribution's version")
    version.add_argument("name")
    commands.add_parser("mend-torchaudio", help="make torchaudio import beside the torch that is installed")
    arguments = parser.parse_args()
    if arguments.command == "check":
        missing = unmet(arguments.files)
        print(*missing, sep="\n", end="\n" if missing else "")
        return bool(missing)
    if arguments.command == "version":
        print(_version(arguments.name) or "")
        return 0
    try:
        done = mend_torchaudio()
    except (OSError, RuntimeError) as error:
        raise UserError(f"torchaudio: {error}") from error
    print(done or "", end="\n" if done else "")
    return 0


if __name__ == "__main__":
    run_main(main)
