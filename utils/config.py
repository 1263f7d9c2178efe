"""YAML configuration in typed dataclasses, any field of which can be set on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from utils.errors import UserError

T = TypeVar("T")


def load(schema: type[T], path: str | Path, overrides: Sequence[str] = ()) -> T:
    """Read a YAML file into a dataclass, checking every key and type.

    Parameters
    ----------
    schema : dataclass type
        Nested dataclasses, lists, dicts and Optional fields of plain types; its ``__post_init__``
        may raise ValueError for values that make no sense.
    path : str or Path
        The YAML file; keys left out keep the dataclass's defaults.
    overrides : sequence of str
        ``key.path=value``, the value written as in YAML, applied in order after the file.

    Returns
    -------
    schema instance

    Raises
    ------
    UserError
        Missing or malformed file, unknown key (the nearest known one is suggested), wrong type.
    """
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such configuration file")
    origin = str(path)
    try:
        config = OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.load(path))
        for override in overrides:
            origin = f"--set {override}"
            if "=" not in override:
                raise UserError(f"{origin}: expected key.path=value")
            key, _, value = override.partition("=")
            if key != key.strip() or not key:
                raise UserError(f"{origin}: expected key.path=value without spaces around '='")
            OmegaConf.update(config, key, yaml.safe_load(value), merge=False)
        origin = str(path)
        return OmegaConf.to_object(config)
    except yaml.YAMLError as error:
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from error
    except OmegaConfBaseException as error:
        raise UserError(_explain(error, origin, schema)) from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{origin}: {error}") from error


def _explain(error: Exception, origin: str, schema: type) -> str:
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    key = getattr(error, "full_key", None) or ""
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        known = field_names(schema)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        near = near or [name for name in known if name.split(".")[-1] == key.split(".")[-1]][:1]
        hint = f"; did you mean '{near[0]}'?" if near else f"; known keys: {', '.join(known)}"
        return f"{origin}: unknown key '{key}'{hint}"
    return f"{origin}: {key}: {str(error).splitlines()[0]}"


def field_names(schema: type, prefix: str = "") -> list[str]:
    """List the dotted names of all fields of a nested dataclass type.

    Parameters
    ----------
    schema : dataclass type
    prefix : str
        Put before every name.

    Returns
    -------
    list of str
    """
    import dataclasses
    import typing

    names = []
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        kind = hints[field.name]
        names.append(prefix + field.name)
        if dataclasses.is_dataclass(kind):
            names += field_names(kind, f"{prefix}{field.name}.")
    return names


def to_yaml(config: object) -> str:
    """Write a configuration dataclass, complete and resolved, as YAML text."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.structured(config))
