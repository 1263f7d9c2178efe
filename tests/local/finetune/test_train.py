"""What a job does, what goes wrong, and training in several processes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from local.finetune import run, train
from local.finetune.model import EmotionClassifier
from local.finetune.trainer import EmotionTrainer
from tests import disks
from tests.local.finetune.recipe import (
    LORA,
    curve,
    settings,
    start,
    training,
    write_corpus,
    write_encoder,
    write_experiment,
    write_list,
    write_plan,
)
from utils import stamp
from utils.errors import UserError, run_main


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_encoder(tmp_path)
    write_corpus(tmp_path, "a")
    return tmp_path


class TestFailure:
    """What goes wrong ends in one line that names the mend."""

    def test_a_loss_that_is_not_finite(self, recipe, monkeypatch):
        config = settings(**LORA)
        one = training(config)
        original = EmotionTrainer._loss

        def loss(self, scores, labels, **keywords):
            return original(self, scores * (float("nan") if self.state.epoch >= 2 else 1), labels, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr(EmotionTrainer, "_loss", loss)
            with pytest.raises(UserError, match=r"train loss is nan in epoch 3; lower finetune.lr \(0.003\)"):
                run.train(one)
        kept = sorted(path.parent.name for path in one.directory.glob("checkpoints/0/*/whole"))
        assert kept[-1] == "checkpoint-2" and not (one.directory / stamp.NAME).exists()
        run.train(one)
        assert len(curve(one)) == 5

    @pytest.mark.parametrize(
        "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate")]
    )
    def test_too_little_memory(self, monkeypatch, error):
        def loss(self, scores, labels, **keywords):
            raise error

        monkeypatch.setattr(EmotionTrainer, "_loss", loss)
        with pytest.raises(UserError, match=r"out of memory on cpu; halve finetune.batch_size \(8\)"):
            run.train(training(settings(**LORA)))

    def test_a_full_disk(self, recipe, capsys):
        config = settings(strategies=["full"], epochs=1)
        one = training(config)
        run.train(one)
        whole = (one.directory / "model.safetensors").read_bytes()
        shutil.rmtree("exp")
        with disks.full(Path("exp"), 200_000):
            with pytest.raises(SystemExit):
                run_main(lambda: run.train(one))
            error = capsys.readouterr().err.splitlines()[-1]
            assert str(one.directory) in error and "No space left on device; make room" in error
            assert not list(one.directory.glob("*.safetensors")) and not (one.directory / stamp.NAME).exists()
            shutil.copytree("exp", "moved")
        Path("exp").rmdir()
        Path("moved").rename("exp")
        run.train(one)
        assert (one.directory / "model.safetensors").read_bytes() == whole

    def test_an_emotion_that_train_lacks(self, recipe):
        (path,) = (recipe / "data/a/folds/speaker/0").glob("train")
        emotion = dict(line.split() for line in (recipe / "data/a/utt2emo").read_text().splitlines())
        write_list(recipe, "a", 0, "train", [utt for utt in path.read_text().split() if emotion[utt] != "sad"])
        with pytest.raises(UserError, match="a: fold 0 has no training utterance of 'sad'"):
            run.train(training(settings()))

    def test_half_precision_without_a_gpu(self):
        config = settings(precision="fp16")
        with pytest.raises(UserError, match="fp16 needs a GPU"):
            run.train(training(config))

    def test_a_layer_that_is_not_there(self):
        config = settings(layer="9")
        with pytest.raises(UserError, match="small has no layer 9; its last is 3"):
            run.train(training(config))

    def test_an_utterance_that_is_too_short(self, recipe):
        import soundfile

        soundfile.write("audio/a/a_02-0002.wav", np.zeros(100), 16000)
        with pytest.raises(UserError, match="a_02-0002: .*too short"):
            run.train(training(settings()))


@pytest.mark.integration
def test_two_processes_compute_what_one_does(recipe):
    write_encoder(recipe, dropout=0.0)
    config = settings(strategies=["full"], lr=1e-3, epochs=4, patience=4, batch_size=5)
    one = training(config)
    run.train(one)
    alone = curve(one)
    (one.directory / stamp.NAME).unlink()
    write_experiment(recipe, config)
    write_plan(config, [str(one.directory)])
    process = start(processes=2)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    for row, other in zip(curve(one), alone, strict=True):
        for key in ("train_loss", "dev_loss", "dev_ua"):
            assert float(row[key]) == pytest.approx(float(other[key]), abs=1e-3)
    assert EmotionClassifier.load(one.directory).provenance["processes"] == 2
    assert (one.directory / stamp.NAME).is_file()


def test_jobs_divide_the_work_and_the_last_one_tests(recipe, capsys, monkeypatch):
    config = settings()
    write_experiment(recipe, config)
    for job in (1, 2):
        monkeypatch.setattr(sys, "argv", ["train", "--job", str(job), "--nj", "2"])
        train.main()
        assert Path("exp/finetune/small.head.a-a.layer=2/.done").exists() == (job == 2)
    assert "1 of its models are still to be trained" in capsys.readouterr().out
    before = Path("exp/finetune/small.head.a-a.layer=2/scores.csv").stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", ["train"])
    train.main()
    assert Path("exp/finetune/small.head.a-a.layer=2/scores.csv").stat().st_mtime_ns == before
