"""Plans name what is stale; jobs divide it, each unit once, and give what one job gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local.corpora import spec
from local.corpora.prepare import prepare
from local.sed import apply, make, plan
from local.splits.make import make as make_folds
from tests.conftest import REPO
from tests.local.sed import recipe
from utils.errors import UserError

BASELINES = ("all_neutral", "oracle_utterance", "oracle_speech", "chance")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in a recipe's folder, give what it prints."""
    monkeypatch.chdir(recipe.root(tmp_path))
    Path("conf/experiment.yaml").write_text(
        yaml.safe_dump(
            {
                "corpora": ["mini_de"], "encoders": ["mini"], "split": {"folds": 3}, "score": {"resamples": 50},
                "sed": {"encoders": ["mini"], "corpora": ["mini_de"], "test": ["mini_sed"], "sets": ["single"]},
            }
        )
    )  # fmt: skip

    def run(command, *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
        command.main()
        return capsys.readouterr().out

    return run


def test_units_of_training_are_models_and_no_plan_is_an_error(call) -> None:
    with pytest.raises(UserError, match=r"exp/sed/plan.train: no such plan; run .* --for train first"):
        plan.share("train", 1, 1)
    assert call(plan) == "3\n"
    jobs = [plan.share("train", job, 2) for job in (1, 2)]
    assert [len(job) for job in jobs] == [2, 1]
    assert sorted(sum(jobs, [])) == [f"exp/sed/models/mini.frozen.mini_de/fold{k}.seed0" for k in range(3)]
    with pytest.raises(UserError, match="--job 3 --nj 2: the job must be one of 1..nj"):
        plan.share("train", 3, 2)


def test_models_of_one_encoder_on_one_set_are_a_unit(call) -> None:
    settings = recipe.experiment(corpora=["mini_de", "mini_en"], modes=["frozen", "tuned"], test=["mini_sed"])
    units = [[Path(name).name for name in unit.split()] for unit in plan._to_apply(settings)]
    assert len(units) == (2 + len(BASELINES)) * 3
    assert ["mini.frozen.mini_de+mini_en-mini_de.single", "mini.frozen.mini_en-mini_de.single"] in units
    assert ["mini.tuned.mini_de+mini_en-mini_sed"] in units and ["chance-mini_sed"] in units


def test_jobs_give_what_one_job_gives(call, capsys) -> None:
    for name in ("mini_de", "mini_sed"):
        prepare(spec(name), REPO / "egs/mini/corpus", Path("data", name))
    settings = recipe.experiment(corpora=["mini_de"], test=["mini_sed"])
    make_folds(Path("data/mini_de"), settings.split, settings.emotions, "")
    make.make(Path("data/mini_de"), settings)
    capsys.readouterr()
    wanted = [f"exp/sed/{name}-{test}" for name in BASELINES for test in ("mini_sed", "mini_de.single")]

    def results() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in Path("exp/sed").rglob("*") if p.name in ("hyp.rttm", "eder.csv")}

    assert call(plan, "--for", "apply") == "10\n"
    path = Path("exp/sed/plan.apply")
    untrained, mine = path.read_text().splitlines()[:2], path.read_text().splitlines()[2:]
    assert mine == wanted and all("mini.frozen" in unit for unit in untrained)
    path.write_text("".join(f"{unit}\n" for unit in mine))
    call(apply)
    alone = results()
    assert len(alone) == 2 * len(wanted)
    for unit in wanted:
        for file in Path(unit).iterdir():
            file.unlink()
    for job in (3, 1, 2):
        said = call(apply, "--job", job, "--nj", 3)
        assert [line.split(":")[0] for line in said.splitlines()] == wanted[job - 1 :: 3]
    assert results() == alone
    assert call(plan, "--for", "apply") == "2\n"
