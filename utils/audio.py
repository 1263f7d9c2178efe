"""The one audio loader: any file that libsndfile reads becomes 16 kHz mono float32."""

from __future__ import annotations

import io
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.errors import UserError

SAMPLE_RATE = 16000


class AudioInfo(NamedTuple):
    """What a header says: sampling rate in Hz, number of channels, number of frames."""

    sample_rate: int
    channels: int
    frames: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def info(path: str | Path) -> AudioInfo:
    """Read an audio file's header only.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    AudioInfo

    Raises
    ------
    UserError
        The file is missing or is not audio that libsndfile reads.
    """
    import soundfile

    try:
        header = soundfile.info(_existing(path))
    except soundfile.SoundFileError as error:
        raise UserError(f"{path}: not readable as audio ({_reason(error)})") from error
    return AudioInfo(header.samplerate, header.channels, header.frames)


def load(source: str | Path, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Read audio as 16 kHz mono float32.

    Channels are averaged; other rates are resampled with torchaudio's windowed sinc. Only the
    asked-for stretch of a file is decoded.

    Parameters
    ----------
    source : str or Path
        A path, or a Kaldi input pipe (``command |``).
    start, end : float
        Stretch to read, in seconds; ``end=None`` reads to the end of the file. An ``end`` past the
        end of the file by less than 0.05 s is taken as the end.

    Returns
    -------
    ndarray of float32, shape (samples,)

    Raises
    ------
    UserError
        The file is missing, unreadable, truncated, empty, or holds NaN or infinite samples; the
        stretch lies outside the file; the pipe's command fails.
    """
    import soundfile

    text = str(source)
    handle = io.BytesIO(_read_pipe(text)) if text.rstrip().endswith("|") else _existing(source)
    try:
        with soundfile.SoundFile(handle) as file:
            rate = file.samplerate
            first = round(start * rate)
            last = file.frames if end is None else round(end * rate)
            if not 0 <= first < last or last > file.frames + 0.05 * rate:
                raise UserError(
                    f"{source}: the stretch {start:g}-{'end' if end is None else f'{end:g}'} s lies outside "
                    f"the file, which is {file.frames / rate:g} s long"
                )
            last = min(last, file.frames)
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise UserError(f"{source}: not readable as audio ({_reason(error)})") from error
    if len(samples) < last - first:
        raise UserError(f"{source}: truncated: {len(samples)} of {last - first} samples could be read")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise UserError(f"{source}: holds NaN or infinite samples")
    return np.ascontiguousarray(mono if rate == SAMPLE_RATE else _resample(mono, rate))


def _resample(samples: np.ndarray, rate: int) -> np.ndarray:
    import torch
    import torchaudio.functional

    with torch.no_grad():
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()


def _existing(path: str | Path) -> str:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")
    return str(path)


def _read_pipe(text: str) -> bytes:
    command = text.rstrip().removesuffix("|").strip()
    # Kaldi's convention: wav.scp may name a shell pipeline, so it is run by a shell, as Kaldi does.
    script = f"set -o pipefail; {command}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    if result.returncode != 0 or not result.stdout:
        reason = result.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"the audio pipe {shlex.quote(command)} failed: {reason[-1] if reason else 'no output'}")
    return result.stdout


def _reason(error: Exception) -> str:
    return str(error).rstrip(".").split(": ")[-1]
