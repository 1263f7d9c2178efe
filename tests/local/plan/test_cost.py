"""What a plan says of hours, memory and disk, beside what is really made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from local.corpora import prepare, registry
from local.experiment import Experiment
from local.features.work import all_work
from local.plan import cost
from tests.conftest import REPO
from utils import config


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of one bundled corpus, prepared and cut."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiment.yaml").write_text(
        "corpora: [mini_de]\nencoders: [logmel, hubert_base, nowhere]\nsplit: {folds: 6}\n"
    )
    (tmp_path / "conf/corpora.yaml").write_text(f"mini_de: {{root: {REPO / 'egs/mini/corpus'}}}\n")
    (tmp_path / "conf/encoders.yaml").write_text("nowhere: {source: ./nowhere, layers: 3, dim: 10}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    spec = registry.spec("mini_de")
    prepare.prepare(spec, registry.root_of(spec, None), Path("data/mini_de"))
    return tmp_path


def settings(*overrides: str) -> Experiment:
    return config.load(Experiment, Path("conf/experiment.yaml"), list(overrides))


@pytest.mark.integration
def test_features_cost_what_was_measured_and_what_their_numbers_take(recipe: Path) -> None:
    lines = list(cost.describe(settings()))
    own = next(line for line in lines if line.startswith("    logmel: "))
    found = re.search(r"192 utterances, 0\.\d\d h: \d+ s \((\d+) x real time\), ([\d.]+) MiB of memory, 0\.1 MiB", own)
    assert found and int(found[1]) > 1 and float(found[2]) > 50
    assert any(line.startswith("    nowhere: ") and "not measured" in line for line in lines)
    # 192 utterances of 1 x 160, 13 x 768 and 3 x 10 numbers of 4 bytes.
    total = 4 * 192 * (160 + 13 * 768 + 30) / 2**20
    assert lines[-1].startswith(f"  disk      {total:.1f} MiB more, ")
    assert not any((recipe / name).exists() for name in ("dump", "exp", "hub"))


def test_what_is_not_there_is_not_measured(recipe: Path) -> None:
    works = {work.encoder.name: work for work in all_work(settings())}
    assert "no checkpoint" in str(cost.measure(works["nowhere"]))
    assert isinstance(cost.measure(works["hubert_base"]), str | cost.Measured)  # here, if it was fetched before


def test_conditions_cost_what_the_finished_ones_took(recipe: Path) -> None:
    asked = settings("encoders=[nowhere]", "probe.heads=[linear,mlp,logreg]")
    (unknown,) = (line for line in cost.describe(asked) if line.startswith("  probe"))
    assert "how long is known when 3 have finished" in unknown
    for number in range(5):
        folder = recipe / f"exp/probe/earlier{number}"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_bytes(bytes(2**20))
        (folder / ".done").touch()
        os.utime(folder / ".done", (1000 + 60 * number, 1000 + 60 * number))
    (known,) = (line for line in cost.describe(asked) if line.startswith("  probe"))
    assert "3 min for 3 conditions, at the pace of the 5 that are finished; 3.0 MiB of disk" in known


@pytest.mark.parametrize(
    ("times", "seconds"), [([], None), ([1, 2], None), ([5, 1, 3], 2), ([0, 0, 0, 8, 8, 8], 1.6), ([1, 3, 5, 9999], 2)]
)
def test_pace(times: list[float], seconds: float | None) -> None:
    assert cost.seconds_each(times) == (None if seconds is None else pytest.approx(seconds))
