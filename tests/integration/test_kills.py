"""A recipe that is killed again and again ends with the bytes of one that was left alone.

Six kills by default. ``XSER_KILLS=60 python3 -m pytest tests/integration/test_kills.py -s`` is the long form, with
``XSER_KILL_SEED`` for other moments; it prints each kill.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.conftest import Checkout

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]
KILLS = int(os.environ.get("XSER_KILLS", 6))
SEED = int(os.environ.get("XSER_KILL_SEED", 0))
QUICK = [
    "corpora=[mini_de]", "encoders=[mini]", "sed.encoders=[]", "split.folds=3", "split.cap.train=4", "split.cap.dev=2",
    "split.cap.test=2", "probe.heads=[linear]", "probe.epochs=5", "finetune.encoders=[mini]",
    "finetune.strategies=[head]", "finetune.epochs=1",
]  # fmt: skip
COMMAND = ["egs/mini/run.sh", "--stop-stage", "score", "--nj", "2", *(word for one in QUICK for word in ("--set", one))]
GONE_S = 10.0  # a killed run's processes may take so long to end


class Recipe:
    """The recipe of one checkout, whose processes are known by a word in their environment."""

    def __init__(self, checkout: Checkout):
        self._root, self._mark = checkout.root, f"XSER_TEST_RUN={checkout.root}"
        self._folder = checkout.root / "egs/mini"
        self.log = checkout.root / "kills.log"

    def start(self, *options: str) -> subprocess.Popen:
        name, _, value = self._mark.partition("=")
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                ["bash", *COMMAND, *options], cwd=self._root, env=os.environ | {name: value}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                # A shell that starts the tests in the background has them ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    def finish(self, *options: str) -> None:
        """Run it to its end."""
        assert self.start(*options).wait(timeout=600) == 0, self.log.read_text()[-3000:]
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

    def results(self) -> dict[str, bytes]:
        names = ("results.csv", "scores.csv", "significance.csv", "feats.ark", "feats.scp", "excluded.tsv")
        files = sorted(path for name in names for path in self._folder.rglob(name))
        return {str(path.relative_to(self._folder)): path.read_bytes() for path in files}

    def wipe(self) -> None:
        for name in ("data", "dump", "exp"):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def leftovers(self) -> list[Path]:
        return [path for name in ("data", "dump", "exp") for path in (self._folder / name).rglob(".*.tmp")]


@pytest.fixture(scope="module")
def recipe(checkout: Checkout) -> Recipe:
    return Recipe(checkout)


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


def test_killed_runs_end_with_the_bytes_of_one_left_alone(recipe: Recipe) -> None:
    begin = time.monotonic()
    recipe.finish()
    whole = time.monotonic() - begin
    want = recipe.results()
    assert "exp/results.csv" in want and sum(name.endswith("scores.csv") for name in want) >= 2
    recipe.wipe()
    draw = random.Random(SEED)
    ways = [WAYS[number % len(WAYS)] for number in range(KILLS)]
    draw.shuffle(ways)
    kills = 0
    while kills < KILLS:
        driver = recipe.start()
        try:
            status = driver.wait(timeout=draw.uniform(0.1, 0.6 * whole))
        except subprocess.TimeoutExpired:
            how = ways[kills]
            stage = recipe.log.read_text().rpartition("== mini, stage ")[2].split(":")[0]
            print(f"kill {kills + 1}: {how}, stage {stage}", flush=True)
            kill(recipe, driver, how, draw)
            kills += 1
            # The next run begins at once, but every other time it is seen first that nothing is left.
            if how == "one, SIGKILL":
                driver.wait(timeout=600)
            elif kills % 2:
                driver.wait(timeout=GONE_S)
                recipe.wait_until_gone(how)
            driver.wait(timeout=GONE_S)
        else:
            assert status == 0, recipe.log.read_text()[-3000:]
            recipe.wipe()
    recipe.finish()
    got = recipe.results()
    assert list(got) == list(want)
    assert [name for name in want if got[name] != want[name]] == []
    recipe.wait_until_gone("its end")  # the lock's heart beats on for a moment
    assert recipe.leftovers() == []


def test_two_runs_in_one_recipe(recipe: Recipe) -> None:
    want = {name: content for name, content in recipe.results().items() if name.startswith("dump/")}
    recipe.wipe()
    first = recipe.start("--stop-stage", "features")
    while "stage 1 data" not in recipe.log.read_text():
        time.sleep(0.05)
    first_log = recipe.log
    recipe.log = first_log.with_name("second.log")
    assert recipe.start("--stop-stage", "features").wait(timeout=60) == 2
    refused = recipe.log.read_text()
    assert "is in use by " in refused and "--stop-stage score" in refused
    assert f"process {first.pid} on " in refused and "--wait" in refused and "Traceback" not in refused
    second = recipe.start("--stop-stage", "features", "--wait")
    assert first.wait(timeout=600) == 0, first_log.read_text()[-3000:]
    assert second.wait(timeout=600) == 0, recipe.log.read_text()[-3000:]
    assert "waiting for" in recipe.log.read_text() and "up to date" in recipe.log.read_text()
    got = recipe.results()
    assert want and {name: got.get(name) for name in want} == want
