"""Manifests: the conditions that an experiment asks a stage for, in order, ``exp/<stage>/manifest.jsonl``.

A stage's plan writes it; the stages that score and report read it and the conditions' directories, and nothing else
about what was asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.grid.factors import freeze, known, named, show
from utils import stamp
from utils.atomic import atomic_file
from utils.errors import UserError

NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Entry:
    """One condition that is asked for.

    Attributes
    ----------
    path : Path
        Its directory.
    factors : dict
        Its factors, as in ``meta.json``.
    settings : str
        Digest of all settings that decide its result.
    """

    path: Path
    factors: dict[str, Any]
    settings: str

    def why_unfinished(self) -> str | None:
        """Tell why its directory does not hold what is asked for; None when it does."""
        try:
            made = json.loads((self.path / stamp.NAME).read_text(encoding="utf-8"))
            config, inputs = made["config"], made["inputs"]
        except FileNotFoundError:
            return "is not finished"
        except (ValueError, KeyError, TypeError, RecursionError):
            return f"has a damaged {stamp.NAME}"
        if digest(config) != self.settings:
            return "was made with other settings"
        now = stamp.make({}, [], inputs)["inputs"]
        changed = [name for name, before in inputs.items() if now[name] != before]
        return f"was made from another {changed[0]}" if changed else None


def digest(config: Mapping) -> str:
    """Digest the settings of a stamp."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Write a stage's manifest into its folder; one that says so already is left alone."""
    lines = ({"name": one.path.name, "factors": one.factors, "settings": one.settings} for one in entries)
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    path = folder / NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_file(path) as file:
            file.write(text)


def read(folder: Path) -> list[Entry]:
    """Read a stage's manifest; a stage that has not been run has none, and asks for nothing.

    Raises
    ------
    UserError
        A line is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    entries, default = [], complete(folder.name, {})
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            made = json.loads(line)
            # A folder of the stage's own, not a path to anywhere.
            if not re.fullmatch(r"(?!\.)[^/\0]+", made["name"]) or len(made["name"].encode()) > 255:
                raise ValueError
            entries.append(Entry(folder / made["name"], default | made["factors"], str(made["settings"])))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UserError(f"{path}:{number}: not what {folder.name}'s plan writes; run that stage again") from None
    return entries


def complete(stage: str, factors: Mapping[str, Any]) -> dict[str, Any]:
    """Add the factors that a condition's files lack because they are newer: they are at their default there."""
    default = {factor.name: factor.default for factor in known(stage)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in default.items()} | dict(factors)


def varied(conditions: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the factors, beside encoder, method and the corpora of training and test, in which conditions differ."""
    found: dict[str, set] = {}
    for factors in conditions:
        for name, value in factors.items():
            found.setdefault(name, set()).add(freeze(value))
    plain = ("encoder", "method", "train", "test")
    return [name for name, values in found.items() if len(values) > 1 and name not in plain]


def in_words(stage: str, factors: Mapping[str, Any], differing: Iterable[str]) -> str:
    """Call a condition's method for readers, with those factors in which others differ.

    Examples
    --------
    >>> in_words("finetune", {"encoder": "mini", "method": "lora", "source": ["emodb"]}, ["source"])
    'lora after emodb'
    """
    said = [named(stage, name).says(freeze(factors[name])) for name in differing if name in factors]
    return " ".join([factors["method"], *filter(None, said)])


def system_name(stage: str, factors: Mapping[str, Any], differing: Iterable[str]) -> str:
    """Name a system for tables: encoder, method, and those of the factors in which others differ.

    Parameters
    ----------
    stage : str
        Whose condition it is.
    factors : mapping
        Its factors.
    differing : iterable of str
        From :func:`varied`.

    Examples
    --------
    >>> system_name("probe", {"encoder": "mini", "method": "linear", "normalise": "none"}, ["normalise"])
    'mini.linear.normalise=none'
    >>> system_name("finetune", {"encoder": "mini", "method": "lora", "clip": 1.0, "keep": "ua"}, ["clip", "keep"])
    'mini.lora.keep=ua'
    """
    parts = [factors["encoder"], factors["method"]]
    for name in differing:
        value = freeze(factors.get(name))
        if value is not None and value != named(stage, name).default:
            parts.append(f"{name}={show(value)}")
    return ".".join(filter(None, parts))
