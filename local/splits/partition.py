"""Cut units that must stay whole (speakers, sessions) into groups that are as alike as they can be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

# Exchanging pairs costs the square of the units; more than this many are balanced by dealing out alone.
_EXCHANGE_AT_MOST = 300


def key(*values: object) -> str:
    """Order things at random, the same everywhere and for ever: sort by ``key(seed, thing)``."""
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()


def partition(
    classes: Mapping[str, Sequence[float]], others: Mapping[str, Sequence[float]], groups: int, seed: int
) -> list[list[str]]:
    """Cut units into groups that are balanced by class counts and by other counts.

    The objective is the number of classes that some group lacks, and then the sum of squared deviations of
    each group's share of each count from ``1 / groups``. Units are dealt out, largest first, to the group where
    they do least harm; then units are moved and exchanged while that helps; the best of several
    restarts (which differ in the order of units of one size) is kept.

    Parameters
    ----------
    classes : mapping of str to sequence of float
        Unit to how many utterances of each class it has.
    others : mapping of str to sequence of float
        Unit to further counts to balance, such as one-hot gender.
    groups : int
        How many groups; at most the number of units.
    seed : int
        Decides between equals.

    Returns
    -------
    list of list of str
        Units of every group, sorted; the groups sorted by their first unit.
    """
    units = sorted(classes)
    counts = np.array([classes[unit] for unit in units], dtype=float)
    extra = np.array([[*others[unit], 1.0] for unit in units])
    shares = np.hstack([counts, extra])
    shares /= np.maximum(shares.sum(axis=0), 1e-12)
    best: tuple[tuple[int, float], np.ndarray] | None = None
    # Few units need the restarts, and many would take long.
    for restart in range(max(1, min(8, 1000 // len(units)))):
        order = sorted(range(len(units)), key=lambda i: (-counts[i].sum(), key(seed, restart, units[i])))
        assigned = _deal(shares, order, groups)
        if len(units) <= _EXCHANGE_AT_MOST:
            _exchange(shares, counts > 0, assigned, groups)
        score = _score(shares, counts > 0, assigned, groups)
        # Rounding: a tie in all but the last bits must not depend on the machine.
        if best is None or score < (best[0][0], best[0][1] - 1e-9):
            best = score, assigned
    return sorted([unit for unit, group in zip(units, best[1], strict=True) if group == g] for g in range(groups))


def _deal(shares: np.ndarray, order: list[int], groups: int) -> np.ndarray:
    sums, assigned = np.zeros((groups, shares.shape[1])), np.full(len(shares), -1)
    empty = np.ones(groups, dtype=bool)
    for place, i in enumerate(order):
        harm = ((sums + shares[i] - 1 / groups) ** 2 - (sums - 1 / groups) ** 2).sum(axis=1)
        # No group may stay empty: the last units go where there is none yet.
        if len(order) - place <= empty.sum():
            harm[~empty] = np.inf
        assigned[i] = int(np.argmin(np.round(harm, 12)))
        empty[assigned[i]] = False
        sums[assigned[i]] += shares[i]
    return assigned


def _exchange(shares: np.ndarray, has: np.ndarray, assigned: np.ndarray, groups: int) -> None:
    """Move units, or exchange pairs of them, between groups while that helps; changes ``assigned``."""
    n = len(shares)
    # A move is an exchange with one of these: nothing, in each group.
    units = np.vstack([shares, np.zeros((groups, shares.shape[1]))])
    holds = np.vstack([has, np.zeros((groups, has.shape[1]), dtype=bool)]).astype(int)
    place = np.concatenate([assigned, np.arange(groups)])
    sums = np.stack([units[place == g].sum(axis=0) for g in range(groups)])
    held = np.stack([holds[place == g].sum(axis=0) for g in range(groups)])
    changed = True
    while changed:
        changed = False
        for i in range(n):
            mine = place[i]
            allowed = place != mine
            if (place[:n] == mine).sum() == 1:
                allowed[n:] = False  # the last unit of a group may be exchanged, not taken away
            others = np.flatnonzero(allowed)
            there, d, dh = place[others], units[i] - units[others], holds[i] - holds[others]
            gain = np.round(2 * ((sums[there] - sums[mine]) * d + d**2).sum(axis=1), 12)
            lacking = (held[mine] == dh).sum(axis=1) + (held[there] == -dh).sum(axis=1)
            lacking -= (held[mine] == 0).sum() + (held[there] == 0).sum(axis=1)
            best = np.lexsort((gain, lacking))[0]
            if (lacking[best], gain[best]) < (0, -1e-9):
                j, theirs = others[best], there[best]
                sums[mine], sums[theirs] = sums[mine] - d[best], sums[theirs] + d[best]
                held[mine], held[theirs] = held[mine] - dh[best], held[theirs] + dh[best]
                place[i] = theirs
                if j < n:
                    place[j] = mine
                changed = True
    assigned[:] = place[:n]


def _score(shares: np.ndarray, has: np.ndarray, assigned: np.ndarray, groups: int) -> tuple[int, float]:
    lacking, cost = 0, 0.0
    for g in range(groups):
        lacking += int((~has[assigned == g].any(axis=0)).sum())
        cost += float(((shares[assigned == g].sum(axis=0) - 1 / groups) ** 2).sum())
    return lacking, cost
