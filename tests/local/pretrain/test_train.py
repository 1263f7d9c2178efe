"""Pre-training: targets meet their frames, an interrupted run ends where an uninterrupted one does, it learns."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from local.pretrain import pool as pools
from local.pretrain import targets, train
from local.pretrain.config import (
    HOP,
    SAMPLE_RATE,
    Augment,
    Model,
    PretrainConfig,
    Targets,
    Train,
    frames_of,
    samples_of,
)
from local.pretrain.train import pretrain as make
from local.pretrain.work import Work
from utils.errors import UserError

TINY = Model(
    layers=2, dim=32, heads=2, feed_forward=64, conv_dim=[16] * 7, position_width=16, position_groups=4, dropout=0.1
)


def settings(steps: int = 6, rounds: int = 1, **train: object) -> PretrainConfig:
    return PretrainConfig(
        model=TINY,
        targets=Targets(clusters=8, rounds=rounds, layer=1),
        augment=Augment(speeds=[1.0, 1.1]),
        # One thread: tests run beside others, and two that wait for each other take many times as long.
        train=Train(
            **{
                "steps": steps,
                "batch_size": 4,
                "crop_seconds": 0.6,
                "save_every": 2,
                "log_every": 3,
                "threads": 1,
                **train,
            }
        ),
    )


def pretrain(settings: PretrainConfig, data: dict[str, Path], out: Path) -> None:
    make(Work(settings, data, out))


def make_data(folder: Path, utterances: int = 6) -> Path:
    """Write a data directory of vowel-like buzzes that change every 0.25 s."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    lines = []
    for number in range(utterances):
        tones = [rng.choice((300, 800, 2000)) for _ in range(6)]
        time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
        wave = np.concatenate([np.sin(2 * np.pi * tone * time) for tone in tones])
        path = folder / f"s1-u{number}.wav"
        soundfile.write(path, 0.3 * wave + 0.003 * rng.standard_normal(len(wave)), SAMPLE_RATE)
        lines.append((f"s1-u{number}", path))
    (folder / "wav.scp").write_text("".join(f"{name} {path}\n" for name, path in lines))
    (folder / "utt2spk").write_text("".join(f"{name} s1\n" for name, _ in lines))
    (folder / "utt2lang").write_text("".join(f"{name} de\n" for name, _ in lines))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_data(tmp_path_factory.mktemp("data") / "buzz")


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("samples", [400, 719, 720, 16000, 16079, 16080, 31999, 32000])
def test_targets_and_convolutions_make_the_same_frames(samples):
    from transformers import HubertConfig, HubertModel

    model = HubertModel(HubertConfig(hidden_size=16, num_hidden_layers=0, conv_dim=[8] * 7))
    made = targets.mfcc(np.random.default_rng(0).standard_normal(samples).astype(np.float32) * 0.1)
    assert made.shape == (frames_of(samples), 39)
    assert int(model._get_feat_extract_output_lengths(samples)) == frames_of(samples)
    assert frames_of(samples_of(frames_of(samples))) == frames_of(samples)


def test_target_frames_are_where_the_sound_is():
    wave = np.full(samples_of(50), 1e-4, dtype=np.float32) * np.random.default_rng(0).standard_normal(samples_of(50))
    wave[20 * HOP : 30 * HOP] += 0.3 * np.sin(np.arange(10 * HOP) * 0.3)
    energy = targets.mfcc(wave.astype(np.float32))[:, 0]
    # Frame i sees samples 320 i to 320 i + 400: 19 overlaps the onset, 29 is the last inside.
    assert set(np.flatnonzero(energy > energy.mean())) == set(range(19, 30))


