"""Files that are not what their headers say."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils import audio
from utils.errors import UserError

NOISE = 0.1 * np.random.default_rng(0).standard_normal(80000)
FORMATS = {
    "a.wav": {},
    "wide.wav": {"format": "WAVEX", "subtype": "PCM_24"},
    "float.wav": {"subtype": "FLOAT"},
    "a.aiff": {},
    "a.flac": {},
    "a.mp3": {},
    "vorbis.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus.ogg": {"format": "OGG", "subtype": "OPUS"},
}


@pytest.fixture(params=FORMATS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    soundfile.write(tmp_path / request.param, NOISE, 16000, **FORMATS[request.param])
    return tmp_path / request.param


def test_a_whole_file_is_what_its_header_says(file: Path) -> None:
    assert audio.verify(file) == (16000, 1, 80000) == audio.info(file)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_found_in_every_format(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=f"{file.name}: truncated"):
        audio.verify(file)


def wav(data: bytes, size: int) -> bytes:
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", min(36 + size, 0xFFFFFFFF), b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", size)  # fmt: skip  # noqa: E501
    return header + data


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFF000 - 36, 32000 + 44])
def test_sizes_that_programs_write_for_want_of_better_are_no_truncation(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(bytes(32000), size))
    assert audio.verify(path).duration == 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_no_numbers_are_found(tmp_path: Path, value: float, subtype: str) -> None:
    samples = NOISE.copy()
    samples[-1] = value
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype=subtype)
    with pytest.raises(UserError, match="a.wav: holds NaN or infinite samples"):
        audio.verify(tmp_path / "a.wav")


def test_the_other_faults_have_names(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no audio at all, whatever its name says\n" * 9)
    (tmp_path / "folder.wav").mkdir()
    faults = {
        "none.wav": "holds no samples",
        "empty.wav": "the file is empty",
        "text.wav": "not readable as audio",
        "folder.wav": "no such audio file",
        "missing.wav": "no such audio file",
    }
    for name, fault in faults.items():
        with pytest.raises(UserError, match=f"{name}: {fault}"):
            audio.verify(tmp_path / name)


def test_reading_at_the_files_own_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", NOISE, 48000, subtype="FLOAT")
    samples, rate = audio.read(tmp_path / "a.wav", 0.1, 0.2)
    assert rate == 48000
    np.testing.assert_array_equal(samples, NOISE[4800:9600].astype(np.float32))
