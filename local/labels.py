"""What words for emotions mean: ``conf/emotions.yaml`` of the repository and of the recipe.

It has three parts: ``labels`` translates each corpus's own words to harmonised ones; ``variants`` names the choices
that studies make differently (is *excited* happy?); ``sets`` names lists of emotions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from utils import registry
from utils.config import read_yaml
from utils.errors import UserError

_EMOTION = re.compile(r"[a-z]+")
LEFT_OUT = ""


def words(keys: Iterable[str], variants: Iterable[str] = (), recipe: str | Path = ".") -> dict[str, str]:
    """Tell what a corpus's own words for emotions mean.

    Parameters
    ----------
    keys : iterable of str
        Parts of ``labels`` that count, the later more.
    variants : iterable of str
        Choices applied afterwards, by name, in this order.
    recipe : str or Path
        The recipe's folder.

    Returns
    -------
    dict of str to str
        Own word, in lower case, to harmonised emotion; :data:`LEFT_OUT` for a word whose utterances a variant
        leaves out.

    Raises
    ------
    UserError
        A harmonised emotion is not one lower-case word, or there is no such variant.
    """
    found: dict[str, str] = {}
    keys = list(dict.fromkeys(keys))
    for path, labels in _parts("labels", recipe):
        for key in keys:
            for own, emotion in (labels.get(key) or {}).items():
                if not isinstance(own, str) or not isinstance(emotion, str) or not _EMOTION.fullmatch(emotion):
                    raise UserError(
                        f"{path}: labels.{key}: '{own}: {emotion}': expected a word and its emotion, which is one "
                        f"lower-case word; quote words that YAML takes for numbers"
                    )
                found[own.casefold()] = emotion
    for name in variants:
        changes = _variant(name, recipe)
        found = {own: changes.get(emotion, emotion) for own, emotion in found.items()}
    return found


def expand(emotions: Iterable[str], recipe: str | Path = ".") -> list[str]:
    """Put the emotions of a set of ``conf/emotions.yaml`` in place of its name; emotions stay as they are."""
    sets = {name: members for _, part in _parts("sets", recipe) for name, members in part.items()}
    return [emotion for name in emotions for emotion in sets.get(name, [name])]


def _variant(name: str, recipe: str | Path) -> dict[str, str]:
    known = {key: (path, changes) for path, part in _parts("variants", recipe) for key, changes in part.items()}
    if name not in known:
        raise UserError(f"labels: there is no variant '{name}' in conf/emotions.yaml; {registry.hint(name, known)}")
    path, changes = known[name]
    if not isinstance(changes, dict) or not all(
        emotion is None or (isinstance(emotion, str) and _EMOTION.fullmatch(emotion)) for emotion in changes.values()
    ):
        raise UserError(
            f"{path}: variants.{name}: expected harmonised emotions and what each becomes, null to leave out"
        )
    return {emotion: LEFT_OUT if other is None else other for emotion, other in changes.items()}


def _parts(name: str, recipe: str | Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for folder in registry.folders(recipe):
        path = folder / "conf" / "emotions.yaml"
        part = (read_yaml(path) if path.is_file() else {}).get(name) or {}
        if not isinstance(part, dict):
            raise UserError(f"{path}: {name}: expected 'name: value' lines")
        yield path, part
