"""A cache gives what was computed, rounded to its precision, and computes nothing twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import disks
from utils.data_dir import Utterance, read_utterances, write_data_dir
from utils.errors import UserError
from utils.feature_cache import InputCache


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    rng = np.random.default_rng(0)
    for name, samples in (("a", 900), ("b", 500), ("c", 700)):
        soundfile.write(tmp_path / f"{name}.wav", rng.uniform(-0.5, 0.5, samples), 16000)
    files = {name: str(tmp_path / f"{name}.wav") for name in "abc"}
    write_data_dir(tmp_path / "data", {"utt2spk": dict.fromkeys("abc", "a"), "wav.scp": files})
    return read_utterances(tmp_path / "data")


def compute(wave: np.ndarray) -> np.ndarray:
    """Frames of 100 samples, as two channels of 50."""
    return wave[: len(wave) // 100 * 100].reshape(-1, 2, 50)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_gives_what_was_computed_in_its_precision(tmp_path: Path, utterances: list[Utterance], precision: str) -> None:
    InputCache(tmp_path / "c", "x", precision).fill(utterances[:2], compute, False)
    cache = InputCache(tmp_path / "c", "x", precision)
    cache.fill(utterances, compute, False)
    for utterance in utterances:
        want = compute(utterance.load())
        for got in (cache.read(utterance), InputCache(tmp_path / "c", "x", precision).get(utterance, compute)):
            assert got.dtype == precision and np.array_equal(got, want.astype(precision))
        assert cache.frames(utterance) == len(want)


def test_computes_nothing_twice(tmp_path: Path, utterances: list[Utterance]) -> None:
    InputCache(tmp_path / "c", "x").fill(utterances, compute, False)
    InputCache(tmp_path / "c", "x").fill(utterances, None, False)
    seen = []
    InputCache(tmp_path / "c", "y").fill(utterances, lambda wave: seen.append(1) or compute(wave), False)
    assert len(seen) == 3


def test_computes_what_it_does_not_keep(tmp_path: Path, utterances: list[Utterance]) -> None:
    cache = InputCache(tmp_path / "c", "x", "float32")
    cache.fill(utterances[:1], compute, False)
    assert np.array_equal(cache.get(utterances[1], compute), compute(utterances[1].load()))
    with pytest.raises(KeyError):
        cache.frames(utterances[1])


def test_drops_rows_that_the_index_does_not_tell_of(tmp_path: Path, utterances: list[Utterance]) -> None:
    InputCache(tmp_path / "c", "x").fill(utterances[:1], compute, False)
    (path,) = tmp_path.glob("c/*/inputs.f16")
    path.write_bytes(path.read_bytes() + b"left by a dead process")
    cache = InputCache(tmp_path / "c", "x")
    cache.fill(utterances, compute, False)
    assert np.array_equal(cache.read(utterances[2]), compute(utterances[2].load()).astype(np.float16))


def test_a_flipped_bit_is_found_by_its_checksum(tmp_path: Path, utterances: list[Utterance]) -> None:
    InputCache(tmp_path / "c", "x").fill(utterances, compute, False)
    (path,) = tmp_path.glob("c/*/inputs.f16")
    assert list(InputCache.damage(path.parent)) == []
    content = bytearray(path.read_bytes())
    content[-1] ^= 4
    path.write_bytes(content)
    (found,) = InputCache.damage(path.parent)
    said = f"{path} does not have the checksum of what was computed of {utterances[2].source}; remove {path.parent}"
    assert found.startswith(said)


def test_a_file_that_is_cut_short_is_named(tmp_path: Path, utterances: list[Utterance]) -> None:
    InputCache(tmp_path / "c", "x").fill(utterances, compute, False)
    (path,) = tmp_path.glob("c/*/inputs.f16")
    for cut in (lambda: path.write_bytes(path.read_bytes()[:-1]), path.unlink):
        cut()
        for use in (
            lambda: InputCache(tmp_path / "c", "x").fill(utterances, compute, False),
            lambda: InputCache(tmp_path / "c", "x").get(utterances[0], compute),
        ):
            with pytest.raises(UserError, match=f"inputs.f16: cut short or missing; remove {path.parent}"):
                use()


def test_a_full_disk_leaves_what_is_whole(tmp_path: Path, utterances: list[Utterance]) -> None:
    with disks.full(tmp_path / "c", 8192):
        rows = [utterances[0], *(dataclasses.replace(utterances[1], end=0.02 + n / 100_000) for n in range(100))]
        with pytest.raises(OSError, match=r"No space left on device: .*(inputs\.f32|index\.json)"):
            InputCache(tmp_path / "c", "x", "float32").fill(rows, compute, False)
        assert not list(tmp_path.glob("c/*/.index*"))


def test_says_which_file_is_damaged(tmp_path: Path, utterances: list[Utterance]) -> None:
    InputCache(tmp_path / "c", "x").fill(utterances, compute, False)
    (path,) = tmp_path.glob("c/*/index.json")
    path.write_text("{")
    with pytest.raises(UserError, match="index.json: damaged; remove "):
        InputCache(tmp_path / "c", "x").fill(utterances, compute, False)
