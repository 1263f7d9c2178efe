"""The section of the listening test: what it refuses, and what stands in for its corpora."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from local import experiment
from utils.errors import UserError

STUDY = """
corpora: [esd]
encoders: [logmel]
listen: {corpora: [esd], segments: [zed]}
study: {stand_ins: {esd: mini_zh, zed: mini_sed, logmel: logmel}}
"""


def load(tmp_path: Path, *overrides: str) -> experiment.Experiment:
    """Read the study's experiment, with overrides."""
    path = tmp_path / "experiment.yaml"
    path.write_text(STUDY)
    return experiment.load(Namespace(config=path, overrides=list(overrides)))


@pytest.mark.parametrize(
    "override", ["each=0", "listeners=0", "port=0", "plays=-1", "groups=[]", "groups=[a/b]"],
)  # fmt: skip
def test_what_makes_no_test_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(UserError, match=override.split("=")[0]):
        load(tmp_path, f"listen.{override}")


def test_its_corpora_are_prepared_and_have_stand_ins(tmp_path: Path) -> None:
    assert load(tmp_path).prepared == ["esd", "zed"]
    smoke = load(tmp_path, "study.smoke=true")
    assert (smoke.listen.corpora, smoke.listen.segments) == (["mini_zh"], ["mini_sed"])
