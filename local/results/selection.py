"""Which layer dev chooses: one rule for those that choose (stages 3 and 4) and for the check of what they wrote."""

from __future__ import annotations

from collections.abc import Sequence

DIGITS = 6  # of dev_ua and dev_loss in scores.csv, so that whoever reads the file comes to the same choice


def choose(dev_ua: Sequence[float], dev_loss: Sequence[float]) -> tuple[int, int]:
    """Choose a layer by dev: the best UA, of equals the lowest loss, of these the nearest to their middle.

    A small dev list gives many layers the same UA. To take the lowest of them would say of every encoder that its
    lower layers are good; the last rule has no such direction: of layers a to z it takes the one nearest (a + z) / 2,
    and of two that are as near, the one nearer the middle of the encoder.

    Parameters
    ----------
    dev_ua, dev_loss : sequence of float
        Of every layer, in their order; compared as ``scores.csv`` has them, with six decimals.

    Returns
    -------
    tuple of int
        The place of the layer, and how many layers share the best UA.

    Examples
    --------
    >>> choose([0.5, 0.8, 0.8, 0.7], [1.0, 0.9, 0.6, 0.1])
    (2, 2)
    >>> choose([0.8, 0.8, 0.8, 0.8, 0.8], [1.0] * 5)
    (2, 5)
    """
    if len(dev_ua) == 1:  # nothing to choose; a system from outside has no dev UA
        return 0, 1
    ua, loss = ([float(f"{value:.{DIGITS}f}") for value in values] for values in (dev_ua, dev_loss))
    tied = [place for place, value in enumerate(ua) if value == max(ua)]
    lowest = min(loss[place] for place in tied)
    left = [place for place in tied if loss[place] == lowest]
    middle, centre = (left[0] + left[-1]) / 2, (len(ua) - 1) / 2
    return min(left, key=lambda place: (abs(place - middle), abs(place - centre))), len(tied)
