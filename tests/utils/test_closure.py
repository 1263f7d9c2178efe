"""Which modules a result is computed by, and what of their text counts."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from utils import closure
from utils.errors import UserError

MODULE = '''
"""What it does."""
import math  # not ours

LIMIT = 3


class Thing:
    """A thing."""

    size: int = 1


def area(radius: float) -> float:
    """Give it."""
    if radius > LIMIT:
        raise UserError(f"radius {radius}: too large; give a smaller one")
    print(f"the area of {radius}")
    return math.pi * radius**2
'''


@pytest.fixture
def tree(tmp_path):
    """Packages ``one`` and ``two``; writes modules by name and tells their closure, read afresh."""

    class Tree:
        def write(self, modules: dict[str, str]) -> None:
            for name, text in modules.items():
                path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
                for folder in path.parents:
                    if folder == tmp_path:
                        break
                    folder.mkdir(exist_ok=True, parents=True)
                    (folder / "__init__.py").touch()
                path.write_text(textwrap.dedent(text))

        def digests(self, *names: str) -> dict[str, str]:
            closure._files.clear()
            closure._closure.cache_clear()
            closure._find.cache_clear()
            return closure.digests(names, tmp_path)

        def files(self, *names: str) -> set[str]:
            return {name for name in self.digests(*names) if not name.endswith("__init__.py")}

    made = Tree()
    made.write({"one.a": "A = 1\n", "one.b": "B = 1\n", "one.sub.c": "C = 1\n", "two.d": "D = 1\n"})
    return made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import one.a", {"one/a.py"}),
        ("import one.a as x, two.d", {"one/a.py", "two/d.py"}),
        ("from one import a, b", {"one/a.py", "one/b.py"}),
        ("from one.a import A", {"one/a.py"}),
        ("from one.sub import c", {"one/sub/c.py"}),
        ("from one.sub.c import *", {"one/sub/c.py"}),
        ("from . import a", {"one/a.py"}),
        ("from .a import A\nfrom .sub.c import C", {"one/a.py", "one/sub/c.py"}),
        ("def f():\n    if 1:\n        from two import d", {"two/d.py"}),
        ("try:\n    from two.d import D\nexcept ImportError:\n    pass", {"two/d.py"}),
        ("class K:\n    import one.b", {"one/b.py"}),
        ("if TYPE_CHECKING:\n    import one.a\nelse:\n    import one.b", {"one/b.py"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import one.a", set()),
        ("'import one.a'  # import one.a", set()),
        ("import os, numpy.linalg\nfrom oneness import a", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(tree, text, found):
    tree.write({"one.start": text})
    assert tree.files("one.start") == found | {"one/start.py"}


def test_relative_imports_climb(tree):
    tree.write({"one.sub.start": "from .. import a\nfrom ..b import B\nfrom . import c\n"})
    assert tree.files("one.sub.start") == {"one/a.py", "one/b.py", "one/sub/c.py", "one/sub/start.py"}


def test_packages_on_the_way_run_and_bring_what_they_import(tree):
    tree.write({"one.sub.__init__": "from one.a import A\n", "two.start": "from one.sub import c\n"})
    assert set(tree.digests("two.start")) == {
        "two/__init__.py", "two/start.py", "one/__init__.py", "one/a.py", "one/sub/__init__.py", "one/sub/c.py",
    }  # fmt: skip
    # In an __init__, one dot is the package itself.
    tree.write({"one.sub.__init__": "from .c import C\nfrom ..b import B\n"})
    assert tree.files("one.sub") == {"one/sub/c.py", "one/b.py"}


def test_circles_end(tree):
    tree.write({"one.a": "from two import d\n", "two.d": "from one import a\nimport two.d\n"})
    assert tree.files("one.a") == tree.files("two.d") == {"one/a.py", "two/d.py"}


def test_neutral_modules_and_what_only_they_import_do_not_count(tree):
    tree.write({"one.__init__": 'NEUTRAL = ("one", "one.a")\n', "one.a": "import one.b\n"})
    tree.write({"two.d": "import one.a, one.sub.c\n"})
    before = tree.digests("two.d")
    assert set(before) == {"two/__init__.py", "two/d.py", "one/sub/__init__.py", "one/sub/c.py"}
    tree.write({"one.a": "A = 2\n", "one.__init__": 'NEUTRAL = ("one", "one.a", "one.b")\n'})
    assert tree.digests("two.d") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it does."""', "'''What it\ndoes not.'''"),
        ('    """A thing."""', ""),
        ('"""Give it."""', '"""Give the area. # 3"""'),
        ("  # not ours", "  # ours"),
        ("LIMIT = 3\n", "# a limit\nLIMIT = (\n    3\n)\n\n\n"),
        ("too large; give a smaller one", "more than {LIMIT}"),
        ("the area of {radius}", "of {radius} the area"),
        ("import math", "if TYPE_CHECKING:\n    import numpy\nimport math"),
    ],
)
def test_words_do_not_count(tree, old, new):
    tree.write({"one.a": MODULE})
    before = tree.digests("one.a")
    tree.write({"one.a": MODULE.replace(old, new)})
    assert old in MODULE and tree.digests("one.a") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("LIMIT = 3", "LIMIT = '3'"),
        ("> LIMIT", ">= LIMIT"),
        ("size: int = 1", "size: int = True"),
        ("size: int", "size: float"),
        ("math.pi", "math.e"),
        ("radius**2", "radius*2"),
        ("raise UserError", "raise ValueError"),
        ("the area of {radius}", "the area of {radius:.1f}"),
        ("    print", "    area(1)\n    print"),
        ("import math", "import cmath as math"),
    ],
)
def test_all_else_counts(tree, old, new):
    tree.write({"one.a": MODULE})
    before = tree.digests("one.a")
    tree.write({"one.a": MODULE.replace(old, new)})
    after = tree.digests("one.a")
    assert old in MODULE and {name for name in after if after[name] != before[name]} == {"one/a.py"}


def test_what_is_printed_into_a_file_counts(tree):
    tree.write({"one.a": "print('x', file=table)\n"})
    before = tree.digests("one.a")
    tree.write({"one.a": "print('y', file=table)\n"})
    assert tree.digests("one.a") != before


def test_code_is_that_which_the_process_runs_though_it_is_edited_meanwhile(tree, tmp_path):
    before = tree.digests("one.a")
    tree.write({"one.a": "A = 2\n"})
    assert closure.digests(["one.a"], tmp_path) == closure.digests(["one.a", "one.a"], tmp_path) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = (", r"one/a\.py, line 2: not Python \(.*\); correct it"),
        ("x = '\0'", r"one/a\.py.*not Python|one/a\.py: cannot be read as Python"),
        ("import one.nothing", r"one/a\.py, line 1: there is no module one\.nothing in .*; correct the name"),
        ("\nfrom one.nothing import x", r"one/a\.py, line 2: there is no module one\.nothing in .*; correct the name"),
    ],
)
def test_what_cannot_be_followed_is_one_line(tree, text, message):
    tree.write({"one.a": text})
    with pytest.raises(UserError, match=message) as error:
        tree.digests("one.a")
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_module(tree):
    with pytest.raises(UserError, match=r"closure of one\.zzz: there is no module one\.zzz in"):
        tree.digests("one.zzz")
    with pytest.raises(UserError, match=r"there is no module three\.x in"):
        tree.digests("three.x")


def test_a_tree_digests_alike_wherever_it_lies(tree, tmp_path):
    import shutil

    tree.write({"one.a": MODULE})
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "one")
    assert closure.digests(["one.a"], Path(tmp_path, "elsewhere")) == tree.digests("one.a")
