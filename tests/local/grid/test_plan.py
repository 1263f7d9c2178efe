"""Plans, and the jobs that carry them out: on a made-up stage, whose results are its stamps."""

from __future__ import annotations

import fcntl
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from local.experiment import Experiment
from local.grid import conditions as grid
from local.grid import jobs, manifest, plan
from local.grid.conditions import Condition, Group, Training
from local.grid.plan import Stage
from utils import stamp
from utils.errors import UserError

CONFIG = "corpora: [a, b]\nencoders: [mini]\nfinetune: {seeds: [0, 1]}\nvary: {cross_dev: [source, target]}\n"


def asked(own: Experiment) -> list[dict]:
    pairs = [(train, test) for train in own.corpora for test in own.corpora]
    return [{"encoder": "mini", "method": "toy", "train": [train], "test": test} for train, test in pairs]


def trainings(group: Group) -> list[Training]:
    return group.trainings(group.first.experiment.finetune.seeds)


def training_stamp(training: Training) -> dict:
    made_of = {"words": training.group.words, "lr": training.group.first.experiment.finetune.lr}
    return stamp.make(made_of, [], [Path("data", name, "utt2emo") for name in training.group.learnt])


def test_stamp(group: Group, condition: Condition) -> dict:
    inputs = [training.directory / stamp.NAME for training in STAGE.trainings(group)]
    inputs.append(Path("data", condition.test, "utt2emo"))
    return stamp.make(grid.settings(condition, "finetune", ["lr"]), [], inputs)


test_stamp.__test__ = False
STAGE = Stage(
    "finetune", asked, test_stamp, lambda group: {Path("data", name): "data" for name in group.corpora}, trainings,
    training_stamp,
)  # fmt: skip
MODELLESS = Stage(
    "probe", asked, lambda group, one: stamp.make(grid.settings(one, "probe", ["lr"]), [], []), lambda group: {}
)


