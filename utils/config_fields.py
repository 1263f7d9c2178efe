"""Fields of configuration dataclasses: the words that each may hold, and what is said of it in the source.

A field's meaning is the comment beside or above it, its words are given by :func:`one_of` or :func:`some_of`::

    @dataclass
    class Split:
        '''How a corpus is cut into folds.'''

        scheme: str = one_of("speaker", "random")  # what stays together in one part
        folds: int = 5  # partitions of each corpus
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import io
import textwrap
import tokenize
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple


def one_of(*words: str) -> Any:
    """Make a field that holds one of these words, the first by default."""
    return dataclasses.field(default=words[0], metadata={"words": words})


def some_of(default: list[str], *others: str) -> Any:
    """Make a field that holds a list of words: those of its default, and others."""
    return dataclasses.field(default_factory=lambda: list(default), metadata={"words": (*default, *others)})


class Described(NamedTuple):
    """One field of a configuration, or the head of a section."""

    name: str  # dotted; what follows [] belongs to every item of a list of sections
    comment: str
    words: tuple[str, ...] = ()  # that it may hold; empty if it is free
    default: Any = dataclasses.MISSING  # if it has to be given
    section: bool = False


def describe(schema: type, prefix: str = "") -> Iterator[Described]:
    """List all fields of a nested configuration dataclass: a section's own, then the sections in it, after their heads.

    Otherwise the order is that of the source; ``prefix`` is put before names.
    """
    comments, sections = _comments(schema), []
    for field, kind, item in fields_of(schema):
        name = prefix + field.name
        if item:
            sections.append((item, name if item is kind else f"{name}[]"))
        if item is not kind:
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            yield Described(name, comments.get(field.name, ""), field.metadata.get("words", ()), default)
    for item, name in sections:
        yield Described(name, inspect.getdoc(item) or "", section=True)
        yield from describe(item, f"{name}.")


@functools.cache
def types_of(schema: type) -> dict[str, Any]:
    """Give the types of a class's fields, which Python compiles anew from their words each time that it is asked."""
    return typing.get_type_hints(schema)


def fields_of(schema: type) -> Iterator[tuple[dataclasses.Field, Any, Any]]:
    """Yield a dataclass's fields with their types, and the dataclass that one is or lists (None for other fields)."""
    for field in dataclasses.fields(schema):
        kind = types_of(schema)[field.name]
        yield field, kind, next(filter(dataclasses.is_dataclass, (kind, *typing.get_args(kind))), None)


def check_words(schema: type, content: Any, prefix: str = "") -> None:
    """Refuse words that a field does not know, in what was read: a dictionary of fields, sections as dictionaries.

    Raises
    ------
    ValueError
        Names the field, after ``prefix``, the word and those that the field knows.
    """
    for field, kind, item in fields_of(schema):
        value, known = content[field.name], field.metadata.get("words", ())
        for word in (value if isinstance(value, list) else [value]) if known else ():
            if word is not None and word not in known:
                raise ValueError(f"{prefix}{field.name}: '{word}' is not one of {', '.join(known)}")
        if item is kind:
            check_words(item, value, f"{prefix}{field.name}.")
        elif item:
            for place, one in enumerate(value or ()):
                check_words(item, one, f"{prefix}{field.name}[{place}].")


def _comments(schema: type) -> dict[str, str]:
    """Read from a class's source what stands beside and, on lines of their own, above its fields."""
    source = textwrap.dedent(inspect.getsource(schema))
    beside, above = {}, {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("# fmt:"):
            (beside if token.line[: token.start[1]].strip() else above)[token.start[0]] = token.string.lstrip("# ")
    found = {}
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            first = node.lineno
            while first - 1 in above:
                first -= 1
            words = [above[line] for line in range(first, node.lineno)]
            words += [beside[line] for line in range(node.lineno, node.end_lineno + 1) if line in beside]
            found[node.target.id] = " ".join(words)
    return found
