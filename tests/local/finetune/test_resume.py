"""Trainings that were interrupted give, to the bit, what they would have given."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from local.experiment import Experiment
from local.finetune import run
from local.finetune.trainer import EmotionTrainer
from local.models.store import WEIGHTS
from tests.local.finetune.recipe import (
    LORA,
    curve,
    result,
    settings,
    start,
    training,
    write_corpus,
    write_encoder,
    write_experiment,
)
from utils import stamp

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int, when: str) -> None:
    """Have training interrupted in the ``at``-th of the epochs that are to come."""
    count = 0
    name = {"before": "evaluate", "during": "_save_rng_state", "after": "_save_checkpoint"}[when]
    original: Callable = getattr(EmotionTrainer, name)

    def function(self, *arguments, **keywords):
        nonlocal count
        count += 1
        if count == at and when != "after":
            raise KeyboardInterrupt
        found = original(self, *arguments, **keywords)
        if count == at:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(EmotionTrainer, name, function)


def compare_interrupted(
    config: Experiment, monkeypatch: pytest.MonkeyPatch, at: list[int], when: str = "before"
) -> None:
    one = training(config)
    run.train(one)
    whole = result(one)
    (one.directory / stamp.NAME).unlink()
    (one.directory / WEIGHTS).unlink()
    for epoch in at:
        with monkeypatch.context() as patch:
            interrupt(patch, epoch, when)
            with pytest.raises(KeyboardInterrupt):
                run.train(one)
        assert not (one.directory / WEIGHTS).exists()
    run.train(one)
    assert result(one) == whole


class TestInterruption:
    """A training that was interrupted."""

    @pytest.mark.parametrize(
        ("at", "when"), [([1], "before"), ([2, 1], "during"), ([1], "after"), ([3, 1], "after"), ([5], "before")]
    )
    def test_gives_the_result_of_one_that_was_not(self, monkeypatch, at, when):
        compare_interrupted(settings(**LORA), monkeypatch, at, when)

    def test_ends_where_patience_had_run_out(self, monkeypatch):
        config = settings(**LORA | {"lr": 0.5, "epochs": 30, "patience": 2})
        one = training(config)
        run.train(one)
        epochs = len(curve(one))
        assert epochs < 30
        compare_interrupted(config, monkeypatch, [epochs], "after")

    def test_begins_anew_with_other_settings(self, monkeypatch):
        config, other = settings(**LORA), settings(**LORA | {"lr": 1e-3})
        one = training(config)
        with monkeypatch.context() as patch:
            interrupt(patch, 3, "before")
            with pytest.raises(KeyboardInterrupt):
                run.train(training(other))
        run.train(one)
        found = result(one)
        (one.directory / stamp.NAME).unlink()
        run.train(one)
        assert result(one) == found

    def test_may_have_been_killed(self, recipe):
        config = settings(**LORA | {"epochs": 8, "patience": 8})
        one = training(config)
        run.train(one)
        whole = result(one)
        (one.directory / stamp.NAME).unlink()
        write_experiment(recipe, config)
        process = start()
        while process.poll() is None and "epoch 3" not in (process.stderr.readline()):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (one.directory / stamp.NAME).exists() and (one.directory / "run.json").exists()
        run.train(one)
        assert result(one) == whole

    def test_may_have_two_stages(self, recipe, monkeypatch):
        write_corpus(recipe, "b")
        compare_interrupted(settings("ab", pairs=["a>b:b"], **LORA), monkeypatch, [3, 7])

    @pytest.mark.parametrize(("at", "when"), [([2], "after"), ([3, 1], "before"), ([1, 4], "during")])
    def test_may_have_a_second_stage_that_goes_on(self, recipe, monkeypatch, at, when):
        """Also where the first stage is over and the second has not begun: its optimiser comes from the checkpoint."""
        write_corpus(recipe, "b")
        config = settings("ab", pairs=["a>b:b"], **LORA | {"epochs": 6}, second_stage="continued", carry_head=True)
        compare_interrupted(config, monkeypatch, at, when)

    def test_masks_and_drops_what_it_would_have(self, recipe, monkeypatch):
        compare_interrupted(settings(**LORA, augment=True), monkeypatch, [3])
