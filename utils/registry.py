"""Registries: named entries in YAML files of the repository, which a recipe's file of the same name adds to.

A recipe's entry of a name that the repository has changes single fields of it.
"""

from __future__ import annotations

import difflib
import functools
import typing
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, TypeVar

from utils.config import read_yaml
from utils.config_fields import types_of
from utils.errors import UserError

T = TypeVar("T")
REPO = Path(__file__).resolve().parent.parent


class Entry(NamedTuple):
    """One entry."""

    place: Path  # the file that spoke last, for messages
    # What a relative path in the entry starts from: what holds the conf folder of the file that gave the path.
    base: Path
    fields: dict[str, Any]  # merged


def folders(recipe: str | Path) -> list[Path]:
    """List the folders whose ``conf`` counts, the later more: the repository's and the recipe's."""
    return list(dict.fromkeys((REPO, Path(recipe).resolve())))


def read(name: str, path_field: str, recipe: str | Path) -> dict[str, Entry]:
    """Read a registry: a file of this name in the ``conf`` folders, in which ``path_field`` may be a relative path.

    Raises
    ------
    UserError
        A file is no YAML, or something in it is no entry.
    """
    entries: dict[str, Entry] = {}
    for folder in folders(recipe):
        path = folder / "conf" / name
        state = path.stat() if path.is_file() else None
        for key, fields in (_parsed(path, state.st_mtime_ns, state.st_size) if state else {}).items():
            if not isinstance(key, str) or not isinstance(fields, dict):
                raise UserError(f"{path}: {key}: expected a name and its fields")
            old = entries.get(key, Entry(path, folder, {}))
            entries[key] = Entry(path, folder if path_field in fields else old.base, old.fields | fields)
    return entries


@functools.lru_cache(maxsize=64)
def _parsed(path: Path, modified: int, size: int) -> dict[str, Any]:
    return read_yaml(path)


def look_up(entries: dict[str, Entry], name: str, what: str) -> Entry:
    """Find an entry of a registry that lists, say, ``corpus``; an unknown name is an error that suggests another."""
    if name not in entries:
        raise UserError(f"no {what} '{name}'; {hint(name, entries)}")
    return entries[name]


def fill(kind: type[T], entry: dict[str, Any], place: str, **known: Any) -> T:
    """Make a dataclass of an entry.

    Parameters
    ----------
    kind : dataclass type
        Its fields are of plain types, lists and dicts, whose items are not looked at; or such a type or None.
    entry : dict
        What the file says; fields that it leaves out keep their defaults.
    place : str
        Where it says so, for messages.
    **known
        Fields that no entry may give.

    Raises
    ------
    UserError
        The entry is no mapping, a key is unknown (the nearest is suggested), or a value has another type.
    """
    types = {name: one for name, one in types_of(kind).items() if name not in known}
    if not isinstance(entry, dict):
        raise UserError(f"{place}: expected {', '.join(types)}")
    for key, value in entry.items():
        if key not in types:
            raise UserError(f"{place}: unknown key '{key}'; {hint(key, types)}")
        wanted = typing.get_args(types[key])[0] if isinstance(types[key], UnionType) else types[key]
        wanted = typing.get_origin(wanted) or wanted
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise UserError(f"{place}: {key} is {value!r}, expected a {wanted.__name__}; quote it?")
    return kind(**entry, **known)


def hint(word: object, known: Iterable[str]) -> str:
    """Suggest the nearest of the known words, or list them all."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
