"""Stamps of finished work: ``.done`` files that say what a result was made from.

A stage asks :func:`why_stale` before it does anything; the answer is None when the result on disk
was made from the same configuration, the same code and the same inputs, and otherwise a reason to
print. The stamp is written last, so work that was interrupted has none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from utils.atomic import atomic_file

NAME = ".done"


def make(config: Mapping, code: Iterable[str | Path], inputs: Iterable[str | Path]) -> dict:
    """Describe what a result is made from.

    Parameters
    ----------
    config : mapping
        JSON-serialisable settings, flat or nested, that change the result.
    code : iterable of paths
        Python files, or directories whose Python files all count.
    inputs : iterable of paths
        Files the result is made from; a missing one counts as such. An input's fingerprint is the hash
        of its content up to 1 MiB, and of size and modification time above that.

    Returns
    -------
    dict
        To be given to :func:`why_stale` and :func:`write`.
    """
    return {
        "config": _flatten(json.loads(json.dumps(config))),
        "code": _code_hash(code),
        "inputs": {str(path): _fingerprint(Path(path)) for path in inputs},
    }


def why_stale(directory: str | Path, stamp: Mapping) -> str | None:
    """Tell why the result in a directory does not match a stamp.

    Parameters
    ----------
    directory : str or Path
        Where the result and its ``.done`` are.
    stamp : mapping
        From :func:`make`.

    Returns
    -------
    str or None
        None when the result is still valid; otherwise what changed, in words.
    """
    path = Path(directory) / NAME
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        old_config, old_inputs, old_code = dict(old["config"]), dict(old["inputs"]), old["code"]
    except FileNotFoundError:
        return "not made yet"
    except (ValueError, KeyError, TypeError):
        return f"{path} is damaged"
    for key in sorted({*old_config, *stamp["config"]}):
        before, after = old_config.get(key, "unset"), stamp["config"].get(key, "unset")
        if before != after:
            return f"{key} changed from {_short(before)} to {_short(after)}"
    for name in sorted({*old_inputs, *stamp["inputs"]}):
        if old_inputs.get(name) != stamp["inputs"].get(name):
            return f"input {name} changed"
    return None if old_code == stamp["code"] else "the code changed"


def write(directory: str | Path, stamp: Mapping) -> None:
    """Mark the result in a directory as whole."""
    with atomic_file(Path(directory) / NAME) as file:
        json.dump(stamp, file, indent=1, sort_keys=True)
        file.write("\n")


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


def _code_hash(code: Iterable[str | Path]) -> str:
    digest = hashlib.sha256()
    for entry in map(Path, code):
        for path in sorted(entry.rglob("*.py")) if entry.is_dir() else [entry]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _fingerprint(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    if status.st_size <= 1 << 20:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{status.st_size}:{status.st_mtime_ns}"
