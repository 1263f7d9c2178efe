"""Stamps say whether a result is still valid, and if not, why."""

from __future__ import annotations

import os
import time

import pytest

from utils import closure, stamp


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A result with a stamp, made from a configuration, code and an input; returns how to make the stamp anew."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "__init__.py").touch()
    (code / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(closure, "ROOT", tmp_path)
    (tmp_path / "input").write_text("1\n")
    (tmp_path / "result").mkdir()

    def make(**config):
        # As in a new process.
        closure._files.clear()
        closure._closure.cache_clear()
        closure._find.cache_clear()
        settings = {"lr": 0.1, "split": {"folds": 5, "cap": None}} | config
        return stamp.make(settings, ["code.a"], [tmp_path / "input"])

    stamp.write(tmp_path / "result", make())
    return make


def why(tmp_path, new):
    return stamp.why_stale(tmp_path / "result", new)


def test_nothing_changed(tmp_path, made):
    assert why(tmp_path, made()) is None


def test_what_was_made_is_to_stay_as_it_is_where_that_is_asked_for(tmp_path, made):
    folder = tmp_path / "result"
    (folder / "sub").mkdir()
    for name in ("a b", "sub/c", ".hidden"):
        (folder / name).write_text("12345")
    stamp.write(folder, made())
    (folder / "a b").write_text("1")
    assert why(tmp_path, made()) is None and list(stamp.damage(folder)) == []
    stamp.write(folder, made(), keep=True)
    for name in ("sub/c", ".hidden"):
        (folder / name).unlink()
    assert why(tmp_path, made()) is None and list(stamp.damage(folder)) == []
    (folder / "a b").write_text("2")
    os.utime(folder / "a b", (1, 1))
    assert why(tmp_path, made()) is None
    assert list(stamp.damage(folder)) == [f"{folder}/a b does not have the checksum of what was written"]
    (folder / "a b").write_text("12")
    assert why(tmp_path, made()) == f"{folder}/a b has 2 bytes, not the 1 that were written"
    (folder / "a b").unlink()
    assert why(tmp_path, made()) == f"{folder}/a b is missing"
    (folder / ".done").write_text('{"files": [1]}')
    assert list(stamp.damage(folder)) == [f"{folder}/.done is damaged"]


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


@pytest.mark.parametrize("ahead_s", [0, 24 * 3600])
def test_an_input_that_changes_within_a_tick_of_the_clock_or_before_one_that_was_set_back_is_seen(tmp_path, ahead_s):
    path = tmp_path / "input"
    path.write_text("1\n")
    then = time.time_ns() + ahead_s * 10**9
    os.utime(path, ns=(then, then))
    before = stamp.make({}, [], [path])
    path.write_text("2\n")
    os.utime(path, ns=(then, then))
    assert stamp.make({}, [], [path]) != before


def test_an_input_that_is_replaced_by_one_of_its_size_and_time_is_seen(tmp_path):
    for name in ("input", "other"):
        (tmp_path / name).write_text(f"{name:5}")
        os.utime(tmp_path / name, ns=(1, 1))
    before = stamp.make({}, [], [tmp_path / "input"])
    os.replace(tmp_path / "other", tmp_path / "input")
    assert stamp.make({}, [], [tmp_path / "input"]) != before


def test_inputs_are_told_apart_by_where_they_are(tmp_path, monkeypatch):
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "input").write_text(name)
        os.utime(tmp_path / name / "input", ns=(1, 1))
        monkeypatch.chdir(tmp_path / name)
        found.append(stamp.make({}, [], ["input"])["inputs"]["input"])
    assert found[0] != found[1]


def test_code_that_changes_or_comes_or_goes_is_named(tmp_path, made):
    a, b = tmp_path / "code" / "a.py", tmp_path / "code" / "b.py"
    b.write_text("y = 1\n")
    assert why(tmp_path, made()) is None  # nothing of the result imports it
    a.write_text("x = 2\n")
    assert why(tmp_path, made()) == "the code changed (code/a.py)"
    a.write_text("x = 1\nimport code.b\n")
    assert why(tmp_path, made()) == "the code changed (code/a.py)"
    stamp.write(tmp_path / "result", made())
    b.write_text("y = 2\n")
    assert why(tmp_path, made()) == "the code changed (code/b.py)"
    (tmp_path / "code" / "__init__.py").write_text("import code.c\n")
    (tmp_path / "code" / "c.py").touch()
    b.write_text("y = 1\n")
    assert why(tmp_path, made()) == "the code changed (code/__init__.py)"


def test_words_change_nothing(tmp_path, made):
    (tmp_path / "code" / "a.py").write_text('"""Says what x is."""\n\nx = (1)  # one\n')
    assert why(tmp_path, made()) is None


def test_many_results_of_the_same_inputs_are_checked_at_once(tmp_path):
    """Ten thousand conditions in under 5 s is what tests/benchmarks measures; hashing here would take half a minute."""
    paths = [tmp_path / f"input{number}" for number in range(10)]
    for path in paths:
        path.write_bytes(os.urandom(1 << 20))
        os.utime(path, (1, 1))
    code, began = ["utils.data_dir_tools"], time.process_time()
    stamp.write(tmp_path, stamp.make({"condition": 0}, code, paths))
    for _ in range(2000):
        assert stamp.why_stale(tmp_path, stamp.make({"condition": 0}, code, paths)) is None
    assert time.process_time() - began < 5


def test_a_stamp_is_small(tmp_path):
    stamp.write(tmp_path, stamp.make({}, ["utils.data_dir_tools"], []))
    assert (tmp_path / stamp.NAME).stat().st_size < 4096


def test_a_result_without_a_stamp(tmp_path, made):
    (tmp_path / "result" / stamp.NAME).unlink()
    assert why(tmp_path, made()) == "not made yet"
    assert stamp.why_stale(tmp_path / "nowhere", made()) == "not made yet"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"config": {}}',
        b'{"config": [1], "inputs": {}, "code": {}}',
        b'{"config": {}, "inputs": {}, "code": "0123456789abcdef"}',
    ],
)
def test_a_damaged_stamp_is_no_traceback(tmp_path, made, content):
    (tmp_path / "result" / stamp.NAME).write_bytes(content)
    assert why(tmp_path, made()) == f"{tmp_path / 'result' / stamp.NAME} is damaged, or of an earlier version"


def test_a_stamp_cut_anywhere_is_never_valid(tmp_path, made):
    path = tmp_path / "result" / stamp.NAME
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert why(tmp_path, made()) is not None
