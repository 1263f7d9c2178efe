"""Training learns, gives the same weights every time, and goes on after an interruption as if there had been none."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from local.experiment import Sed
from local.sed.data.sets import frame_labels
from local.sed.model import brain
from local.sed.model.batches import Batches
from local.sed.model.brain import DiarizerBrain, Example, Run, fit
from local.sed.model.diarizer import Diarizer
from local.sed.model.load import load
from tests import disks
from tests.local.encoders.checkpoints import DIM, LAYERS, write_checkpoint
from utils.data_dir import Utterance
from utils.errors import UserError
from utils.feature_cache import InputCache
from utils.rttm import Segment

EMOTIONS = ["angry", "neutral", "sad"]
SETTINGS = Sed(epochs=4, patience=4, batch_seconds=4.0, lr=1e-2, lr_encoder=1e-3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For matrices so small threads cost more than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose only encoder is a small random one; its dropouts are at work."""
    write_checkpoint(tmp_path / "encoder", "hubert-base")
    (tmp_path / "conf").mkdir()
    entry = f"small:\n  source: ./encoder\n  layers: {LAYERS}\n  dim: {DIM}\n"
    (tmp_path / "conf/encoders.yaml").write_text(entry)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(path: Path, seed: int) -> Example:
    """A neutral stretch of noise, then an emotional one that sounds otherwise: a high tone, or a low one."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6000, 12000, 2)
    emotion = ("angry", "sad")[seed % 2]
    time = np.arange(lengths[1]) / 16000
    tone = np.sin(2 * np.pi * {"angry": 2500, "sad": 300}[emotion] * time)
    samples = np.concatenate(
        [0.1 * rng.standard_normal(lengths[0]), 0.2 * tone + 0.01 * rng.standard_normal(lengths[1])]
    )
    if not path.exists():
        soundfile.write(path, samples, 16000)
    end, total = lengths[0] / 16000, sum(lengths) / 16000
    utterance = Utterance(path.stem, "s", path.stem, str(path), 0.0, None, total)
    return Example(utterance, [Segment(path.stem, 0.0, end, "neutral"), Segment(path.stem, end, total, emotion)])


def make(recipe: Path, name: str = "run", mode: str = "frozen", seed: int = 0, **settings: object) -> Run:
    (recipe / "wav").mkdir(exist_ok=True)
    train = [record(recipe / f"wav/train{n}.wav", n) for n in range(8)]
    dev = [record(recipe / f"wav/dev{n}.wav", 100 + n) for n in range(4)]
    chosen = dataclasses.replace(SETTINGS, **settings)
    identity = {"mode": mode, "seed": seed, "settings": dataclasses.asdict(chosen)}
    return Run(recipe / name, "small", mode, EMOTIONS, train, dev, seed, chosen, recipe / "cache", identity)


def curve(run: Run) -> list[dict[str, str]]:
    with open(run.folder / "curve.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def timeless(run: Run) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in curve(run)]


def same(one: Diarizer, other: Diarizer) -> bool:
    return all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def dev_results(run: Run, diarizer: Diarizer) -> tuple[float, float]:
    """Mean cross entropy and mean recall of the dev frames, from posteriors."""
    posteriors = [diarizer.posteriors(example.utterance.load()) for example in run.dev]
    labels = [
        frame_labels(example.reference, len(own), EMOTIONS) for example, own in zip(run.dev, posteriors, strict=True)
    ]
    posteriors, labels = np.concatenate(posteriors), np.concatenate(labels)
    right = posteriors.argmax(axis=1) == labels
    recalls = [right[labels == label].mean() for label in range(len(EMOTIONS))]
    return float(-np.log(posteriors[np.arange(len(labels)), labels]).mean()), float(np.mean(recalls))


@pytest.mark.parametrize("mode", ["frozen", "context", "tuned", "recipe"])
def test_it_learns_and_keeps_the_best_epoch(recipe: Path, mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    run = make(recipe, mode=mode, epochs=7, lr=0.01 if mode == "context" else 0.05, batch_seconds=3.0)
    # A random encoder does not carry over to other recordings; that it learns these will do.
    run = dataclasses.replace(run, dev=run.train[:6])
    diarizer = fit(run)
    rows = curve(run)
    assert list(rows[0]) == ["epoch", "train_loss", "dev_loss", "dev_frame_ua", "seconds"]
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1))
    best = min(rows, key=lambda row: float(row["dev_loss"]))
    # Recomputed from what it gave back, in 32 bits where training read 16.
    loss, accuracy = dev_results(run, diarizer)
    assert loss == pytest.approx(float(best["dev_loss"]), abs=0.01)
    assert accuracy == pytest.approx(float(best["dev_frame_ua"]), abs=0.02)
    assert accuracy > 0.8 and float(rows[-1]["train_loss"]) < 0.7 * float(rows[0]["train_loss"])
    assert diarizer.provenance["best_epoch"] == int(best["epoch"]) and not diarizer.training
    assert same(diarizer, load(run.folder))
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.json", "curve.csv", "model.safetensors", "run.json",
    ]  # fmt: skip
    # A line an epoch, one for the best; nothing of SpeechBrain's.
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == len(rows) + 1


@pytest.mark.parametrize("mode", ["context", "tuned"])
def test_same_seed_same_weights(recipe: Path, mode: str) -> None:
    torch.manual_seed(1)
    one = fit(make(recipe, "one", mode, epochs=2))
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    again = fit(make(recipe, "again", mode, epochs=2))
    assert same(one, again) and timeless(make(recipe, "one", mode)) == timeless(make(recipe, "again", mode))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not same(one, fit(make(recipe, "other", mode, seed=1, epochs=2)))


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, calls: int) -> Callable[[], None]:
    """Let a method of the brain fail when it is called for the n-th time."""
    original, left = getattr(DiarizerBrain, method), [calls]

    def failing(self: DiarizerBrain, *arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(self, *arguments, **named)

    monkeypatch.setattr(DiarizerBrain, method, failing)
    return lambda: monkeypatch.setattr(DiarizerBrain, method, original)


@pytest.mark.parametrize("mode", ["context", "tuned"])
def test_an_interrupted_run_goes_on(recipe: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(make(recipe, "whole", mode))
    run = make(recipe, "cut", mode)
    # In the middle of the third epoch, and again before the fourth is noted.
    for method, calls in (("compute_forward", 2 * len(batches_of(run)) + 1), ("on_stage_end", 3)):
        undo = interrupt(monkeypatch, method, calls)
        with pytest.raises(KeyboardInterrupt):
            fit(run)
        undo()
        assert not (run.folder / "config.json").exists()
    assert len(curve(run)) == 3
    # One that was killed while it wrote a checkpoint.
    torn = run.folder / "checkpoints/CKPT+epoch4"
    torn.mkdir()
    (torn / "CKPT.yaml").write_text("")
    trained = count(monkeypatch, DiarizerBrain, "on_stage_start")
    got = fit(run)
    assert len(trained) == 2 and same(got, whole) and timeless(run) == timeless(make(recipe, "whole", mode))


def batches_of(run: Run) -> list:
    """The batches of an epoch, of train and of dev."""
    cache = InputCache(run.cache, "other")
    found = []
    for examples in (run.train, run.dev):
        utterances = [example.utterance for example in examples]
        cache.fill(utterances, lambda samples: np.zeros((len(samples) // 320 - 1, 1), np.float16), False)
        labels = [np.zeros(cache.frames(utterance), np.int64) for utterance in utterances]
        found += Batches(cache, utterances, labels, run.settings.batch_seconds, run.seed)
    return found


def count(monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> list:
    """Note every call of a method."""
    original, calls = getattr(owner, method), []

    def counting(self: object, *arguments: object) -> object:
        calls.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(owner, method, counting)
    return calls


def test_a_full_disk_is_the_system_s_error_and_what_is_whole_counts(recipe: Path) -> None:
    whole = fit(make(recipe, "whole", "tuned", epochs=2))
    run = make(recipe, "disk/run", "tuned", epochs=2)
    with disks.full(recipe / "disk", 600_000):
        with pytest.raises(OSError, match=f"No space left on device: '{recipe}/disk/run"):
            fit(run)
        assert not (run.folder / "config.json").exists()
        shutil.copytree(recipe / "disk", recipe / "moved")
    (recipe / "disk").rmdir()
    (recipe / "moved").rename(recipe / "disk")
    assert same(fit(run), whole)


def test_a_finished_run_is_loaded_and_a_changed_one_begins_anew(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit(make(recipe, epochs=2))
    trained = count(monkeypatch, DiarizerBrain, "on_stage_start")
    assert same(fit(make(recipe, epochs=2)), first) and trained == []
    assert not same(fit(make(recipe, epochs=2, lr=2e-2)), first) and len(trained) == 4
    assert len(curve(make(recipe))) == 2


def test_it_stops_when_dev_gets_no_better(recipe: Path) -> None:
    run = make(recipe, epochs=30, patience=2, lr=3e-2)
    # What dev says of tones is the opposite of what train says.
    swap = {"angry": "sad", "sad": "angry", "neutral": "neutral"}
    dev = [
        Example(one.utterance, [dataclasses.replace(segment, label=swap[segment.label]) for segment in one.reference])
        for one in run.dev
    ]
    run = dataclasses.replace(run, dev=dev)
    diarizer = fit(run)
    best = diarizer.provenance["best_epoch"]
    losses = [float(row["dev_loss"]) for row in curve(run)]
    # It is the best epoch's, not the last one's.
    assert losses[-1] > min(losses) + 0.02
    assert dev_results(run, diarizer)[0] == pytest.approx(min(losses), abs=0.005)
    assert losses.index(min(losses)) + 1 == best and len(losses) == best + 2 < 30


def test_inputs_are_computed_once_an_utterance(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = count(monkeypatch, Diarizer, "cached_input")
    run = make(recipe, epochs=2)
    fit(run)
    assert len(computed) == len(run.train) + len(run.dev)
    fit(make(recipe, "other", seed=1, epochs=2))
    assert len(computed) == len(run.train) + len(run.dev)
    fit(make(recipe, "tuned", mode="tuned", epochs=1))
    assert len(computed) == 2 * (len(run.train) + len(run.dev))


def test_blocks_and_classifier_have_their_own_rates(recipe: Path) -> None:
    started = Diarizer(brain.encoders.load_tunable(brain.encoders.spec("small")), EMOTIONS, "tuned")
    for name, kept in (("still", "blocks."), ("moved", "classifier.")):
        rates = {"lr": 1e-2, "lr_encoder": 0.0} if name == "still" else {"lr": 0.0, "lr_encoder": 1e-3}
        got = fit(make(recipe, name, "tuned", epochs=1, **rates))
        assert got.encoder_sha256() == started.encoder_sha256()
        for key, tensor in got.state_dict().items():
            # The bias of keys has no gradient but for rounding.
            if "k_proj.bias" not in key:
                assert torch.equal(tensor, started.state_dict()[key]) == key.startswith(kept), key


def test_a_loss_that_is_not_finite(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"run: the loss is (nan|inf) in epoch 1; lower sed.lr \(1e\+37\)"):
        fit(make(recipe, lr=1e37))


def test_nothing_to_train_on(recipe: Path) -> None:
    for part in ("train", "dev"):
        with pytest.raises(UserError, match=f"no utterances in {part}"):
            fit(dataclasses.replace(make(recipe), **{part: []}))


def test_an_utterance_that_is_too_short_is_named(recipe: Path) -> None:
    run = make(recipe)
    soundfile.write(recipe / "wav/tiny.wav", np.zeros(300), 16000)
    tiny = dataclasses.replace(run.dev[0].utterance, id="tiny", source=str(recipe / "wav/tiny.wav"))
    with pytest.raises(UserError, match="tiny: 0.0187 s of audio are too short for the encoder small"):
        fit(dataclasses.replace(run, dev=[*run.dev, Example(tiny, [])]))
    # What was computed before that is kept.
    assert len(json.loads(next((recipe / "cache").glob("*/index.json")).read_text())["places"]) == 12


def test_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [*rng.integers(1, 300, 60).tolist(), 2000]
    utterances = [Utterance(f"u{n}", "s", f"u{n}", f"made {n} |", 0.0, None, None) for n in range(len(frames))]
    lengths = iter(frames)
    cache = InputCache(tmp_path, "kind")

    class Loaded(Utterance):
        def load(self) -> np.ndarray:
            return np.zeros(1, np.float32)

    utterances = [Loaded(**dataclasses.asdict(utterance)) for utterance in utterances]
    cache.fill(utterances, lambda _: rng.random((next(lengths), 3)).astype(np.float16), False)
    labels = [np.full(length, number) for number, length in enumerate(frames)]
    batches = Batches(cache, utterances, labels, 10.0, 0)
    seen = {}
    for epoch in (1, 2, 1):
        batches.set_epoch(epoch)
        order = list(batches)
        assert sorted(index for batch in order for index in batch) == list(range(len(frames)))
        for batch in order:
            seconds = [frames[index] // 50 for index in batch]
            assert seconds == sorted(seconds) and (sum(frames[index] for index in batch) <= 500 or len(batch) == 1)
        assert seen.setdefault(epoch, order) == order
    assert seen[1] != seen[2]
    for order, (inputs, read, lengths) in zip(seen[1], batches.loader(), strict=True):
        assert lengths == [frames[index] for index in order]
        assert inputs.shape == (sum(lengths), 3) and inputs.dtype == torch.float16
        assert read.tolist() == [index for index in order for _ in range(frames[index])]
        assert np.array_equal(inputs.numpy(), np.concatenate([cache.read(utterances[index]) for index in order]))


def test_the_cache_outlives_a_kill_and_notices_other_audio(recipe: Path) -> None:
    examples = make(recipe).train
    utterances = [example.utterance for example in examples]

    def compute(samples: np.ndarray) -> np.ndarray:
        return samples[:40, None].astype(np.float16)

    InputCache(recipe / "c", "kind").fill(utterances[:3], compute, False)
    data = next((recipe / "c").glob("*/inputs.f16"))
    # Rows without an index, as a killed process leaves them.
    with open(data, "ab") as file:
        file.write(b"\1" * 10)
    (recipe / "wav/train0.wav").unlink()
    record(recipe / "wav/train0.wav", 50)
    cache = InputCache(recipe / "c", "kind")
    cache.fill(utterances, compute, False)
    for utterance in utterances:
        assert np.array_equal(cache.read(utterance), compute(utterance.load()))
    assert data.stat().st_size == (3 + 1 + 5) * 40 * 2
    data.with_name("index.json").write_text("{")
    with pytest.raises(UserError, match="index.json: damaged; remove"):
        InputCache(recipe / "c", "kind").fill(utterances, compute, False)
