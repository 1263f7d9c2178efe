"""Runs an encoder over batches of utterances: audio is decoded ahead, batches run side by side on a CPU's cores.

On a CPU every core runs its own batch. That is faster than sharing the operations of one batch among the
cores, most of which are too small to be worth dividing, and above all it does not stop when a core is busy
with something else. On a GPU one batch runs at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from local.encoders.base import Encoder
from utils.data_dir import Utterance
from utils.errors import UserError


def load(batch: list[Utterance]) -> list[np.ndarray]:
    """Decode a batch's audio: 16 kHz mono float32; an error names the utterance."""
    waves = []
    for utterance in batch:
        try:
            waves.append(utterance.load())
        except UserError as error:
            raise UserError(f"utterance {utterance.id}: {error}") from error
    return waves


def run(
    encoder: Encoder,
    batches: Iterable[list[Utterance]],
    threads: int = 1,
    workers: int = 1,
    decode: Callable[[list[Utterance]], list[np.ndarray]] = load,
) -> Iterator[list[tuple[str, np.ndarray | None]]]:
    """Encode batches, in order; at most a few are in memory at a time.

    Parameters
    ----------
    encoder : Encoder
        Safe to be used by several threads at once, as all of ours are.
    batches : iterable of list of Utterance
        Taken as they are needed.
    threads : int
        Batches that run side by side, each on one core.
    workers : int
        Threads that decode audio ahead.
    decode : callable
        Gives a batch's waveforms, each of shape (samples,).

    Yields
    ------
    list of (str, ndarray of float32 of shape (layers, dim), or None)
        A batch's utterances and their features; None for one that is too short for the encoder.
    """
    # In threads of ours, torch must not divide operations among yet more threads.
    alone = {"initializer": torch.set_num_threads, "initargs": (1,)}
    decoders, runners = ThreadPoolExecutor(workers, **alone), ThreadPoolExecutor(threads, **alone)
    pending: deque = deque()
    try:
        for batch in batches:
            waves = decoders.submit(decode, batch)
            pending.append(runners.submit(lambda batch=batch, waves=waves: _encode(encoder, batch, waves.result())))
            if len(pending) > threads + workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        decoders.shutdown(cancel_futures=True)
        runners.shutdown(cancel_futures=True)


def _encode(encoder: Encoder, batch: list[Utterance], waves: list[np.ndarray]) -> list[tuple[str, np.ndarray | None]]:
    enough = [len(wave) >= encoder.min_samples for wave in waves]
    rows = iter(encoder.pooled([wave for wave, long in zip(waves, enough, strict=True) if long]))
    return [(utterance.id, next(rows) if long else None) for utterance, long in zip(batch, enough, strict=True)]
