"""Stamps of finished work: ``.done`` files that say what a result was made from.

A stage asks :func:`why_stale` before it does anything; the answer is None when the result on disk
was made from the same configuration, the same code and the same inputs, and otherwise a reason to
print. The stamp is written last, so work that was interrupted has none.

Code is what the modules that compute a result import, all of it (utils/closure.py): words may change without a run, a
constant may not.

A stamp may also hold the size and the checksum of what was made. Sizes are compared whenever somebody asks; checksums,
which takes reading everything, by :func:`damage` (``run.sh --verify``).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from utils import closure
from utils.atomic import atomic_file

NAME = ".done"
# Up to this size in bytes, the content of an input counts; above, its size and time.
_SMALL = 1 << 20
# A file may change again within one tick of its clock, which is 2 s on the coarsest file systems.
_TICK_NS = 2_000_000_000
# Settings by their dotted names, and the values at which stamps do not mention them: what was made before there was
# such a setting stays valid.
UNMENTIONED: dict[str, object] = {}
# Fingerprints by device, inode, size and modification time: conditions share most of their inputs.
_fingerprints: dict[tuple[int, ...], str] = {}


def make(config: Mapping, code: Iterable[str], inputs: Iterable[str | Path]) -> dict:
    """Describe what a result is made from, for :func:`why_stale` and :func:`write`.

    Parameters
    ----------
    config : mapping
        JSON-serialisable settings, flat or nested, that change the result.
    code : iterable of str
        Modules that compute the result, such as ``local.probe.train``. What they import counts too, except what is
        imported by a name made up at run time: such modules are to be named here.
    inputs : iterable of paths
        Files the result is made from; a missing one counts as such. An input's fingerprint is the hash
        of its content up to 1 MiB, and of size and modification time above that.

    Raises
    ------
    UserError
        A module is missing or is not Python.
    """
    return {
        "config": {
            name: value
            for name, value in _flatten(json.loads(json.dumps(config))).items()
            if name not in UNMENTIONED or value != UNMENTIONED[name]
        },
        "code": closure.digests(code),
        "inputs": {str(path): _fingerprint(path) for path in inputs},
    }


def why_stale(directory: str | Path, stamp: Mapping) -> str | None:
    """Tell what changed since the result in a directory was made, which holds its ``.done``; None if it is still valid.

    ``stamp`` is from :func:`make`.
    """
    path = Path(directory) / NAME
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        old_config, old_code, old_inputs = (dict(old[key]) for key in ("config", "code", "inputs"))
        made = {name: str(noted) for name, noted in dict(old.pop("files", {})).items()}
    except FileNotFoundError:
        return "not made yet"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{path} is damaged, or of an earlier version"
    if old == stamp:
        return next(_changed(path.parent, made), None)
    for key in sorted({*old_config, *stamp["config"]}):
        before, after = old_config.get(key, "unset"), stamp["config"].get(key, "unset")
        if before != after:
            return f"{key} changed from {_short(before)} to {_short(after)}"
    for name in sorted({*old_inputs, *stamp["inputs"]}):
        if old_inputs.get(name) != stamp["inputs"].get(name):
            return f"input {name} changed"
    changed = {*old_code.items()} ^ {*stamp["code"].items()}
    # A file that is on both sides tells more than one that came or went because of it.
    names = sorted((not (name in old_code and name in stamp["code"]), name) for name, _ in changed)
    return f"the code changed ({names[0][1]})" if names else None


def write(directory: str | Path, stamp: Mapping, keep: bool = False) -> None:
    """Mark the result in a directory as whole; with ``keep``, its files (not folders) are to stay as they are now."""
    directory = Path(directory)
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name[0] != ".") if keep else []
    made = {"files": {path.name: f"{path.stat().st_size}:{_sha256(path)}" for path in files}} if keep else {}
    with atomic_file(directory / NAME) as file:
        json.dump({**stamp, **made}, file, indent=1, sort_keys=True)
        file.write("\n")


def damage(directory: str | Path) -> Iterator[str]:
    """Compare the files of a finished result with the checksums of its stamp; say what is not as it was made."""
    path = Path(directory) / NAME
    try:
        noted = dict(json.loads(path.read_text(encoding="utf-8")).get("files", {}))
        made = {name: str(one) for name, one in noted.items()}
        yield from _changed(path.parent, made, _sha256)
    except (ValueError, TypeError, AttributeError, RecursionError):
        yield f"{path} is damaged"


def _changed(directory: Path, made: Mapping[str, str], digest: Callable[[Path], str] | None = None) -> Iterator[str]:
    """Say which files do not have the size, and the checksum where ``digest`` gives one, that a stamp notes."""
    for name, noted in made.items():
        path, (size, _, checksum) = directory / name, noted.partition(":")
        try:
            found = path.stat().st_size
        except OSError:
            yield f"{path} is missing"
            continue
        if str(found) != size:
            yield f"{path} has {found} bytes, not the {size} that were written"
        elif digest and digest(path) != checksum:
            yield f"{path} does not have the checksum of what was written"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _flatten(config: Mapping, prefix: str = "") -> dict:
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _fingerprint(path: str | Path) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "missing"
    if status.st_size > _SMALL:
        return f"{status.st_size}:{status.st_mtime_ns}"
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if key not in _fingerprints:
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        if time.time_ns() - status.st_mtime_ns < _TICK_NS:
            return found
        _fingerprints[key] = found
    return _fingerprints[key]
