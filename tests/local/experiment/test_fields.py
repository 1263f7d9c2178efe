"""What ``python3 -m local.experiment`` says: every field with its value and meaning, and docs/configuration.md."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import yaml

from local import experiment
from local.experiment import Experiment
from local.experiment.__main__ import markdown, resolved
from tests.conftest import REPO
from utils.config_fields import describe

FIELDS = [one for one in describe(Experiment) if not one.section]


def listed(folder: Path, *overrides: str) -> dict[str, str]:
    """Give the lines of the fields by their names."""
    (folder / "experiment.yaml").write_text("corpora: [emodb]\nencoders: [logmel]\npretrain: [{name: a, data: [b]}]\n")
    arguments = argparse.Namespace(config=folder / "experiment.yaml", overrides=list(overrides))
    lines = [line for line in resolved(experiment.load(arguments)) if not line.startswith("\n")]
    assert all("\n" not in line for line in lines)
    return {line[2:].split("=")[0].split()[0]: line for line in lines}


@pytest.mark.parametrize("one", FIELDS, ids=lambda one: one.name)
def test_every_field_says_what_it_means_and_starts_with_a_word_it_knows(one) -> None:
    assert one.comment, f"{one.name}: write a comment beside or above it in local/experiment/schema.py"
    if one.words:
        assert set(one.default if isinstance(one.default, list) else [one.default]) <= set(one.words)


def test_every_field_has_a_line_that_can_be_set_again(tmp_path: Path) -> None:
    lines = listed(tmp_path, "probe.epochs=20", "score.seed=3")
    assert list(lines) == [one.name for one in FIELDS]
    short = [name for name in lines if "[]" not in name and name not in ("pretrain", "listen.questions")]
    again = listed(tmp_path, *(lines[name][2:42].strip() for name in short))
    assert {name: again[name] for name in short} == {name: lines[name] for name in short}


def test_what_differs_from_the_default_is_marked_with_it(tmp_path: Path) -> None:
    lines = listed(tmp_path, "probe.epochs=20", "probe.heads=[mlp]", "emotions=[six]")
    assert lines["probe.epochs"].startswith("* probe.epochs=20 ")
    assert lines["probe.epochs"].endswith("[default 100]")
    assert lines["probe.heads"].startswith("* probe.heads=[mlp] ")
    assert lines["probe.heads"].endswith("[one of linear | mlp | logreg | aligned; default [linear]]")
    assert "emotions=[angry, disgusted, fearful, happy, neutral, sad]" in lines["emotions"]
    assert lines["split.folds"].startswith("  split.folds=5 ")
    assert {name for name, line in lines.items() if line.startswith("*")} == {
        *("corpora", "encoders", "emotions", "pretrain", "probe.epochs", "probe.heads"),
    }


def test_a_smoke_run_is_shown_with_its_stand_ins(tmp_path: Path) -> None:
    stand_ins = "study.stand_ins={emodb: mini_de, logmel: mini, b: mini_zh}"
    assert "corpora=[mini_de] " in listed(tmp_path, "study.smoke=true", stand_ins)["corpora"]


def test_the_reference_in_docs_is_that_of_the_schema() -> None:
    path = REPO / "docs" / "configuration.md"
    made = markdown()
    assert path.read_text(encoding="utf-8") == made, (
        f"{path.relative_to(REPO)} is stale: python3 -m local.experiment --markdown > docs/configuration.md"
    )
    assert made.count("\n| `") == len(FIELDS)
    for line in made.splitlines():
        assert not line.startswith("| ") or line.replace(r"\|", "").count("|") == 5, line


def test_recipes_name_only_fields_that_are_listed() -> None:
    known = {one.name for one in FIELDS}

    def names(content: dict, prefix: str = "") -> set[str]:
        found = set()
        for key, value in content.items():
            is_section = isinstance(value, dict) and f"{prefix}{key}" not in known
            found |= names(value, f"{prefix}{key}.") if is_section else {f"{prefix}{key}"}
        return found

    for path in REPO.glob("egs/*/conf/experiment.yaml"):
        assert names(yaml.safe_load(path.read_text(encoding="utf-8"))) <= known, path
