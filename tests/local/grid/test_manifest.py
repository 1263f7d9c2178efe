"""Manifests: what is asked for, and whether a directory holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.grid import manifest
from local.grid.manifest import Entry
from utils import stamp
from utils.errors import UserError

FACTORS = {"encoder": "mini", "method": "linear", "train": ["a", "b"], "test": "ü", "normalise": "train", "lr": 0.1}


def entry(folder: Path, config: dict | None = None, name: str = "one") -> Entry:
    made = stamp.make(config or {"probe": {"lr": 0.1, "seeds": [0]}}, [], [])
    return Entry(folder / name, FACTORS, manifest.digest(made["config"]))


def test_what_is_written_is_read_in_its_order(tmp_path: Path) -> None:
    entries = [entry(tmp_path, name=name) for name in ("b.c-d", "a.x=ü", "c")]
    manifest.write(tmp_path, entries)
    assert manifest.read(tmp_path) == entries
    assert len((tmp_path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    manifest.write(tmp_path, [])
    assert manifest.read(tmp_path) == []


def test_a_stage_that_has_not_run_asks_for_nothing(tmp_path: Path) -> None:
    assert manifest.read(tmp_path / "probe") == []


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"name": "x"}', '{"name": "x", "factors": 1, "settings": ""}'])
def test_a_damaged_line_is_named_with_its_mend(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "probe"
    folder.mkdir()
    manifest.write(folder, [entry(folder)])
    with open(folder / "manifest.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=r"manifest.jsonl:2: not what probe's plan writes; run that stage again"):
        manifest.read(folder)


class TestWhyUnfinished:
    """Whether a directory holds what is asked for."""

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Entry:
        (tmp_path / "input").write_text("1")
        (tmp_path / "one").mkdir()
        one = entry(tmp_path)
        stamp.write(one.path, stamp.make({"probe": {"lr": 0.1, "seeds": [0]}}, [], [tmp_path / "input"]))
        return one

    def test_says_nothing_of_what_is_finished(self, asked):
        assert asked.why_unfinished() is None

    def test_does_not_look_at_code(self, asked):
        """Which code made a result is the plan's matter: tables are of what is there."""
        path = asked.path / stamp.NAME
        made = json.loads(path.read_text()) | {"code": {"local/probe/run.py": "other"}}
        path.write_text(json.dumps(made))
        assert asked.why_unfinished() is None

    def test_says_that_it_is_not_finished(self, asked):
        (asked.path / stamp.NAME).unlink()
        assert asked.why_unfinished() == "is not finished"

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"config": {}}'])
    def test_says_that_its_stamp_is_damaged(self, asked, text):
        (asked.path / stamp.NAME).write_text(text)
        assert asked.why_unfinished() == "has a damaged .done"

    @pytest.mark.parametrize("config", [{"probe": {"lr": 0.2, "seeds": [0]}}, {"probe": {"lr": 0.1, "seeds": [0, 1]}}])
    def test_says_that_settings_are_others(self, asked, config):
        assert entry(asked.path.parent, config).why_unfinished() == "was made with other settings"

    def test_says_which_input_is_another(self, asked):
        path = asked.path.parent / "input"
        path.write_text("2")
        assert asked.why_unfinished() == f"was made from another {path}"
        path.unlink()
        assert asked.why_unfinished() == f"was made from another {path}"


def test_the_digest_is_of_what_settings_say_not_of_their_order() -> None:
    assert manifest.digest({"a": 1, "b": [2, 3]}) == manifest.digest({"b": [2, 3], "a": 1})
    assert manifest.digest({"a": 1, "b": [2, 3]}) != manifest.digest({"a": 1, "b": [3, 2]})


def test_systems_are_named_by_what_differs_between_them() -> None:
    plain = {"encoder": "mini", "method": "linear", "train": ["a"], "test": "a", "normalise": "train", "labels": []}
    others = [plain | {"normalise": "none"}, plain | {"labels": ["x", "y"], "test": "b"}, plain | {"method": "mlp"}]
    differing = manifest.varied([plain, *others])
    assert differing == ["normalise", "labels"]
    assert [manifest.system_name("probe", factors, differing) for factors in (plain, *others)] == [
        "mini.linear", "mini.linear.normalise=none", "mini.linear.labels=x+y", "mini.mlp",
    ]  # fmt: skip
    assert manifest.varied([plain]) == []
    assert manifest.system_name("probe", others[0], []) == "mini.linear"
    assert manifest.system_name("sed", {"encoder": "", "method": "chance"}, ["decoder"]) == "chance"
