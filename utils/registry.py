"""Registries: named entries in YAML files of the repository, which a recipe's file of the same name adds to.

A recipe's entry of a name that the repository has changes single fields of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from utils.config import read_yaml
from utils.errors import UserError

REPO = Path(__file__).resolve().parent.parent


class Entry(NamedTuple):
    """One entry.

    Attributes
    ----------
    place : Path
        The file that spoke last, for messages.
    base : Path
        The folder that a relative path in the entry starts from: the one that holds the ``conf`` folder of
        the file that gave the path.
    fields : dict
        The merged fields.
    """

    place: Path
    base: Path
    fields: dict[str, Any]


def folders(recipe: str | Path) -> list[Path]:
    """List the folders whose ``conf`` counts, the later more: the repository's and the recipe's."""
    return list(dict.fromkeys((REPO, Path(recipe).resolve())))


def read(name: str, path_field: str, recipe: str | Path) -> dict[str, Entry]:
    """Read a registry.

    Parameters
    ----------
    name : str
        File name, in the ``conf`` folders.
    path_field : str
        The field that may hold a relative path.
    recipe : str or Path
        The recipe's folder.

    Returns
    -------
    dict of str to Entry

    Raises
    ------
    UserError
        A file is no YAML, or something in it is no entry.
    """
    entries: dict[str, Entry] = {}
    for folder in folders(recipe):
        path = folder / "conf" / name
        for key, fields in (read_yaml(path) if path.is_file() else {}).items():
            if not isinstance(key, str) or not isinstance(fields, dict):
                raise UserError(f"{path}: {key}: expected a name and its fields")
            old = entries.get(key, Entry(path, folder, {}))
            entries[key] = Entry(path, folder if path_field in fields else old.base, old.fields | fields)
    return entries


def look_up(entries: dict[str, Entry], name: str, what: str) -> Entry:
    """Find an entry of a registry that lists, say, ``corpus``; an unknown name is an error that suggests another."""
    if name not in entries:
        raise UserError(f"no {what} '{name}'; {hint(name, entries)}")
    return entries[name]


def hint(word: object, known: Iterable[str]) -> str:
    """Suggest the nearest of the known words, or list them all."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
