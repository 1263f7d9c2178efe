"""Audio of any length through an encoder: in windows of at most 30 s, since attention's cost grows with the square.

Frames are 20 ms apart (the wav2vec 2.0 family).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from utils.audio import SAMPLE_RATE
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from local.encoders.transformer import Transformer

# Frames run together: at most 30 s, and those at either side of a seam that are run for context and dropped, which are
# as many as the positional embeddings see: 1.3 s.
WINDOW, CONTEXT = 1500, 64

# Frames of a window that overlaps others, at most: with fewer, context would cost more than attention costs less.
SPAN = 1000


class Window(NamedTuple):
    """Frames ``begin`` to ``end`` are run together, and the results of ``first`` to ``last`` are kept."""

    begin: int
    end: int
    first: int
    last: int

    def kept(self, results: torch.Tensor) -> torch.Tensor:
        """Cut the window's results, shape (end - begin, ...), to those that are kept."""
        return results[self.first - self.begin : self.last - self.begin]


def overlapping(frames: int) -> list[Window]:
    """Cut an utterance of so many frames, which are told apart, into windows, if it has more than ``WINDOW``.

    There are as few as ``SPAN`` allows. What they keep adds up to the utterance; at a seam each has ``CONTEXT`` frames
    more. They are of equal length, give or take a frame.

    Examples
    --------
    >>> overlapping(1500)
    [Window(begin=0, end=1500, first=0, last=1500)]
    >>> [tuple(window) for window in overlapping(1700)]
    [(0, 914, 0, 850), (786, 1700, 850, 1700)]
    """
    # Of n windows each is (frames - 2 CONTEXT) / n long, and the context at both ends: the first and the last have
    # theirs inside the utterance.
    inner = max(1, frames - 2 * CONTEXT)
    count = 1 if frames <= WINDOW else -(-inner // (SPAN - 2 * CONTEXT))
    seams = [CONTEXT + inner * number // count for number in range(1, count)]
    bounds = [0, *seams, frames]
    return [
        Window(max(0, first - CONTEXT), min(last + CONTEXT, frames), first, last)
        for first, last in zip(bounds, bounds[1:], strict=False)
    ]


def even(frames: int) -> list[int]:
    """Cut an utterance whose frames are averaged into windows of equal length, give or take a frame.

    Examples
    --------
    >>> even(1500), even(1501)
    ([1500], [750, 751])
    """
    count = -(-frames // WINDOW)
    return [frames * (window + 1) // count - frames * window // count for window in range(count)]


def by_window(encoder: Transformer, wave: np.ndarray) -> Iterator[tuple[Window, torch.Tensor]]:
    """Give the windows of :func:`overlapping` with the frames of each, which are computed as they are needed.

    As :func:`front_end`, but what is held does not grow with the length.
    """
    import torch

    _check(encoder, wave)
    pieces, held, begin = encoder.feature_pieces(wave), [], 0
    for window in overlapping(encoder.frames(wave)):
        while begin + sum(map(len, held)) < window.end:
            held.append(next(pieces))
        held, begin = [torch.cat(held)[window.begin - begin :]], window.begin
        yield window, held[0][: window.end - begin]


def front_end(encoder: Transformer, wave: np.ndarray) -> torch.Tensor:
    """Run an encoder's convolutions over a 16 kHz mono wave: frames of shape (frames, channels), 0.1 MB a second.

    Raises
    ------
    UserError
        The wave is shorter than the encoder can represent.
    """
    _check(encoder, wave)
    return encoder.features([wave])[0]


def _check(encoder: Transformer, wave: np.ndarray) -> None:
    if len(wave) < encoder.min_samples:
        raise UserError(
            f"{len(wave) / SAMPLE_RATE:.4f} s of audio are too short for the encoder {encoder.spec.name}, "
            f"which needs at least {encoder.min_samples / SAMPLE_RATE:.4f} s; leave the utterance out"
        )


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