@pytest.mark.parametrize(("fit_frames", "times"), [(1500, 1), (1499, 2)])
def test_every_frame_is_labelled_and_features_that_fit_are_made_once(fit_frames, times):
    from sklearn.cluster import MiniBatchKMeans

    noise = np.random.default_rng(0).integers(-3000, 3000, samples_of(1200) + samples_of(300)).astype(np.int16)
    streams = [pools.Stream("a", 1.0, 0, 0, 1200), pools.Stream("b", 1.0, samples_of(1200), 1200, 300)]
    made = []

    def features(samples):
        made.append(targets.mfcc(samples))
        return made[-1]

    asked = Targets(clusters=8, fit_frames=fit_frames)
    labels = targets.cluster(pools.Pool(streams, noise, {}), features, asked, seed=0)
    assert [len(block) for block in made] == [1000, 200, 300] * times
    everything = np.concatenate(made[:3])
    left = set(range(1500)) - set(np.random.default_rng(0).choice(1500, fit_frames, replace=False))
    kmeans = MiniBatchKMeans(8, batch_size=10_000, n_init=3, max_iter=50, random_state=0)
    assert (labels == kmeans.fit(np.delete(everything, list(left), axis=0)).predict(everything)).all()


def test_a_crop_comes_with_its_own_targets(data, tmp_path):
    pools.build(tmp_path, [data], [1.0, 1.1], seed=0)
    pool = pools.read(tmp_path)
    assert pool.frames == sum(frames_of(round(6 * 1.5 * SAMPLE_RATE / speed)) for speed in (1.0, 1.1))
    whole = np.concatenate([made for _, made in targets.blocks(pool, targets.mfcc)])
    numbers = np.arange(pool.frames)
    for dev in (False, True):
        rng = np.random.default_rng(1)
        crops, found = pools.batch(pool, numbers, rng, 8, 29, held_out=0.2, dev=dev)
        for crop, frames in zip(crops, found, strict=True):
            # Away from the edges the differences see the same neighbours.
            assert np.allclose(targets.mfcc(crop)[3:-3], whole[frames][3:-3], atol=1e-2)
        last = [(stream.frame, stream.frame + round(0.8 * stream.frames)) for stream in pool.streams]
        in_training_part = [any(low <= row[0] and row[-1] < high for low, high in last) for row in found]
        assert all(in_training_part) if not dev else not any(in_training_part)


def test_clusters_follow_the_sounds(data, tmp_path):
    pools.build(tmp_path, [data], [1.0], seed=0)
    pool = pools.read(tmp_path)
    labels = targets.cluster(pool, targets.mfcc, Targets(clusters=8), seed=0)
    assert len(labels) == pool.frames and set(labels) == set(range(8))
    steady = labels[2:10]  # inside the first tone
    assert np.bincount(steady).max() >= 6


@pytest.mark.parametrize("rounds", [1, 2])
def test_resumed_run_equals_uninterrupted(data, tmp_path, monkeypatch, rounds):
    from local.pretrain import masked_prediction as mp

    pretrain(settings(rounds=rounds), {"buzz": data}, tmp_path / "whole")
    step, calls = mp.Trainer._update, []

    def dying(self):
        calls.append(self.step)
        if len(calls) == 6 * (rounds - 1) + 6:  # in the last round, after a checkpoint and one lost step
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(mp.Trainer, "_update", dying)
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings(rounds=rounds), {"buzz": data}, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    calls[:] = [-1] * 100
    pretrain(settings(rounds=rounds), {"buzz": data}, tmp_path / "killed")
    assert calls[100:] == [4, 5]
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert all(np.array_equal(whole[name], killed[name]) for name in whole)
    assert (tmp_path / "whole/loss.csv").read_text() == (tmp_path / "killed/loss.csv").read_text()
    assert not (tmp_path / "killed.work").exists()