class Worker:
    """Makes what jobs ask for, and notes it."""

    def __init__(self, stage: Stage):
        self.stage, self.made = stage, []

    def train(self, training: Training, device: str) -> None:
        self.made.append(str(training.directory))
        stamp.write(training.directory, self.stage.training_stamp(training))

    def test(self, group: Group, device: str) -> None:
        for condition in group.conditions:
            self.made.append(condition.name)
            stamp.write(condition.directory, self.stage.stamp(group, condition))


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/experiment.yaml").write_text(CONFIG)
    for name in "ab":
        for fold in range(2):
            (tmp_path / f"data/{name}/folds/speaker/{fold}").mkdir(parents=True)
        (tmp_path / f"data/{name}/utt2emo").write_text("u angry\n")
        (tmp_path / f"data/{name}/utt2spk").write_text("u s\n")
        (tmp_path / f"data/{name}" / stamp.NAME).write_text("{}")
    return tmp_path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the commands of a stage; ``planned`` gives what the plan prints, ``work`` who made what in a job."""

    class Commands:
        def planned(self, *options: str, stage: Stage = STAGE) -> tuple[int, list[str]]:
            capsys.readouterr()
            monkeypatch.setattr(sys, "argv", ["plan", *options])
            plan.command(stage, "Plan.")
            printed = capsys.readouterr()
            return int(printed.out), printed.err.splitlines()

        def work(self, *options: str, stage: Stage = STAGE) -> list[str]:
            worker = Worker(stage)
            monkeypatch.setattr(sys, "argv", ["train", *options])
            jobs.command(stage, "Train.", worker.test, worker.train if stage is STAGE else None)
            return worker.made

    return Commands()


def units(stage: str = "finetune") -> list[str]:
    return Path(f"exp/{stage}/plan").read_text().splitlines()


def test_the_plan_lists_every_training_once_and_the_manifest_every_condition(call) -> None:
    number, said = call.planned()
    # Two corpora, whose dev lists are their own or the other's; two folds; two seeds.
    assert number == len(units()) == len(set(units())) == 4 * 2 * 2
    assert said[0].startswith("finetune: 16 to be trained, not made yet: exp/finetune/models/mini.toy.a/fold0.seed0 ")
    assert "finetune: 8 to be made, not made yet: mini.toy.a-a mini.toy.a-b mini.toy.a-a.cross_dev=target" in said[1]
    entries = manifest.read(Path("exp/finetune"))
    assert [entry.path.name for entry in entries] == [
        f"mini.toy.{pair}{dev}" for pair in ("a-a", "a-b", "b-a", "b-b") for dev in ("", ".cross_dev=target")
    ]  # fmt: skip
    assert {entry.why_unfinished() for entry in entries} == {"is not finished"}


def test_a_stage_that_is_not_asked_for_leaves_nothing(call, recipe) -> None:
    stage = Stage("sed", lambda own: [], STAGE.stamp, STAGE.needs)
    assert call.planned(stage=stage) == (0, [])
    assert not Path("exp").exists()
    # What was asked for once, and is no more, leaves the tables.
    call.planned()
    assert call.planned(stage=Stage("finetune", lambda own: [], STAGE.stamp, STAGE.needs)) == (0, [])
    assert manifest.read(Path("exp/finetune")) == [] and units() == []


@pytest.mark.parametrize("number", [1, 2, 3, 5, 20])
def test_jobs_make_everything_once_whatever_their_order(call, number: int) -> None:
    call.planned()
    order = [str(job) for job in range(1, number + 1)]
    random.Random(number).shuffle(order)
    made = [one for job in order for one in call.work("--job", job, "--nj", str(number))]
    assert len(made) == len(set(made)) == 16 + 8
    assert sorted(one for one in made if "/" in one) == sorted(units())
    assert {entry.why_unfinished() for entry in manifest.read(Path("exp/finetune"))} == {None}
    assert call.planned() == (0, ["finetune: 8 conditions are up to date, skipped"])
    assert call.work() == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_jobs_of_a_stage_without_models_divide_groups(call, number: int) -> None:
    assert call.planned(stage=MODELLESS)[0] == len(units("probe")) == 4
    made = []
    for job in range(1, number + 1):
        made += call.work("--job", str(job), "--nj", str(number), stage=MODELLESS)
    assert len(made) == len(set(made)) == 8
    assert call.planned(stage=MODELLESS)[0] == 0


@pytest.mark.parametrize("number", range(1, 8))
def test_shares_partition_the_plan(call, recipe: Path, number: int) -> None:
    call.planned()
    config = Experiment(corpora=["a", "b"], encoders=["mini"])
    shares = [jobs.share(config.exp / STAGE.name, job, number) for job in range(1, number + 1)]
    assert sorted(unit for share in shares for unit in share) == sorted(units())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    # They are of the plan, not of what is left of the work.
    call.work("--job", "1", "--nj", str(number))
    assert [jobs.share(config.exp / STAGE.name, job, number) for job in range(1, number + 1)] == shares


def test_no_job_has_all_that_takes_long(tmp_path: Path) -> None:
    """Grids list a cheap value of a factor and a dear one by turns."""
    names = [f"{number}.loss={'dear' if number % 2 else 'ce'}\n" for number in range(64)]
    (tmp_path / "plan").write_text("".join(names))
    for jobs_ in (2, 4):
        shares = [jobs.share(tmp_path, job, jobs_) for job in range(1, jobs_ + 1)]
        dear = [sum(unit.endswith("dear") for unit in share) for share in shares]
        assert max(dear) < 0.75 * 64 / jobs_


@pytest.mark.parametrize(("job", "number"), [(0, 2), (3, 2), (1, 0)])
def test_a_job_that_is_none_is_refused(call, job: int, number: int) -> None:
    call.planned()
    with pytest.raises(UserError, match=f"--job {job} --nj {number}: the job must be one of 1..nj"):
        call.work("--job", str(job), "--nj", str(number))


def test_there_is_no_work_without_a_plan(call) -> None:
    with pytest.raises(UserError, match="exp/finetune/plan: no such plan; run python3 -m local.finetune.plan first"):
        call.work()


def test_only_what_a_change_concerns_is_done_again_and_why(call, recipe: Path) -> None:
    call.planned()
    call.work()
    (recipe / "data/b/utt2emo").write_text("u sad\n")
    number, said = call.planned()
    # Models of a with dev of a heard nothing of b, and have only to be tested on it.
    assert number == 13 and [unit for unit in units() if "fold" not in unit] == ["exp/finetune/models/mini.toy.a"]
    assert said[0] == "finetune: 2 conditions are up to date, skipped"
    assert any(line.startswith("finetune: 12 to be trained, input data/b/utt2emo changed: ") for line in said)
    again = call.work()
    assert len(again) == len(set(again)) == 12 + 6 and "mini.toy.a-a" not in again
    number, said = call.planned("--set", "finetune.lr=0.5")
    assert number == 16 and said[0].startswith("finetune: 16 to be trained, lr changed from 0.0001 to 0.5: ")
    assert said[1].startswith("finetune: 8 to be made, finetune.lr changed from 0.0001 to 0.5: ")


def test_a_test_alone_is_a_unit_too(call) -> None:
    call.planned()
    call.work()
    Path("exp/finetune/mini.toy.a-b/.done").unlink()
    assert call.planned()[0] == 1 and units() == ["exp/finetune/models/mini.toy.a"]
    assert call.work("--job", "2", "--nj", "2") == [] and call.work("--job", "1", "--nj", "2") == ["mini.toy.a-b"]


def test_what_is_missing_is_named_with_the_stage_that_makes_it(call, recipe: Path) -> None:
    (recipe / "data/b" / stamp.NAME).unlink()
    with pytest.raises(UserError, match=r"^data/b: not finished \(no .done\); run the data stage first"):
        call.planned()
    # Finished results need nothing any more.
    (recipe / "data/b" / stamp.NAME).write_text("{}")
    call.planned()
    call.work()
    (recipe / "data/b" / stamp.NAME).unlink()
    assert call.planned()[0] == 0


def test_a_group_is_tested_by_one_job_at_a_time(call) -> None:
    """Who comes second waits, and finds it done."""
    call.planned("--set", "vary.cross_dev=[source]", "--set", "corpora=[a]")
    folder = Path("exp/finetune/models/mini.toy.a")
    folder.mkdir(parents=True)
    made: list[str] = []
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        job = threading.Thread(
            target=lambda: made.extend(call.work("--set", "vary.cross_dev=[source]", "--set", "corpora=[a]"))
        )
        job.start()
        until = time.monotonic() + 20
        while len(list(folder.glob("*/.done"))) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        job.join(0.3)
        assert job.is_alive() and not Path("exp/finetune/mini.toy.a-a").exists()
    job.join(20)
    assert made[-1] == "mini.toy.a-a" and len(made) == 5


def test_of_several_processes_the_first_one_tests(call, monkeypatch: pytest.MonkeyPatch) -> None:
    call.planned()
    monkeypatch.setenv("RANK", "1")
    assert not [one for one in call.work() if "/" not in one]
    monkeypatch.setenv("RANK", "0")
    assert len([one for one in call.work() if "/" not in one]) == 8


def test_long_lists_are_cut_and_reasons_have_a_line_each(call) -> None:
    said = call.planned()[1]
    assert said[0].endswith(" and 12 more") and len(said[0].split(": ")[-1].split()) == 4 + 3
