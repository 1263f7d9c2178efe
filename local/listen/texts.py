"""What the page says, in every language: conf/listen/<language>.yaml of the repository, and of the recipe over it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from utils.config import read_yaml
from utils.errors import UserError
from utils.registry import folders


def read(languages: Sequence[str], emotions: Sequence[str], recipe: str = ".") -> dict[str, dict[str, Any]]:
    """Read the words of each language.

    Raises
    ------
    UserError
        A language has no file, lacks something that English has, or lacks an emotion's name.
    """
    model = _merged("en", recipe)
    found = {}
    for language in languages:
        texts = _merged(language, recipe)
        for name in _names(model):
            if name not in _names(texts):
                raise UserError(f"conf/listen/{language}.yaml: lacks {name}, which en.yaml has; translate it")
        for emotion in emotions:
            if emotion not in texts["emotions"]:
                raise UserError(f"conf/listen/{language}.yaml: emotions: lacks {emotion}; add what it is called")
        found[language] = texts
    return found


def consent_version(texts: dict[str, Any], language: str) -> str:
    """Name the exact text that was agreed to: its version, its language and a digest of its words.

    Examples
    --------
    >>> consent_version({"consent": {"version": 1, "text": ["Yes."]}}, "en")
    '1.en.5da2a85a'
    """
    words = json.dumps(texts["consent"], sort_keys=True, ensure_ascii=False)
    return f"{texts['consent']['version']}.{language}.{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _merged(language: str, recipe: str) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    for folder in folders(recipe):
        path = folder / "conf" / "listen" / f"{language}.yaml"
        for name, value in (read_yaml(path) if path.is_file() else {}).items():
            both = isinstance(value, dict) and isinstance(texts.get(name), dict)
            texts[name] = texts[name] | value if both else value
    if not texts:
        raise UserError(f"listen.languages: there is no conf/listen/{language}.yaml; translate conf/listen/en.yaml")
    return texts


def _names(texts: dict[str, Any]) -> list[str]:
    """List what texts have, sections' own dotted."""
    inner = [f"{name}.{own}" for name, value in texts.items() if isinstance(value, dict) for own in value]
    return [name for name in [*texts, *inner] if not name.startswith("emotions.")]
