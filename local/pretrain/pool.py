"""The audio of a pre-training run: decoded once to a flat file, read through a memory map.

Each data directory and speed is one stream: its utterances in a shuffled order, one after another, each brought to
the same loudness (the model's input is normalised too). Crops are cut anywhere in a stream.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.pretrain.config import HOP, SAMPLE_RATE, WINDOW, Augment, frames_of, samples_of
from utils import data_dir
from utils.atomic import atomic_file
from utils.errors import UserError

LOUDNESS = 0.08  # root mean square of a stored utterance, full scale being 1
_QUIET = 1e-4  # an utterance below this level is silence
_INDEX = "pool.json"
_AUDIO = "pool.i16"


class Stream(NamedTuple):
    """A stretch of the pool: where it begins, in samples and in frames, and how many frames it has."""

    name: str
    speed: float
    sample: int
    frame: int
    frames: int


class Pool(NamedTuple):
    """The streams, their samples, and the seconds of distinct audio a data directory (speed copies not counted)."""

    streams: list[Stream]
    samples: np.ndarray
    seconds: dict[str, float]

    @property
    def frames(self) -> int:
        """Frames of all streams."""
        return sum(stream.frames for stream in self.streams)

    def cut(self, stream: Stream, frame: int, frames: int) -> np.ndarray:
        """Cut so many frames' samples out of a stream: float32, shape (400 + 320 (frames - 1),)."""
        start = stream.sample + frame * HOP
        return self.samples[start : start + samples_of(frames)].astype(np.float32) / 32768


def build(folder: Path, data: Sequence[str | Path], speeds: Sequence[float], seed: int) -> None:
    """Decode data directories into ``pool.i16`` and ``pool.json`` of a folder, for :func:`read`.

    Each directory is stored once at each speed, resampled: pitch and formants move along. The order of the utterances
    depends on the seed.
    """
    streams, seconds = [], {}
    sample = frame = 0
    with atomic_file(folder / _AUDIO, "wb") as file:
        for directory in map(Path, data):
            utterances = data_dir.read_utterances(directory)
            order = np.random.default_rng([seed, len(utterances)]).permutation(len(utterances))
            for speed in speeds:
                length = 0
                for place in order:
                    pcm = _store(_play(utterances[place].load(), speed))
                    file.write(pcm.tobytes())
                    length += len(pcm)
                frames = frames_of(length)
                if frames == 0:
                    raise UserError(f"{directory}: holds no audible speech to pre-train on")
                streams.append(Stream(str(directory), speed, sample, frame, frames))
                seconds.setdefault(str(directory), length * speed / SAMPLE_RATE)
                sample += length
                frame += frames
            print(f"{directory}: {len(utterances)} utterances, {seconds[str(directory)] / 60:.1f} min", flush=True)
    with atomic_file(folder / _INDEX) as file:
        json.dump({"streams": streams, "seconds": seconds}, file)


def read(folder: Path) -> Pool:
    """Open a pool that :func:`build` made."""
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    samples = np.memmap(folder / _AUDIO, dtype="<i2", mode="r")
    return Pool([Stream(*stream) for stream in index["streams"]], samples, index["seconds"])


def _play(samples: np.ndarray, speed: float) -> np.ndarray:
    if speed == 1:
        return samples
    import torch
    import torchaudio.functional

    return torchaudio.functional.resample(torch.from_numpy(samples), round(100 * speed), 100).numpy()


def _store(samples: np.ndarray) -> np.ndarray:
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    if level < _QUIET or len(samples) < WINDOW:
        return np.zeros(0, dtype="<i2")
    return np.clip(np.round(samples * (LOUDNESS / level * 32768)), -32768, 32767).astype("<i2")


def batch(
    pool: Pool, labels: np.ndarray, rng: np.random.Generator, size: int, frames: int, held_out: float, dev: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw crops of so many frames, and their targets, of the labels of all frames of a pool.

    Streams are drawn in proportion to their length; the share ``held_out`` at the end of each, at least one crop, is
    for ``dev``.

    Returns
    -------
    (ndarray of float32, shape (size, samples)), (ndarray of int64, shape (size, frames))
    """
    spans = []
    for stream in pool.streams:
        # A crop of the training part must end before the held-out part begins.
        border = stream.frames - max(frames, round(stream.frames * held_out))
        first, last = (border, stream.frames - frames) if dev else (0, border - frames)
        if last >= first >= 0:
            spans.append((stream, first, last))
    if not spans:
        raise UserError(
            f"the training data are too short: no data directory holds {2 * frames * HOP / SAMPLE_RATE:.1f} s of "
            "speech; give more data or a smaller train.crop_seconds"
        )
    weights = np.array([last - first + 1.0 for _, first, last in spans])
    crops, targets = [], []
    for choice in rng.choice(len(spans), size, p=weights / weights.sum()):
        stream, first, last = spans[choice]
        frame = int(rng.integers(first, last + 1))
        crops.append(pool.cut(stream, frame, frames))
        targets.append(labels[stream.frame + frame : stream.frame + frame + frames])
    return np.stack(crops), np.stack(targets).astype(np.int64)


def vary(crops: np.ndarray, rng: np.random.Generator, augment: Augment | None) -> np.ndarray:
    """Bring each crop of shape (samples,) to zero mean and unit variance, in float32.

    With ``augment``, noise of a random colour and level is added to some of them first.
    """
    from scipy.signal import lfilter

    varied = np.empty_like(crops, dtype=np.float32)
    for place, crop in enumerate(crops):
        if augment and rng.random() < augment.noise_probability:
            noise = lfilter([1.0], [1.0, -rng.uniform(0, 0.95)], rng.standard_normal(len(crop)))
            snr = rng.uniform(*augment.noise_snr)
            crop = crop + noise * (np.sqrt(np.mean(crop**2) / np.mean(noise**2)) * 10 ** (-snr / 20))
        varied[place] = normalise(crop)
    return varied


def normalise(crop: np.ndarray) -> np.ndarray:
    """Bring samples to zero mean and unit variance, as the checkpoint's preprocessor does."""
    return ((crop - crop.mean()) / np.sqrt(crop.var() + 1e-7)).astype(np.float32)
