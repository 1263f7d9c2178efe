"""Audio of any length, a piece at a time: files and standard input as 16 kHz mono float32, and windows of it.

What is held at once depends on the windows alone. Pieces add up to what :func:`utils.audio.load` gives of the whole.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.audio import SAMPLE_RATE
from utils.errors import UserError

RAW = np.dtype("<i2")
# By format tag and bits of a WAV file's header: what a sample is, and what stands for 1.
_SAMPLES = {(1, 16): (RAW, 2**15), (1, 32): (np.dtype("<i4"), 2**31), (3, 32): (np.dtype("<f4"), 1.0)}
_EXTENSIBLE = 0xFFFE  # the tag proper stands behind
_ENDLESS = 0x7FFF0000  # programs that write to a pipe cannot know the size and put in the largest (or nearly)
_BYTES = 1 << 16
_CONTEXT = 7  # samples of the lower rate at either side that count: torchaudio's filter has six zero crossings a side


def of_file(path: str | Path) -> Iterator[np.ndarray]:
    """Read a file that :func:`utils.audio.verify` has found sound."""
    import soundfile

    with soundfile.SoundFile(str(path)) as file:
        rate = file.samplerate
        blocks = file.blocks(rate, dtype="float32", always_2d=True)
        yield from _resampled((block.mean(axis=1) for block in blocks), rate)


def of_stream(stream: BinaryIO, rate: int = SAMPLE_RATE, name: str = "standard input") -> Iterator[np.ndarray]:
    """Read WAV, or else raw samples, as they come.

    Parameters
    ----------
    stream : binary file
        Buffered; need not seek. What begins with ``RIFF`` is WAV, of 16 or 32 bits or 32-bit floating point, and of any
        rate and number of channels; all else is raw: 16-bit integers, low byte first, of one channel.
    rate : int
        Of raw samples, in Hz.
    name : str
        By which errors call it.

    Raises
    ------
    UserError
        A header is damaged or of another kind; the samples end before it says, or are NaN or infinite.
    """
    head = stream.read(4)
    if head != b"RIFF":
        yield from _resampled(_samples(stream, head, RAW, 2**15, 1, None, name), rate)
        return
    tag, channels, rate, bits, size = _header(stream, name)
    if (tag, bits) not in _SAMPLES or not channels or not rate:
        raise UserError(
            f"{name}: WAV of format {tag} with {bits} bits is not read from a stream; give 16-bit samples (sox: -b 16)"
        )
    yield from _resampled(_samples(stream, b"", *_SAMPLES[tag, bits], channels, size, name), rate)


def _header(stream: BinaryIO, name: str) -> tuple[int, int, int, int, int | None]:
    """Read to where the samples begin: format tag, channels, rate, bits, and bytes that follow (None: to the end)."""
    form = None
    try:
        if stream.read(8)[4:] != b"WAVE":
            raise struct.error
        while True:
            chunk, size = struct.unpack("<4sI", stream.read(8))
            if chunk == b"data":
                break
            content = stream.read(size + size % 2)
            if chunk == b"fmt ":
                tag, channels, rate, bits = struct.unpack("<HHI6xH", content[:16])
                form = struct.unpack("<H", content[24:26])[0] if tag == _EXTENSIBLE else tag, channels, rate, bits
        if form is None:
            raise struct.error
    except struct.error as error:
        raise UserError(f"{name}: begins as WAV, but its header is damaged; send it again") from error
    return *form, size if 0 < size < _ENDLESS else None


def _samples(
    stream: BinaryIO, begun: bytes, kind: np.dtype, one: float, channels: int, size: int | None, name: str
) -> Iterator[np.ndarray]:
    """Decode what comes, as it comes, to mono."""
    read = getattr(stream, "read1", stream.read)  # gives what is there, and does not wait for more
    step, left = kind.itemsize * channels, math.inf if size is None else size
    while piece := read(int(min(_BYTES, left))):
        left -= len(piece)
        begun += piece
        whole = len(begun) // step * step
        frames = (np.frombuffer(begun[:whole], kind).astype(np.float32) / np.float32(one)).reshape(-1, channels)
        begun = begun[whole:]
        if not np.isfinite(frames).all():
            raise UserError(f"{name}: holds NaN or infinite samples")
        yield frames.mean(axis=1)
    if size is not None and left:
        raise UserError(f"{name}: truncated: ends {left} bytes before its header says")


def _resampled(pieces: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Bring pieces of a wave to 16 kHz: each is run with a little of what is around it, which is cut off again."""
    if rate == SAMPLE_RATE:
        yield from pieces
        return
    import torch
    import torchaudio.functional

    def resample(samples: np.ndarray) -> np.ndarray:
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()

    common = math.gcd(rate, SAMPLE_RATE)
    step, up = rate // common, SAMPLE_RATE // common  # so many samples become so many
    context = -(-(_CONTEXT * step // min(step, up) + 1) // step) * step
    held, known = np.zeros(0, np.float32), 0  # what is kept, and how much of it, at the left, has been given already
    for piece in pieces:
        held = np.concatenate([held, piece])
        ready = known + max(0, (len(held) - known - context) // step * step)
        if ready > known:
            yield resample(held[: ready + context])[known // step * up : ready // step * up]
            known = min(ready, context)
            held = held[ready - known :]
    if len(held) > known:
        yield resample(held)[known // step * up :]


def windows(pieces: Iterable[np.ndarray], size: int, shift: int, least: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a wave that comes in pieces into windows, each given as soon as it is whole.

    Parameters
    ----------
    pieces : iterable of ndarray, each of shape (samples,)
        The wave.
    size, shift : int
        Samples of a window, and from one's beginning to the next one's; at most ``size``.
    least : int
        What is left in the end, in no window yet, is one more, shorter, unless it has fewer samples than this.

    Yields
    ------
    int, ndarray
        First sample, and samples. Of a wave that is shorter than a window: all of it.

    Examples
    --------
    >>> [(begin, len(own)) for begin, own in windows([np.zeros(5), np.zeros(3)], size=4, shift=3)]
    [(0, 4), (3, 4), (6, 2)]
    """
    held, begin, covered = np.zeros(0, np.float32), 0, 0
    for piece in pieces:
        held = np.concatenate([held, piece])
        while len(held) >= size:
            yield begin, held[:size]
            covered = begin + size
            begin, held = begin + shift, held[shift:]
    if begin + len(held) > covered and (len(held) >= least or not covered):
        yield begin, held
