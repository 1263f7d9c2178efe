"""A classifier of frames that hears what comes before and after: mode ``context`` of diarizers.

A linear classifier sees 25 ms and what the encoder's attention brought there. Whether speech is emotional shows in how
it differs from what else the speaker says; so the classifier is given the recording's mean beside each stretch, and
reads the stretches in both directions (a bidirectional GRU; Cho et al. 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

# Frames that are averaged first: 0.1 s. Emotions last longer, and the recurrent part has a fifth of the steps.
STEP = 5
WIDTH, HIDDEN, DROPOUT = 96, 64, 0.3


class Context(nn.Module):
    """Scores frames of ``dim`` numbers for so many ``emotions``."""

    def __init__(self, dim: int, emotions: int):
        super().__init__()
        self.narrow = nn.Linear(2 * dim, WIDTH)
        self.recurrent = nn.GRU(WIDTH, HIDDEN, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * HIDDEN, emotions)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, recordings: Sequence[torch.Tensor], lengths: Sequence[int]) -> torch.Tensor:
        """Score the frames of recordings of so many frames each, which are given as their :func:`steps`, (steps, dim).

        Returns
        -------
        Tensor of shape (frames of all recordings, emotions)
            Before the softmax; the frames of a step share a score.
        """
        differing = [torch.cat([own, own - own.mean(dim=0)], dim=1) for own in recordings]
        narrow = [functional.gelu(self.narrow(self.dropout(own))) for own in differing]
        packed = nn.utils.rnn.pack_sequence(narrow, enforce_sorted=False)
        heard = nn.utils.rnn.unpack_sequence(self.recurrent(packed)[0])
        scores = self.out(self.dropout(torch.cat(heard))).split([len(own) for own in heard])
        spread = [own.repeat_interleave(STEP, dim=0)[:length] for own, length in zip(scores, lengths, strict=True)]
        return torch.cat(spread)


def steps(frames: torch.Tensor) -> torch.Tensor:
    """Average a recording's frames, shape (frames, ...), five at a time, the last ones as many as there are."""
    whole = len(frames) // STEP * STEP
    parts = [frames[:whole].unflatten(0, (-1, STEP)).mean(dim=1)] if whole else []
    return torch.cat([*parts, *([frames[whole:].mean(dim=0, keepdim=True)] if whole < len(frames) else [])])
