"""What code a result is computed by: the modules that a module imports, and a digest of each.

    closure.digests(["local.probe.train"])  # {"local/probe/heads.py": "0f3a52c9d1e4", ...}

Everything counts that is imported from the repository's own packages, wherever in a file the statement stands, and
so does the ``__init__.py`` of every package on the way; imports for type checkers alone do not. What is imported by
a name that is made up at run time has to be named by the caller.

A digest is of the syntax tree without what cannot change a result: comments, formatting, docstrings, the words of a
``UserError`` (utils/errors.py) and those that ``print`` shows on the console. Modules that no result depends on are
listed in ``NEUTRAL`` of their top package's ``__init__.py``.

A file is read once in a process, so that a stamp is of the code that runs, even when it is edited meanwhile.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from utils.atomic import atomic_file
from utils.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
_CACHE = Path(__file__).with_name("__pycache__") / "closure.json"
_VERSION = Path(__file__).stat().st_mtime_ns  # what another version of this module has read does not count
# Fields of syntax trees that repeat what the rest of them says.
_MUTE = ("ctx", "kind", "type_comment", "type_ignores")
_files: dict[Path, _File] = {}
_fresh: list[Path] = []  # read by this process, and not kept yet


class _Import(NamedTuple):
    """An import statement's module, what is taken out of it, which may be a module too, and the line."""

    module: str
    member: str
    line: int


class _File(NamedTuple):
    digest: str
    imports: list[_Import]
    neutral: tuple[str, ...]


def digests(modules: Iterable[str], root: Path | None = None) -> dict[str, str]:
    """Find everything that modules, such as ``local.probe.train``, import, and digest every file of it.

    ``root`` is the folder that holds the packages (folders with an ``__init__.py``); by default the repository.

    Returns
    -------
    dict of str to str
        Path from the root to digest, sorted; the same object for the same question.

    Raises
    ------
    UserError
        A module is missing, cannot be read or is not Python.
    """
    return _closure(tuple(modules), root or ROOT)


@functools.cache
def _closure(modules: tuple[str, ...], root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    left = [(name, f"closure of {name}") for name in modules]
    while left:
        name, wanted_by = left.pop()
        top = name.partition(".")[0]
        if name in seen or name in _neutral(top, root):
            continue
        seen.add(name)
        path = _find(name, root)
        if path is None:
            raise UserError(f"{wanted_by}: there is no module {name} in {root}; correct the name")
        file = _file(path, name)
        found[path.relative_to(root).as_posix()] = file.digest
        if "." in name:
            left.append((name.rpartition(".")[0], wanted_by))  # which runs when a module in it is imported
        for module, member, line in file.imports:
            if _find(module.partition(".")[0], root):
                inner = f"{module}.{member}"
                left.append((inner if member and _find(inner, root) else module, f"{path}, line {line}"))
    return dict(sorted(found.items()))


@functools.cache
def _find(name: str, root: Path) -> Path | None:
    """Find a module's file; at the top there are packages only."""
    stem = root.joinpath(*name.split("."))
    candidates = [stem / "__init__.py", *([stem.with_name(f"{stem.name}.py")] if "." in name else [])]
    return next((path for path in candidates if path.is_file()), None)


def _neutral(package: str, root: Path) -> tuple[str, ...]:
    path = _find(package, root)
    return _file(path, package).neutral if path else ()


def _file(path: Path, name: str) -> _File:
    if path not in _files:
        status = path.stat()
        mark = [_VERSION, name, status.st_mtime_ns, status.st_size]
        found = _kept().get(str(path))
        if found and found[0] == mark:
            _, digest, imports, neutral = found
            _files[path] = _File(digest, [_Import(*one) for one in imports], tuple(neutral))
        else:
            _files[path] = _read(path, name)
            # A file may change again within one tick of its clock, which is 2 s on the coarsest file systems.
            if time.time_ns() - status.st_mtime_ns > 2_000_000_000:
                _kept()[str(path)] = [mark, *_files[path]]
                _fresh.append(path)
    return _files[path]


@functools.cache
def _kept() -> dict[str, list]:
    """What earlier processes have read, kept where Python keeps what it has compiled; written at this one's end."""
    try:
        kept = json.loads(_CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    atexit.register(_keep, kept)
    return kept


def _keep(kept: dict[str, list]) -> None:
    if _fresh:
        with contextlib.suppress(OSError), atomic_file(_CACHE) as file:
            json.dump({path: found for path, found in kept.items() if Path(path).exists()}, file)


def _read(path: Path, name: str) -> _File:
    """Read a module, whose name is what its relative imports start from."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: not Python ({error.msg}); correct it") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Python ({error}); restore it") from error
    bare = _Bare(name if path.name == "__init__.py" else name.rpartition(".")[0])
    tree = bare.visit(tree)
    parts: list[str] = []
    _write(tree, parts)
    neutral = [
        ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign) and _name(statement.targets[0]) == "NEUTRAL"
    ]
    return _File(
        hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12],
        bare.imports,
        neutral[0] if neutral else (),
    )


class _Bare(ast.NodeTransformer):
    """Takes out of a module's tree what cannot change a result, and notes what is imported in the rest."""

    def __init__(self, package: str):
        self._package = package
        self.imports: list[_Import] = []

    def visit_Import(self, node: ast.Import) -> ast.AST:
        """Note modules."""
        self.imports += (_Import(alias.name, "", node.lineno) for alias in node.names)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """Note a module and what is taken out of it; one dot is the package, two are the one around it."""
        around = self._package.split(".") if node.level else []
        module = ".".join([*around[: len(around) + 1 - node.level], *([node.module] if node.module else [])])
        self.imports += (_Import(module, alias.name, node.lineno) for alias in node.names)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings, and whatever else is a value that nothing is done with; empty the words of ``print``."""
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call) and _name(node.value.func) == "print":
            targets = [_name(keyword.value) for keyword in node.value.keywords if keyword.arg == "file"]
            if targets in ([], ["stderr"]):
                node.value.args = [_Wordless().visit(value) for value in node.value.args]
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Drop what is for type checkers alone."""
        checking = _name(node.test) == "TYPE_CHECKING"
        if checking:
            node.body = []
        node = self.generic_visit(node)
        return node.orelse if checking else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Empty what an error says."""
        if _name(node.func) == "UserError":
            node.args = []
        return self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Takes the strings out of what is printed."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        node.values = [self.visit(value) for value in node.values if isinstance(value, ast.FormattedValue)]
        return node


def _name(node: ast.AST) -> str | None:
    """What a name, or the last part of a dotted one, is."""
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _write(value: Any, parts: list[str]) -> None:
    """Write a tree down. ``ast.dump`` writes one tree differently in different Pythons, which add empty fields."""
    if isinstance(value, list):
        parts.append("[")
        for item in value:
            _write(item, parts)
        parts.append("]")
    elif isinstance(value, ast.AST):
        parts.append(f"{type(value).__name__}(")
        for field in value._fields:
            content = getattr(value, field, None)
            if field not in _MUTE and content is not None and content != []:
                parts.append(f"{field}=")
                _write(content, parts)
        parts.append(")")
    else:
        parts.append(f"{value!r},")