def test_the_number_of_threads_that_a_job_is_given_changes_no_bit(data, tmp_path):
    # Wide enough for torch to share sums among threads: with the job's own, these weights differ.
    wide = Model(layers=1, dim=64, heads=2, feed_forward=128, conv_dim=[32] * 7, position_width=16, position_groups=4)
    asked = dataclasses.replace(settings(1, batch_size=8, crop_seconds=1.0, threads=2), model=wide)
    before = torch.get_num_threads()
    try:
        for given in (1, 2):
            torch.set_num_threads(given)
            pretrain(asked, {"buzz": data}, tmp_path / str(given))
            assert torch.get_num_threads() == given
    finally:
        torch.set_num_threads(before)
    made = [(tmp_path / str(given) / "model.safetensors").read_bytes() for given in (1, 2)]
    assert made[0] == made[1]


def test_it_learns(data, tmp_path):
    pretrain(settings(steps=60, log_every=10, save_every=60, peak_lr=3e-3), {"buzz": data}, tmp_path / "out")
    rows = (tmp_path / "out/loss.csv").read_text().splitlines()
    losses = [float(row.split(",")[2]) for row in rows[1:]]
    assert losses[-1] < losses[0] - 0.3
    summary = json.loads((tmp_path / "out/pretrain.json").read_text())
    assert (summary["loss"], summary["steps"]) == (losses[-1], 60)
    assert summary["languages"] == ["de"]
    assert summary["data"] == {"buzz": {"seconds": 9.0}}


