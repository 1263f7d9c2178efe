"""Audio a piece at a time is the whole, from files and from pipes, and holds no more than its windows."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import audio
from utils.audio_stream import of_file, of_stream, windows
from utils.errors import UserError


class Dripping(io.RawIOBase):
    """A pipe that gives a few bytes at a time, of any number."""

    def __init__(self, content: bytes):
        self._left, self._rng = content, np.random.default_rng(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        number = min(len(buffer), len(self._left), int(self._rng.integers(1, 5000)))
        buffer[:number], self._left = self._left[:number], self._left[number:]
        return number


def wave(samples: int, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(samples).standard_normal((samples, channels))


def joined(pieces: Iterator[np.ndarray]) -> np.ndarray:
    found = [*pieces]
    assert all(piece.dtype == np.float32 for piece in found)
    return np.concatenate(found)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 11025, 12000, 16000, 22050, 44100, 48000, 192000])
def test_pieces_of_a_file_add_up_to_the_whole(rate: int, channels: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", wave(3 * rate + 17, channels), rate)
    found, want = joined(of_file(tmp_path / "a.flac")), audio.load(tmp_path / "a.flac")
    assert found.shape == want.shape
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize(
    ("form", "subtype", "channels"),
    [("WAV", "PCM_16", 1), ("WAV", "PCM_16", 2), ("WAV", "PCM_32", 1), ("WAV", "FLOAT", 3), ("WAVEX", "PCM_16", 2)],
)
def test_a_stream_is_the_file(form: str, subtype: str, channels: int, rate: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, wave(2 * rate + 5, channels), rate, format=form, subtype=subtype)
    found = joined(of_stream(io.BufferedReader(Dripping(path.read_bytes()))))
    np.testing.assert_allclose(found, audio.load(path), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_what_is_not_wav_is_raw(rate: int, tmp_path: Path) -> None:
    samples = (20000 * wave(9001)[:, 0]).astype("<i2")
    soundfile.write(tmp_path / "a.wav", samples, rate)
    found = joined(of_stream(io.BufferedReader(Dripping(samples.tobytes())), rate))
    np.testing.assert_allclose(found, audio.load(tmp_path / "a.wav"), rtol=0, atol=1e-6)


def made(samples: np.ndarray, size: int | None = None) -> bytes:
    """Write WAV as programs do to a pipe, with other chunks around the samples."""
    body = samples.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + b"LIST" + struct.pack("<I", 3) + b"odd\0" + form
    return head + b"data" + struct.pack("<I", len(body) if size is None else size) + body


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF - 36, 0])
def test_a_size_that_nobody_could_know_is_none(size: int) -> None:
    samples = np.arange(1000)
    assert np.array_equal(joined(of_stream(io.BytesIO(made(samples, size)))), samples.astype(np.float32) / 2**15)


def test_what_follows_the_samples_is_no_sound() -> None:
    content = made(np.arange(1000)) + b"LIST" + struct.pack("<I", 4) + b"abcd"
    assert len(joined(of_stream(io.BytesIO(content)))) == 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (made(np.arange(100))[:40], "standard input: begins as WAV, but its header is damaged"),
        (b"RIFF\0\0\0\0AVI LIST", "header is damaged"),
        (made(np.arange(100))[:-20], "standard input: truncated: ends 20 bytes before its header says"),
        (made(np.arange(9)).replace(struct.pack("<HH", 2, 16), struct.pack("<HH", 3, 24)), "with 24 bits .*-b 16"),
    ],
)
def test_a_bad_stream_is_named(content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        joined(of_stream(io.BytesIO(content)))


def test_what_is_not_finite_is_named() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.full(100, np.nan), 16000, format="WAV", subtype="FLOAT")
    with pytest.raises(UserError, match="NaN"):
        joined(of_stream(io.BytesIO(file.getvalue())))


@pytest.mark.parametrize(("size", "shift"), [(10, 3), (10, 10), (7, 1), (300, 40)])
@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 137, 300])
def test_windows_do_not_depend_on_pieces(size: int, shift: int, length: int) -> None:
    whole, rng = np.arange(length), np.random.default_rng(length)
    cuts = np.sort(rng.integers(0, length + 1, 20))
    found = [(begin, own.tolist()) for begin, own in windows(np.split(whole, cuts), size, shift)]
    full = [*range(0, length - size + 1, shift)]
    begin = len(full) * shift
    rest = [begin] if begin < length and (not full or full[-1] + size < length) else []
    assert found == [(start, whole[start : start + size].tolist()) for start in full + rest]


def test_a_rest_that_no_model_takes_is_left_out_but_never_a_whole() -> None:
    assert [begin for begin, _ in windows([np.arange(21)], 10, 10, least=2)] == [0, 10]
    assert [begin for begin, _ in windows([np.arange(22)], 10, 10, least=2)] == [0, 10, 20]
    assert [len(own) for _, own in windows([np.arange(1)], 10, 10, least=2)] == [1]


class Silence(io.RawIOBase):
    """So many seconds of raw samples at 44.1 kHz, which are nowhere before they are read."""

    def __init__(self, seconds: float):
        self._left = 2 * round(44100 * seconds)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        number = min(len(buffer), self._left)
        buffer[:number] = bytes(number)
        self._left -= number
        return number


def test_memory_does_not_grow_with_the_length() -> None:
    def peak(seconds: float) -> int:
        tracemalloc.start()
        try:
            count = sum(1 for _ in windows(of_stream(io.BufferedReader(Silence(seconds)), 44100), 96000, 48000))
            assert count == seconds // 3 - 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(12)  # what is imported by then stays
    short, long = peak(30), peak(300)
    assert long < 1.1 * short < 8e6
