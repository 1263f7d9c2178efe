"""A recipe that is killed again and again, in every stage, ends with the bytes of one that was left alone; so does one
whose jobs a cluster runs.

Eight kills by default, one a stage, and Slurm. ``XSER_KILLS=60 python3 -m pytest tests/integration/test_kills.py -s``
is the long form, on Grid Engine too, with ``XSER_KILL_SEED`` for other moments; it prints each kill, and counts at its
end.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clusters import Cluster, GridEngine, Slurm, running
from tests.integration.conftest import Checkout

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]
STAGES = range(1, 9)
KILLS = int(os.environ.get("XSER_KILLS", len(STAGES)))
LONG = len(STAGES) < KILLS
SEED = int(os.environ.get("XSER_KILL_SEED", 0))
SETTINGS = [
    "corpora=[mini_de]", "encoders=[mini]", "split.folds=3", "probe.heads=[linear]", "probe.epochs=5",
    "finetune.encoders=[mini]", "finetune.strategies=[head]", "finetune.epochs=1", "sed.corpora=[mini_de]",
    "sed.sets=[single]", "sed.epochs=1", "listen.corpora=[mini_de]", "listen.each=1", "listen.listeners=2",
    "listen.groups=[de]", "listen.languages=[en]",
]  # fmt: skip
GONE_S = 10.0  # a killed run's processes may take so long to end
# What holds times, or rows in the order in which jobs came to them.
UNLIKE = {"log", ".done", ".lock", "tensorboard", "curve.csv", "config.json", "run.json", "run.sh", "plan",
          "index.json", "inputs.f16", "inputs.f32"}  # fmt: skip


class Recipe:
    """The recipe of one checkout, of whose corpus little is left; its processes are known by their environment."""

    def __init__(self, checkout: Checkout):
        self._root, self._mark = checkout.root, f"XSER_TEST_RUN={checkout.root}"
        self._folder = checkout.root / "egs/mini"
        self.log = checkout.root / "kills.log"
        checkout.thin(1)
        path = self._folder / "corpus/sed.tsv"
        header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join([header, *(row for row in rows if "\tde\t" in row)]), encoding="utf-8")
        # The clock has jumped: some files come from tomorrow, some from long ago.
        for number, path in enumerate(sorted((self._folder / "corpus").rglob("*.*"))):
            os.utime(path, (0, 0) if number % 2 else (time.time() + 86400,) * 2)

    def start(self, *options: str, nj: int = 1, **environment: str) -> subprocess.Popen:
        name, _, value = self._mark.partition("=")
        environment |= {name: value, "OMP_NUM_THREADS": "1"}
        settings = [word for one in SETTINGS for word in ("--set", one)]
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                ["bash", "egs/mini/run.sh", "--nj", str(nj), *settings, *options], cwd=self._root,
                env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that starts the tests in the background has them ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    def begins(self, stage: int, run: subprocess.Popen) -> bool:
        """Wait for a stage of a run to begin; False if the run ends before."""
        while f"== mini, stage {stage} " not in self.log.read_text():
            if run.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def finish(self) -> dict[int, float]:
        """Run it to its end; give the seconds of each stage."""
        run = self.start()
        begun = [time.monotonic() for stage in STAGES if self.begins(stage, run)]
        self.ends_well(run)
        ended = [*begun[1:], time.monotonic()]
        return {stage: end - begin for stage, begin, end in zip(STAGES, begun, ended, strict=True)}

    def ends_well(self, run: subprocess.Popen) -> None:
        assert run.wait(timeout=600) == 0, self.log.read_text()[-3000:]
        assert "Traceback" not in self.log.read_text()

    def running(self) -> dict[int, str]:
        """Processes of the recipe: id and command line."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (path / "environ").read_bytes().split(b"\0"):
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def wait_until_gone(self, what: str) -> None:
        deadline = time.monotonic() + GONE_S
        while running := self.running():
            assert time.monotonic() < deadline, f"after {what}: {running}"
            time.sleep(0.05)

    def _made(self) -> Iterator[Path]:
        for name in ("data", "dump", "exp", "results"):
            yield from (path for path in (self._folder / name).rglob("*") if path.is_file())
        yield from self._folder.glob("RESULTS.md")

    def results(self) -> dict[str, bytes]:
        """All that it has made and that is the same each time: every table, list, matrix, weight, page and picture."""
        files = {path.relative_to(self._folder): path for path in self._made()}
        return {str(name): files[name].read_bytes() for name in sorted(files) if UNLIKE.isdisjoint(name.parts)}

    def wipe(self, *names: str) -> None:
        for name in names or ("data", "dump", "exp", "results", "RESULTS.md"):
            path = self._folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def forget(self, since: float) -> None:
        """Have what has been finished since then made again."""
        for path in self._made():
            if path.name == ".done" and path.stat().st_mtime >= since:
                path.unlink()

    def leftovers(self) -> list[Path]:
        return [path for end in (".tmp", ".old") for path in self._folder.rglob(f".*{end}")]


@pytest.fixture(scope="module")
def recipe(checkout: Checkout) -> Recipe:
    return Recipe(checkout)


@pytest.fixture(scope="module")
def alone(recipe: Recipe) -> tuple[dict[int, float], dict[str, bytes]]:
    """Seconds of each stage of a run that is left alone, and what it makes."""
    return recipe.finish(), recipe.results()


