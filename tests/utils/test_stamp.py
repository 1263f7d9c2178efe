"""Stamps say whether a result is still valid, and if not, why."""

from __future__ import annotations

import os

import pytest

from utils import stamp


@pytest.fixture
def made(tmp_path):
    """A result with a stamp, made from a configuration, code and an input; returns how to make the stamp anew."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("x = 1\n")
    (tmp_path / "input").write_text("1\n")
    (tmp_path / "result").mkdir()

    def make(**config):
        settings = {"lr": 0.1, "split": {"folds": 5, "cap": None}} | config
        return stamp.make(settings, [code], [tmp_path / "input"])

    stamp.write(tmp_path / "result", make())
    return make


def why(tmp_path, new):
    return stamp.why_stale(tmp_path / "result", new)


def test_nothing_changed(tmp_path, made):
    assert why(tmp_path, made()) is None


def test_touching_and_rewriting_the_same_content_changes_nothing(tmp_path, made):
    for name in ("input", "code/a.py"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "code" / "__pycache__").mkdir()
    (tmp_path / "code" / "notes.txt").touch()
    assert why(tmp_path, made()) is None


def test_a_setting_is_named_with_both_values(tmp_path, made):
    assert why(tmp_path, made(lr=0.2)) == "lr changed from 0.1 to 0.2"
    assert why(tmp_path, made(split={"folds": 3, "cap": None})) == "split.folds changed from 5 to 3"
    assert why(tmp_path, made(new=1)) == "new changed from unset to 1"
    assert len(why(tmp_path, made(new=list(range(1000))))) < 200
    assert "cap" in why(tmp_path, made(split={"folds": 5, "cap": {}}))


def test_the_order_of_settings_and_tuples_do_not_matter(tmp_path):
    stamp.write(tmp_path, stamp.make({"a": (1, 2), "b": 1}, [], []))
    assert stamp.why_stale(tmp_path, stamp.make({"b": 1, "a": [1, 2]}, [], [])) is None


def test_an_input_is_named(tmp_path, made):
    (tmp_path / "input").write_text("2\n")
    assert why(tmp_path, made()) == f"input {tmp_path / 'input'} changed"
    (tmp_path / "input").unlink()
    assert why(tmp_path, made()) == f"input {tmp_path / 'input'} changed"


def test_a_large_input_counts_by_size_and_time(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"\0" * (2 << 20))
    stamp.write(tmp_path, stamp.make({}, [], [path]))
    assert stamp.why_stale(tmp_path, stamp.make({}, [], [path])) is None
    os.utime(path, ns=(1, 1))
    assert stamp.why_stale(tmp_path, stamp.make({}, [], [path])) == f"input {path} changed"


def test_code_that_changes_or_comes_or_goes(tmp_path, made):
    other = tmp_path / "code" / "b.py"
    other.touch()
    assert why(tmp_path, made()) == "the code changed"
    other.unlink()
    (tmp_path / "code" / "a.py").write_text("x = 2\n")
    assert why(tmp_path, made()) == "the code changed"


def test_a_result_without_a_stamp(tmp_path, made):
    (tmp_path / "result" / stamp.NAME).unlink()
    assert why(tmp_path, made()) == "not made yet"
    assert stamp.why_stale(tmp_path / "nowhere", made()) == "not made yet"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"config": {}}', b'{"config": [1], "inputs": {}, "code": ""}']
)
def test_a_damaged_stamp_is_no_traceback(tmp_path, made, content):
    (tmp_path / "result" / stamp.NAME).write_bytes(content)
    assert why(tmp_path, made()) == f"{tmp_path / 'result' / stamp.NAME} is damaged"


def test_a_stamp_cut_anywhere_is_never_valid(tmp_path, made):
    path = tmp_path / "result" / stamp.NAME
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert why(tmp_path, made()) is not None
