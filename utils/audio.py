"""The one audio loader: any file that libsndfile reads becomes 16 kHz mono float32."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import soundfile

SAMPLE_RATE = 16000
ALLOW_PIPES = "XSER_ALLOW_PIPES"  # run.sh --allow-pipes sets it to true, and jobs inherit it
# libsndfile's note that a WAV's or AIFF's sample chunk is longer in the header than in the file.
_CHUNK_SIZES = re.compile(r"^\s*(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
# Programs that write to a pipe cannot know the size and put in the largest (or nearly).
_ENDLESS = 0x7FFF0000


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

    Raises
    ------
    UserError
        The file is missing or is not audio that libsndfile reads.
    """
    with _opened(path, _existing(path)) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames)


def verify(path: str | Path) -> AudioInfo:
    """Read an audio file's header and make sure that the samples it promises are there.

    libsndfile shortens a truncated file without a word, so its notes on the header are read. Of a compressed
    file the last sample is decoded, and of one with floating-point samples, which alone can hold NaN or
    infinite ones, all; of ordinary PCM nothing is.

    Raises
    ------
    UserError
        The file is missing, empty, unreadable or truncated, or holds NaN or infinite samples.
    """
    with _opened(path, _existing(path)) as file:
        header = AudioInfo(file.samplerate, file.channels, file.frames)
        if header.frames == 0:
            raise UserError(f"{path}: holds no samples")
        if header.frames > 1 << 48:
            raise UserError(f"{path}: its header does not say how long it is")
        if _is_cut_short(file) or not _has_last_frame(file):
            raise UserError(f"{path}: truncated (its header promises more than the file holds)")
        if file.subtype in ("FLOAT", "DOUBLE"):
            import numpy as np

            file.seek(0)
            if not all(np.isfinite(block).all() for block in file.blocks(1 << 16)):
                raise UserError(f"{path}: holds NaN or infinite samples")
    return header


def load(source: str | Path, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Read audio as 16 kHz mono float32, shape (samples,).

    Channels are averaged; other rates are resampled with torchaudio's windowed sinc. Only the
    asked-for stretch of a file is decoded.

    Parameters
    ----------
    source : str or Path
        A path; or, where :data:`ALLOW_PIPES` is set in the environment, a Kaldi input pipe (``command |``).
    start, end : float
        Stretch to read, in seconds; ``end=None`` reads to the end of the file. An ``end`` past the
        end of the file by less than 0.05 s is taken as the end.

    Raises
    ------
    UserError
        The file is missing, unreadable, truncated, empty, or holds NaN or infinite samples; the
        stretch lies outside the file; a pipe is not allowed, or its command fails.
    """
    import numpy as np

    samples, rate = read(source, start, end)
    return samples if rate == SAMPLE_RATE else np.ascontiguousarray(_resample(samples, rate))


def read(source: str | Path, start: float = 0.0, end: float | None = None) -> tuple[np.ndarray, int]:
    """Read audio as mono float32 at the file's own sampling rate, and give that, in Hz; otherwise as :func:`load`."""
    import numpy as np

    text = str(source)
    handle = io.BytesIO(_read_pipe(text)) if text.rstrip().endswith("|") else _existing(source)
    with _opened(source, handle) as file:
        rate = file.samplerate
        if file.frames == 0:
            raise UserError(f"{source}: holds no samples")
        # Of a pipe there is no telling: programs that write to one put any size into the header.
        if end is None and isinstance(handle, str) and _is_cut_short(file):
            raise UserError(f"{source}: truncated (its header promises more than the file holds)")
        first = round(start * rate)
        last = file.frames if end is None else round(end * rate)
        if not 0 <= first < min(last, file.frames) or last > file.frames + 0.05 * rate:
            raise UserError(
                f"{source}: the stretch {start:g}-{'end' if end is None else f'{end:g}'} s lies outside "
                f"the file, which is {file.frames / rate:g} s long"
            )
        last = min(last, file.frames)
        file.seek(first)
        samples = file.read(last - first, dtype="float32", always_2d=True)
    if len(samples) < last - first:
        raise UserError(f"{source}: truncated: {len(samples)} of {last - first} samples could be read")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise UserError(f"{source}: holds NaN or infinite samples")
    return np.ascontiguousarray(mono), rate


def _resample(samples: np.ndarray, rate: int) -> np.ndarray:
    import torch
    import torchaudio.functional

    with torch.no_grad():
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()


def _existing(path: str | Path) -> str:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    # libsndfile would have to be told what is in it.
    if path.suffix.lower() == ".raw":
        raise UserError(f"{path}: raw samples without a header; convert it to WAV or FLAC")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")
    return str(path)


def _read_pipe(text: str) -> bytes:
    command = text.rstrip().removesuffix("|").strip()
    if os.environ.get(ALLOW_PIPES) != "true":
        raise UserError(
            f"the audio pipe {shlex.quote(command)} of wav.scp is a command, which could do anything, and is not run; "
            f"where you trust it, give run.sh --allow-pipes (or set {ALLOW_PIPES}=true)"
        )
    # Kaldi's convention: wav.scp may name a shell pipeline, so it is run by a shell, as Kaldi does.
    script = f"set -o pipefail; {command}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    if result.returncode != 0 or not result.stdout:
        reason = result.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"the audio pipe {shlex.quote(command)} failed: {reason[-1] if reason else 'no output'}")
    return result.stdout


@contextlib.contextmanager
def _opened(source: str | Path, handle: str | io.BytesIO) -> Iterator[soundfile.SoundFile]:
    """Open a file, or what came out of a pipe; what libsndfile cannot read is a UserError that names the source."""
    import soundfile

    try:
        with soundfile.SoundFile(handle) as file:
            yield file
    except soundfile.SoundFileError as error:
        reason = str(error).rstrip(".").split(": ")[-1]
        raise UserError(f"{source}: not readable as audio ({reason})") from error


def _is_cut_short(file: soundfile.SoundFile) -> bool:
    match = _CHUNK_SIZES.search(file.extra_info)
    promised, held = map(int, match.groups()) if match else (0, 0)
    missing = 0.0 if promised >= _ENDLESS or held == 0 else file.frames * (promised - held) / held
    return missing > 0.01 * file.samplerate  # 10 ms: some writers count the header itself in the size of the data


def _has_last_frame(file: soundfile.SoundFile) -> bool:
    import soundfile

    if file.format == "OGG":
        return _has_last_page(Path(file.name))
    if file.format not in ("FLAC", "MP3"):
        return True
    try:
        file.seek(file.frames - 1)
        return len(file.read(1)) == 1
    except soundfile.SoundFileError:
        return False


def _has_last_page(path: Path) -> bool:
    """Tell whether an Ogg file ends with a whole page that is marked as the last (RFC 3533, section 6)."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * 65307))  # a page has at most 65,307 bytes
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    segments = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(segments)
