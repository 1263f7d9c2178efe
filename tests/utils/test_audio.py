"""Whatever the file is, it comes as 16 kHz mono float32, or as an error that says what is wrong with it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile

from utils import audio
from utils.errors import UserError

RATE = audio.SAMPLE_RATE


def tone(rate: int, hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    """Write samples and return the path."""

    def write(samples: np.ndarray, rate: int = RATE, name: str = "a.wav", subtype: str = "FLOAT"):
        soundfile.write(tmp_path / name, samples, rate, subtype=subtype)
        return tmp_path / name

    return write


def refused(source, *stretch: float) -> str:
    with pytest.raises(UserError) as caught:
        audio.load(source, *stretch)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_16_khz_mono_is_untouched(wav):
    samples = tone(RATE, 440)
    read = audio.load(wav(samples))
    np.testing.assert_array_equal(read, samples)
    assert read.dtype == np.float32
    assert read.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-4), ("a.wav", "PCM_24", 1e-6), ("a.wav", "PCM_U8", 1e-2), ("a.wav", "ULAW", 2e-2),
        ("a.flac", "PCM_16", 1e-4), ("a.aiff", "PCM_16", 1e-4), ("a.ogg", "VORBIS", 5e-2),
    ],
)  # fmt: skip
def test_formats(wav, name, subtype, tolerance):
    samples = tone(RATE, 440)
    path = wav(samples, name=name, subtype=subtype)
    read = audio.load(path)
    assert len(read) == len(samples) == audio.info(path).frames
    assert np.abs(read - samples)[200:-200].max() < tolerance


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled_to_the_same_tone(wav, rate):
    read = audio.load(wav(tone(rate, 1000), rate))
    assert len(read) == RATE
    assert np.abs(read - tone(RATE, 1000))[400:-400].max() < 0.01


def test_what_16_khz_cannot_hold_is_filtered_out(wav):
    assert np.abs(audio.load(wav(tone(48000, 12000), 48000)))[400:-400].max() < 0.01


def test_channels_are_averaged(wav):
    left, right = tone(RATE, 300), tone(RATE, 700)
    read = audio.load(wav(np.stack([left, right, 0 * left, 0 * left], axis=1)))
    np.testing.assert_allclose(read, (left + right) / 4, atol=1e-7)


def test_stretches_of_a_recording_make_up_the_whole(wav):
    samples = tone(RATE, 440)
    path = wav(samples)
    cuts = [0.0, 0.1, 0.33335, 0.9, 1.0]
    parts = [audio.load(path, start, end) for start, end in zip(cuts, cuts[1:], strict=False)]
    np.testing.assert_array_equal(np.concatenate(parts), samples)
    np.testing.assert_array_equal(audio.load(path, 0.9), parts[-1])


def test_a_stretch_may_end_a_little_late(wav):
    path = wav(tone(RATE, 440))
    assert len(audio.load(path, 0.5, 1.04)) == RATE // 2
    for stretch in [(0.5, 1.06), (1.0, 1.01), (0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (2.0,)]:
        assert "lies outside the file, which is 1 s long" in refused(path, *stretch)


def test_a_stretch_at_another_rate(wav):
    read = audio.load(wav(tone(44100, 440), 44100), 0.25, 0.75)
    assert len(read) == RATE // 2


def test_read_keeps_the_rate(wav):
    samples, rate = audio.read(wav(tone(8000, 440), 8000))
    assert (len(samples), rate) == (8000, 8000)


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "PCM_16"), ("a.wav", "FLOAT"), ("a.flac", "PCM_16"), ("a.aiff", "PCM_16")]
)
@pytest.mark.parametrize("part", [0.9, 0.5, 0.1, 0.03])
def test_a_truncated_file(wav, name, subtype, part):
    path = wav(tone(RATE, 440), name=name, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert str(path) in refused(path)
    with pytest.raises(UserError):
        audio.verify(path)


def test_no_cut_is_a_traceback_or_silently_short(wav):
    samples = tone(RATE, 440, 0.02)
    path = wav(samples, subtype="PCM_16")
    whole = path.read_bytes()
    for length in range(len(whole) - 4):
        path.write_bytes(whole[:length])
        try:
            assert len(audio.load(path)) >= len(samples) - 0.01 * RATE - 1
        except UserError:
            continue


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.wav", b"", "the file is empty"),
        ("a.wav", b"RIFF", "not readable as audio"),
        ("a.wav", b"<html>not found</html>" * 50, "not readable as audio"),
        ("a.txt", b"hello", "not readable as audio"),
        ("a.raw", b"\0\1" * 500, "raw samples without a header"),
    ],
)
def test_what_is_no_audio(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    assert words in refused(path)
    for function in (audio.info, audio.verify):
        with pytest.raises(UserError, match=words):
            function(path)


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.wav", tmp_path):
        assert refused(path) == f"{path}: no such audio file"


def test_no_samples(wav):
    path = wav(np.zeros(0, dtype=np.float32))
    assert refused(path) == f"{path}: holds no samples"
    with pytest.raises(UserError, match="holds no samples"):
        audio.verify(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(wav, value):
    samples = np.stack([tone(RATE, 440)] * 2, axis=1)
    samples[-1, 1] = value
    path = wav(samples)
    assert refused(path) == f"{path}: holds NaN or infinite samples"
    with pytest.raises(UserError, match="NaN or infinite"):
        audio.verify(path)
    assert len(audio.load(path, 0.0, 0.5)) == RATE // 2


@pytest.fixture
def pipes(monkeypatch):
    """Pipes are allowed."""
    monkeypatch.setenv(audio.ALLOW_PIPES, "true")


def test_a_pipe_is_not_run_unless_that_is_allowed(tmp_path, wav, monkeypatch):
    monkeypatch.delenv(audio.ALLOW_PIPES, raising=False)
    path = wav(tone(RATE, 440))
    for source in (f"touch {tmp_path}/ran; cat {path} |", f"touch {tmp_path}/ran |", f"touch {tmp_path}/ran|\n"):
        assert "is not run; where you trust it, give run.sh --allow-pipes" in refused(source)
    for source in (f"| touch {tmp_path}/ran", f"$(touch {tmp_path}/ran)", f"`touch {tmp_path}/ran`", "-", "-|-"):
        assert refused(source) == f"{source}: no such audio file"
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("pipes")
def test_a_pipe(wav):
    path = wav(tone(RATE, 440), subtype="PCM_16")
    np.testing.assert_array_equal(audio.load(f"cat {path} |"), audio.load(path))
    np.testing.assert_array_equal(audio.load(f" cat {path} | cat  | ", 0.2, 0.4), audio.load(path, 0.2, 0.4))


@pytest.mark.usefixtures("pipes")
@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
def test_the_pipe_that_kaldi_recipes_use(wav):
    path = wav(tone(8000, 440), 8000, subtype="PCM_16")
    read = audio.load(f"sox {path} -t wav -r 16k - |")
    assert len(read) == RATE
    assert np.abs(read - tone(RATE, 440))[400:-400].max() < 0.02


@pytest.mark.usefixtures("pipes")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cat /no/such.wav |", "No such file"),
        ("true |", "no output"),
        ("false | cat {} |", "failed"),
        ("echo hello |", "not readable as audio"),
    ],
)
def test_a_pipe_that_fails(wav, command, words):
    command = command.format(wav(tone(RATE, 440)))
    assert words in refused(command)


@pytest.mark.usefixtures("pipes")
def test_a_size_that_the_writer_could_not_know(wav):
    path = wav(tone(RATE, 440), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(audio.load(path)) == len(audio.load(f"cat {path} |")) == RATE
    assert audio.verify(path).duration == 1.0


def test_headers(wav):
    path = wav(np.stack([tone(44100, 440, 0.5)] * 2, axis=1), 44100)
    assert audio.info(path) == audio.verify(path) == (44100, 2, 22050)
    assert audio.info(path).duration == 0.5


def test_real_speech_loads(corpora):
    for corpus in sorted(path for path in corpora.iterdir() if path.is_dir()):
        files = sorted(path for path in corpus.rglob("*") if path.suffix in (".wav", ".flac", ".ogg", ".opus", ".mp3"))
        assert files, corpus
        for path in files[:: max(1, len(files) // 3)]:
            samples = audio.load(path)
            assert abs(len(samples) / RATE - audio.verify(path).duration) < 1e-3
            assert 0.005 < np.abs(samples).max() <= 1.5
