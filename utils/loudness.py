"""How loud a recording is to people: integrated loudness of ITU-R BS.1770-4."""

from __future__ import annotations

import math

import numpy as np

_BLOCK, _STEP = 0.4, 0.1  # seconds
_ABSOLUTE, _RELATIVE = -70.0, -10.0  # gates: LUFS, and LU below the mean of what passes the first one


def loudness(samples: np.ndarray, rate: int) -> float:
    """Measure integrated loudness in LUFS.

    The K-weighting is the standard's, whose coefficients are for 48 kHz, with the filters behind them (a high shelf of
    4 dB at 1682 Hz and a high pass at 38 Hz) designed anew for the rate; De Man, "Evaluation of implementations of the
    EBU R128 loudness measurement", AES 145 (2018), has their formulas.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        One channel, full scale 1. What is shorter than a block of 0.4 s is taken as one block.
    rate : int
        Samples a second.

    Returns
    -------
    float
        Minus infinity where every block is below -70 LUFS.
    """
    from scipy.signal import lfilter

    weighted = samples.astype(np.float64)
    for numerator, denominator in (_shelf(rate), _high_pass(rate)):
        weighted = lfilter(numerator, denominator, weighted)
    length, step = min(round(_BLOCK * rate), len(weighted)), round(_STEP * rate)
    starts = range(0, len(weighted) - length + 1, step) if length else ()
    powers = np.array([np.mean(weighted[start : start + length] ** 2) for start in starts])
    powers = powers[powers > _power(_ABSOLUTE)]
    if not len(powers):
        return -math.inf
    powers = powers[powers > _power(_lufs(powers.mean()) + _RELATIVE)]
    return _lufs(powers.mean())


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power)


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _shelf(rate: int) -> tuple[list[float], list[float]]:
    k, q = math.tan(math.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    whole = 1 + k / q + k * k
    numerator = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    return [value / whole for value in numerator], [1, 2 * (k * k - 1) / whole, (1 - k / q + k * k) / whole]


def _high_pass(rate: int) -> tuple[list[float], list[float]]:
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    whole = 1 + k / q + k * k
    return [1, -2, 1], [1, 2 * (k * k - 1) / whole, (1 - k / q + k * k) / whole]
