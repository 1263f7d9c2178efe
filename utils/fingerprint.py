"""Acoustic fingerprints: which of many recordings are copies of one another, whatever was done to them.

After J. Haitsma, T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002. A spectrogram in narrow bands
from 300 to 2000 Hz becomes a word of 32 bits a frame: of each pair of neighbouring bands, whether the difference of
their energies rises. Gain leaves these bits as they are; coding, noise and resampling turn few of them; another
recording of the same words by the same person agrees in little more than half. Copies are looked for by words that are
the same, sorted and not compared pair by pair, and then counted bit by bit where they lie over each other.

Other than there, energies are summed over frames instead of taken from long windows, which is cheaper; they are
compared over several frames instead of one, which is more robust; and quiet frames, where noise rules, have no word.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

LOW, HIGH, BANDS = 300.0, 2000.0, 33  # Hz
WINDOW, HOP = 0.128, 0.012  # seconds
_SUMMED, _LAG = 16, 8  # frames: whose energies are summed, and over which they are compared
_RANGE = 1e-3  # of the energy of the loudest frame (-30 dB); what is quieter has no word
_RATE = 6000  # samples a second are enough for HIGH
_CHUNK = 512  # frames that are transformed at a time

# Of the bits that are compared, the share that may differ, and how many frames must be compared: at least so many, and
# this share of the shorter recording's. tests/benchmarks/fingerprints.py measures what that finds.
LIMIT = 0.165
_FRAMES, _SHARE = 30, 0.3
_REACH = 6  # recordings with the same word, next in order, that each is linked to
_BLOCK = 1 << 16  # candidates that are counted at a time
_SORTED = 1 << 23  # words that are sorted at a time: all of a million recordings' would fill a laptop's memory
_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)  # bits of a byte


def fingerprint(samples: np.ndarray, rate: int) -> np.ndarray:
    """Make a recording's fingerprint.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        At any sampling rate from 8 kHz on.
    rate : int
        In Hz.

    Returns
    -------
    ndarray of uint32, shape (frames,)
        A word each 12 ms; 0 for none. Empty where less than 0.41 s are there.
    """
    energy = _energies(samples, rate)
    if len(energy) < _SUMMED + _LAG:
        return np.zeros(0, np.uint32)
    total = np.cumsum(energy, axis=0, dtype=np.float64)
    total[_SUMMED:] -= total[:-_SUMMED].copy()
    summed = total[_SUMMED - 1 :]
    difference = summed[:, :-1] - summed[:, 1:]
    rises = difference[_LAG:] > difference[:-_LAG]
    words = np.packbits(rises, axis=1, bitorder="little").view("<u4")[:, 0]
    loudness = summed.sum(axis=1)
    return np.where(loudness[_LAG:] > _RANGE * loudness.max(), words, 0).astype(np.uint32)


def _energies(samples: np.ndarray, rate: int) -> np.ndarray:
    """Energy of each frame in each band, shape (frames, BANDS)."""
    from scipy.fft import rfft
    from scipy.signal import resample_poly

    factor = max(1, rate // _RATE)
    if factor > 1:
        samples, rate = resample_poly(samples, 1, factor, window=_taps(factor)), rate / factor
    size = round(WINDOW * rate)
    if len(samples) < size:
        return np.zeros((0, BANDS))
    # Where frames begin is rounded each for itself, so that all sampling rates keep the same pace.
    starts = np.round(np.arange((len(samples) - size) // (HOP * rate) + 1) * HOP * rate).astype(int)
    starts = starts[starts + size <= len(samples)]
    length, window, shares = _bands(rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)
    found = []
    for first in range(0, len(starts), _CHUNK):
        spectrum = rfft(frames[starts[first : first + _CHUNK]] * window, length)
        found.append((spectrum.real**2 + spectrum.imag**2) @ shares)
    return np.concatenate(found)


@functools.cache
def _taps(factor: int) -> np.ndarray:
    """Make the filter that ``resample_poly`` would make itself, for every recording again."""
    from scipy.signal import firwin

    return firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0)).astype(np.float32)


@functools.cache
def _bands(rate: float) -> tuple[int, np.ndarray, np.ndarray]:
    """Give the transform's length, its window, and the share of each of its bins that lies in a band."""
    from scipy.fft import next_fast_len

    size = round(WINDOW * rate)
    length = next_fast_len(size, real=True)
    centres, width = np.arange(length // 2 + 1) * rate / length, rate / length
    edges = np.geomspace(LOW, HIGH, BANDS + 1)
    upper = np.minimum(centres[:, None] + width / 2, edges[1:])
    lower = np.maximum(centres[:, None] - width / 2, edges[:-1])
    return length, np.hanning(size).astype(np.float32), np.maximum(upper - lower, 0).astype(np.float32)


def copies(prints: Iterable[np.ndarray]) -> list[tuple[int, int, float]]:
    """Find pairs of recordings that are the same but for what a fingerprint withstands.

    Parameters
    ----------
    prints : iterable of ndarray
        Of :func:`fingerprint`; those of recordings that are alike to the last sample are better given once.

    Returns
    -------
    list of (int, int, float)
        Two places in ``prints``, the lower first, and the share of bits that differ; sorted. Of a large group of copies
        not all pairs are listed, but enough to connect them.
    """
    prints = list(prints)
    starts = np.cumsum([0, *map(len, prints)])
    words = np.concatenate([*prints, np.zeros(0, np.uint32)])
    del prints  # which may be all that keeps another copy of them in memory
    loud = np.array([np.count_nonzero(words[first:last]) for first, last in itertools.pairwise(starts)])
    found: dict[tuple[int, int], float] = {}
    for candidates in _candidates(words, starts):
        for first in range(0, len(candidates), _BLOCK):
            _count(words, starts, loud, candidates[first : first + _BLOCK], found)
    return [(*pair, share) for pair, share in sorted(found.items())]


def _count(
    words: np.ndarray, starts: np.ndarray, loud: np.ndarray, candidates: np.ndarray, found: dict[tuple[int, int], float]
) -> None:
    """Lay candidates over each other and count the bits that differ; note the pairs that are copies."""
    one, other, offset = candidates.T
    begin, begin_other = np.maximum(0, offset), np.maximum(0, -offset)
    frames = np.minimum(starts[one + 1] - starts[one] - begin, starts[other + 1] - starts[other] - begin_other)
    enough = _SHARE * np.minimum(loud[one], loud[other])
    # The frames of all pairs, one pair after the other.
    ends = np.cumsum(frames)
    step = np.arange(ends[-1]) - np.repeat(ends - frames, frames)
    ours = words[np.repeat(starts[one] + begin, frames) + step]
    theirs = words[np.repeat(starts[other] + begin_other, frames) + step]
    both = (ours != 0) & (theirs != 0)
    wrong = np.where(both, _ONES[(ours ^ theirs).view(np.uint8)].reshape(-1, 4).sum(axis=1), 0)
    compared, wrong = (np.add.reduceat(part.astype(np.int64), ends - frames) for part in (both, wrong))
    error = wrong / np.maximum(1, 32 * compared)
    good = (compared >= np.maximum(_FRAMES, enough)) & (error <= LIMIT)
    for a, b, share in zip(one[good].tolist(), other[good].tolist(), error[good].tolist(), strict=True):
        found[a, b] = min(share, found.get((a, b), 1.0))


def _candidates(words: np.ndarray, starts: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs that share a word, and at which offset of frames (in the first minus in the second).

    They come a range of words at a time, each once there; what shares words of several ranges comes again.
    """
    # A word that lasts is looked for where it begins.
    use = words != 0
    begins = np.zeros(len(words) + 1, dtype=bool)
    begins[starts] = True
    use[1:] &= begins[1:-1] | (words[1:] != words[:-1])
    # Of all words about equally many lie between two of these.
    sample = np.sort(words[:: max(1, len(words) // _BLOCK)])
    ranges = -(-len(words) // _SORTED)
    edges = [0, *np.unique(sample[:: -(-len(sample) // max(1, ranges)) or 1])[1:].tolist(), 1 << 32]
    for low, high in itertools.pairwise(edges):
        own = np.flatnonzero(use & (words >= low) & (words <= high - 1))
        own = own[np.argsort(words[own], kind="stable")]
        word, found = words[own], []
        for step in range(1, _REACH + 1):
            same = np.flatnonzero(word[:-step] == word[step:])
            first, second = own[same], own[same + step]
            one, other = (np.searchsorted(starts, place, side="right") - 1 for place in (first, second))
            offset = (first - starts[one]) - (second - starts[other])
            found.append(np.stack([one, other, offset], axis=1)[one != other])
        yield np.unique(np.concatenate(found), axis=0)


def groups(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connect pairs to groups.

    Examples
    --------
    >>> groups([(0, 3), (3, 5), (1, 2)])
    [[0, 3, 5], [1, 2]]
    """
    leader: dict[int, int] = {}

    def of(one: int) -> int:
        while leader.setdefault(one, one) != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for one, other in pairs:
        low, high = sorted((of(one), of(other)))
        leader[high] = low
    members: dict[int, list[int]] = {}
    for one in sorted(leader):
        members.setdefault(of(one), []).append(one)
    return list(members.values())