def kill(recipe: Recipe, driver: subprocess.Popen, how: str, draw: random.Random) -> None:
    """Kill a run in one of the ways that happen to runs."""
    match how:
        case "driver, SIGKILL":
            driver.kill()
        case "driver, SIGTERM":
            driver.terminate()
        case "group, SIGKILL":
            os.killpg(driver.pid, signal.SIGKILL)
        case "group, SIGINT":  # Ctrl-C
            os.killpg(driver.pid, signal.SIGINT)
        case "tree, SIGKILL" | "one, SIGKILL":
            victims = sorted(recipe.running())
            for pid in victims if how.startswith("tree") else [draw.choice(victims)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


WAYS = ["driver, SIGKILL", "group, SIGKILL", "tree, SIGKILL", "one, SIGKILL", "driver, SIGTERM", "group, SIGINT"]


def killed(recipe: Recipe, first: int, stage: int, how: str, after: float, draw: random.Random) -> bool:
    """Kill a run that begins with one stage some seconds after another has begun; False if it has ended before."""
    # Two jobs where they write to one folder; as torch is long in coming, else only in the long form.
    run = recipe.start("--stage", str(first), "--stop-stage", str(stage), nj=1 + (stage == 2 or LONG))
    begun = recipe.begins(stage, run)
    try:
        run.wait(timeout=after if begun else None)
    except subprocess.TimeoutExpired:
        kill(recipe, run, how, draw)
    else:
        recipe.ends_well(run)
        return False
    # The next run begins at once, but every other time it is seen first that nothing is left.
    if how == "one, SIGKILL":
        run.wait(timeout=600)
    elif draw.random() < 0.5:
        run.wait(timeout=GONE_S)
        recipe.wait_until_gone(how)
    run.wait(timeout=GONE_S)
    return True


@pytest.mark.parametrize("kind", [Slurm, GridEngine] if LONG else [Slurm])
def test_a_cluster_gives_the_bytes_of_one_machine(recipe: Recipe, alone: tuple, kind: type[Cluster]) -> None:
    made = re.compile("data|dump|exp/(probe|finetune|sed)/")
    want = {name: content for name, content in alone[1].items() if made.match(name)}
    with running(kind) as cluster:
        recipe.wipe("dump", "exp")
        for first, last, nj in (("features", "probe", 2), ("finetune", "sed", 1)):
            options = ("--stage", first, "--stop-stage", last)
            recipe.ends_well(recipe.start(*options, nj=nj, cmd_backend=cluster.name, **cluster.environment))
        if kind is Slurm:
            assert "JobState=COMPLETED" in cluster.call("scontrol", "show", "jobs")
    got = recipe.results()
    assert [name for name in want if got.get(name) != want[name]] == []


def test_killed_runs_end_with_the_bytes_of_one_left_alone(recipe: Recipe, alone: tuple) -> None:
    lasts, want = alone
    assert {"exp/results.csv", "results/headlines.csv", "RESULTS.md", "exp/report/index.html"} < want.keys()
    assert all(sum(name.endswith(end) for name in want) > 1 for end in ("scores.csv", "hyp.rttm", "model.safetensors"))
    draw = random.Random(SEED)
    kills: list[tuple[int, str]] = []
    ways: list[str] = []
    while len(kills) < KILLS:
        recipe.wipe()
        first = 1
        for stage in STAGES:
            ways = ways or draw.sample(WAYS, len(WAYS))
            after, begun = draw.uniform(0, (0.9 if LONG else 0.7) * lasts[stage]), time.time()
            while not killed(recipe, first, stage, ways[-1], after, draw):
                print(f"stage {stage} had ended before {after:.1f} s", flush=True)
                recipe.forget(begun)
                after /= 2
            kills.append((stage, ways.pop()))
            print(f"kill {len(kills)}: stage {stage}, {kills[-1][1]}, after {after:.1f} s", flush=True)
            first = draw.choice((1, stage)) if LONG else stage
            if len(kills) == KILLS:
                break
    print(Counter(stage for stage, _ in kills), Counter(way for _, way in kills))
    recipe.finish()
    got = recipe.results()
    assert list(got) == list(want)
    assert [name for name in want if got[name] != want[name]] == []
    recipe.wait_until_gone("its end")  # the lock's heart beats on for a moment
    assert recipe.leftovers() == []


def test_two_runs_in_one_recipe(recipe: Recipe, alone: tuple) -> None:
    want = {name: content for name, content in alone[1].items() if re.match("data/(?!.*/sed/)", name)}
    recipe.wipe()
    first = recipe.start("--stop-stage", "data")
    assert recipe.begins(1, first)
    first_log = recipe.log
    recipe.log = first_log.with_name("second.log")
    assert recipe.start("--stop-stage", "data").wait(timeout=60) == 2
    refused = recipe.log.read_text()
    assert "is in use by " in refused and "--stop-stage data" in refused
    assert f"process {first.pid} on " in refused and "--wait" in refused and "Traceback" not in refused
    second = recipe.start("--stop-stage", "data", "--wait")
    assert first.wait(timeout=600) == 0, first_log.read_text()[-3000:]
    recipe.ends_well(second)
    assert "waiting for" in recipe.log.read_text() and "up to date" in recipe.log.read_text()
    got = recipe.results()
    assert want and {name: got.get(name) for name in want} == want
