"""YAML configuration in typed dataclasses, any field of which can be set on the command line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from utils.config_fields import check_words, describe, types_of
from utils.errors import UserError

T = TypeVar("T")
_VALUES = 100_000  # that a file may hold


def load(schema: type[T], path: str | Path, overrides: Sequence[str] = ()) -> T:
    """Read a YAML file into a dataclass, checking every key and type.

    Parameters
    ----------
    schema : dataclass type
        Nested dataclasses, lists, dicts and Optional fields of plain types; its ``__post_init__``
        may raise ValueError for values that make no sense. :mod:`utils.config_fields` says how fields name
        the words that they know.
    path : str or Path
        The YAML file; keys left out keep the dataclass's defaults.
    overrides : sequence of str
        ``key.path=value``, the value written as in YAML, applied in order after the file.

    Raises
    ------
    UserError
        Missing or malformed file, unknown key (the nearest known one is suggested), wrong type.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    content = read_yaml(path)
    origin = str(path)
    _check_shape(schema, content, "", origin)
    try:
        config = OmegaConf.merge(_defaults(schema), content)
        for override in overrides:
            origin = f"--set {override}"
            key, equals, value = override.partition("=")
            if not equals or not key or key != key.strip():
                raise UserError(f"{origin}: expected key.path=value without spaces around '='")
            content = parse_yaml(value, origin)
            if dataclasses.is_dataclass(_kind_of(schema, key)):
                raise UserError(f"{origin}: {key} is a section; set its fields, as in {key}.field=value")
            _check_shape(_kind_of(schema, key), content, key, origin)
            if any(map(dataclasses.is_dataclass, typing.get_args(_kind_of(schema, key)))):
                # A list of sections: update would leave them mappings.
                config = OmegaConf.merge(config, _nested(key, content))
            else:
                OmegaConf.update(config, key, content, merge=False)
        origin = f"{path} with --set {' --set '.join(overrides)}" if overrides else str(path)
        check_words(schema, OmegaConf.to_container(config, resolve=True))
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise UserError(_explain(error, origin, schema)) from error
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise UserError(f"{origin}: {error}") from error


@functools.cache
def _defaults(schema: type) -> Any:
    """What OmegaConf makes of a schema, which takes it longer than all else; merging copies it."""
    from omegaconf import OmegaConf

    return OmegaConf.structured(schema)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty one is an empty mapping.

    As in YAML 1.2, only ``true`` and ``false`` are booleans (``no`` is Norwegian) and ``1e-4`` is a number.

    Raises
    ------
    UserError
        The file is missing, is no YAML, holds a key twice or is no mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path}: no such configuration file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not valid YAML: not UTF-8 ({error.reason})") from error
    content = parse_yaml(text, str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, got {content!r}")
    return content


def parse_yaml(text: str, origin: str) -> Any:
    """Read YAML text as :func:`read_yaml` does; ``origin`` says in errors where it stands."""
    import yaml

    try:
        content = yaml.load(text, _loader())
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).replace('in "<unicode string>", ', "").split())
        raise UserError(f"{origin}: not valid YAML: {reason}") from error
    # Aliases of aliases double with every line, and may hold themselves.
    left, values = _VALUES, [content]
    while values and left:
        value, left = values.pop(), left - 1
        values += [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    if not left:
        raise UserError(f"{origin}: holds more than {_VALUES} values, with what its aliases repeat; write them out")
    return content


def _explain(error: Exception, origin: str, schema: type) -> str:
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    key = getattr(error, "full_key", None) or ""
    message = str(error).splitlines()[0]
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        known = [one.name for one in describe(schema)]
        near = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
        near = near or difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known keys: {', '.join(known)}"
        return f"{origin}: unknown key '{key}'{hint}"
    if "is not Optional" in message:
        return f"{origin}: {key}: needs a value"
    return f"{origin}: {key}: {message}" if key else f"{origin}: {message}"


def _check_shape(kind: Any, value: Any, key: str, origin: str) -> None:
    """Refuse what is no list or no section where one belongs, which OmegaConf does without naming the key."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise UserError(f"{origin}: {key} is a section: expected 'field: value' lines below it")
        types = types_of(kind)
        for name in value.keys() & types.keys():
            _check_shape(types[name], value[name], f"{key}.{name}".lstrip("."), origin)
    elif typing.get_origin(kind) is list:
        if not isinstance(value, list):
            raise UserError(f"{origin}: {key}: expected a list, as in [a, b]")
        (item,) = typing.get_args(kind)
        for place, one in enumerate(value):
            _check_shape(item, one, f"{key}[{place}]", origin)


def _nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def _kind_of(schema: type, key: str) -> Any:
    kind: Any = schema
    for name in key.split("."):
        kind = types_of(kind).get(name) if dataclasses.is_dataclass(kind) else None
    return kind


def _loader() -> type:
    import yaml

    # Ten times as fast where PyYAML was built with libyaml, as its wheels are; it understands the same.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """YAML 1.2's booleans and numbers, and no key twice."""

        yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float"))]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            # Before what "<<" brings in is added, which the mapping's own keys may override.
            own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            keys = [self.construct_object(key, deep=True) for key in own]
            for index, key in enumerate(keys):
                if key in keys[:index]:
                    raise yaml.constructor.ConstructorError(None, None, f"key '{key}' twice", own[index].start_mark)
            self.flatten_mapping(node)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), "tTfF")
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?$|[-+]?[0-9]+[eE][-+]?[0-9]+$"
                   r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"),
        "-+.0123456789",
    )  # fmt: skip
    return Loader