def test_checkpoint_is_transformers_own_and_a_rerun_skips(data, tmp_path, capsys):
    import torch
    from transformers import AutoFeatureExtractor, HubertModel

    pretrain(settings(), {"buzz": data}, tmp_path / "out")
    model = HubertModel.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.float32
    assert AutoFeatureExtractor.from_pretrained(tmp_path / "out").do_normalize
    assert {tensor.dtype for tensor in weights(tmp_path / "out").values()} == {np.dtype(np.float16)}
    hidden = model(torch.randn(1, 16000), output_hidden_states=True).hidden_states
    assert [tuple(state.shape) for state in hidden] == [(1, 49, 32)] * 3
    assert "| buzz | 0.1 |" in (tmp_path / "out/README.md").read_text()
    before = (tmp_path / "out/model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    pretrain(settings(), {"buzz": data}, tmp_path / "out")
    assert "skipped" in capsys.readouterr().err
    pretrain(settings(steps=7), {"buzz": data}, tmp_path / "out")
    assert "train.steps changed from 6 to 7" in capsys.readouterr().err
    assert (tmp_path / "out/model.safetensors").stat().st_mtime_ns != before


def test_masks_cover_what_they_should():
    from local.pretrain.masked_prediction import masks

    train = Train()
    masked = masks(np.random.default_rng(0), 2000, 99, train)
    # 0.65 * 99 / 10 = 6.435 spans, so 6 or 7 of the 90 places where one can start; a frame is spared when none of the
    # starts is among those that would cover it.
    covering = [min(frame, 89) - max(0, frame - 9) + 1 for frame in range(99)]
    spared = [0.565 * comb(90 - c, 6) / comb(90, 6) + 0.435 * comb(90 - c, 7) / comb(90, 7) for c in covering]
    assert masked.mean(axis=0) == pytest.approx(1 - np.array(spared), abs=0.05)
    assert masked.mean() == pytest.approx(1 - np.mean(spared), abs=0.005)
    edges = np.diff(masked.astype(int), axis=1, prepend=0, append=0)
    lengths = np.concatenate([np.flatnonzero(row == -1) - np.flatnonzero(row == 1) for row in edges])
    assert lengths.min() == 10


def test_learning_rate_rises_and_falls():
    from local.pretrain.masked_prediction import rate

    rates = [rate(step, Train(steps=100, warmup=0.1, peak_lr=1.0)) for step in range(100)]
    assert np.argmax(rates) == 9 and rates[9] == 1.0
    assert rates[0] == pytest.approx(0.1) and 0 < rates[-1] < 0.02


@pytest.mark.parametrize("what", ["absent", "no utt2spk", "too short", "missing audio"])
def test_bad_data_is_one_clear_error(tmp_path, what):
    folder = tmp_path / "d"
    if what != "absent":
        make_data(folder, utterances=1)
    if what == "no utt2spk":
        (folder / "utt2spk").unlink()
    if what == "missing audio":
        (folder / "s1-u0.wav").unlink()
    train = {"crop_seconds": 60} if what == "too short" else {}
    with pytest.raises(UserError, match="too short" if what == "too short" else str(folder)) as caught:
        pretrain(settings(**train), {"d": folder}, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_the_experiment_says_what_to_pretrain(tmp_path, repo, monkeypatch, capsys):
    (tmp_path / "conf").mkdir()
    experiment = tmp_path / "conf/experiment.yaml"

    def run(module: str, *options: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", f"local.pretrain.{module}", *options]
        environment = {"PYTHONPATH": str(repo), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "run python3 -m local.pretrain.plan first" in run("train").stderr
    experiment.write_text("corpora: [a]\nencoders: [logmel]\n")
    plan = run("plan")
    assert (plan.returncode, plan.stdout, plan.stderr) == (0, "0\n", "")
    assert not (tmp_path / "exp").exists()
    experiment.write_text("corpora: [a]\nencoders: [mine]\npretrain: [{name: mine, data: [a]}]\n")
    plan = run("plan")
    assert plan.returncode == 1
    assert plan.stderr == "error: data/a: not a data directory, there is no wav.scp; run stage 1 (data) first\n"
    experiment.write_text(
        "corpora: [a]\nencoders: [mine, yours]\nsplit: {reserve: 2}\n"
        "pretrain: [{name: mine, data: [a]}, {name: yours, data: [a, b]}]\n"
    )
    make_data(tmp_path / "data/a/folds/speaker/reserved", utterances=4)
    assert "error: data/b/folds/speaker/reserved: not a data directory" in run("plan").stderr
    make_data(tmp_path / "data/b/folds/speaker/reserved", utterances=4)
    (tmp_path / "conf/pretrain.yaml").write_text(
        "model: {layers: 1, dim: 16, heads: 2, feed_forward: 16, conv_dim: [8, 8, 8, 8, 8, 8, 8], position_width: 8, "
        "position_groups: 4}\ntargets: {clusters: 4, fit_frames: 500}\n"
        "train: {steps: 2, batch_size: 2, crop_seconds: 0.5, threads: 1}\naugment: {speeds: [1.0]}\n"
    )
    plan = run("plan")
    assert plan.stdout == "2\n" and plan.stderr.count("to be pre-trained: not made yet") == 2
    # Two jobs divide the plan, also when the second starts after the first has ended.
    for job, (name, heard) in enumerate({"mine": ["a"], "yours": ["a", "b"]}.items(), 1):
        with monkeypatch.context() as here:  # where all is imported by now
            here.chdir(tmp_path)
            here.setattr(sys, "argv", ["train", "--job", str(job), "--nj", "2"])
            train.main()
        assert capsys.readouterr().err.count(": made") == 1
        assert list(json.loads((tmp_path / f"exp/pretrain/{name}/pretrain.json").read_text())["data"]) == heard
    plan = run("plan")
    assert plan.stdout == "0\n" and plan.stderr.count("up to date, skipped") == 2


def test_the_card_reads_well(data, tmp_path):
    asked = settings(rounds=2)
    asked.note = "one two " * 30
    summary = {
        "data": {"buzz": {"seconds": 90.0}}, "parameters": 1234567, "steps": 12000, "loss": 1.0, "dev_loss": 2.0,
        "dev_accuracy": 0.25, "languages": [],
    }  # fmt: skip
    card = train._card(asked, summary)
    assert max(map(len, card.splitlines())) <= 120 and "\n\n\n" not in card
    words = " ".join(card.split())
    assert "8 clusters of MFCCs with differences, then (round 2 to 2) of layer 1's features; 12,000 steps" in words
    assert "\n| buzz | 1.5 |\n\nLanguages: unknown.\n" in card
