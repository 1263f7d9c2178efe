"""Scores with their intervals, and paired tests with what they are worth, as the report prints them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan


@dataclass(frozen=True)
class System:
    """An encoder and a method; orders as the experiment names them."""

    encoder: str
    method: str


@dataclass(frozen=True)
class Score:
    """A score, or a difference of two, with its interval; all as fractions of 1.

    ``df`` are the interval's degrees of freedom; without an interval they are NaN as its ends are, and ``reason`` says
    why.
    """

    ua: float
    lo: float
    hi: float
    df: float = nan
    reason: str = ""

    def __str__(self) -> str:
        """Percent with one decimal, as every table prints it."""
        return self._shown(".1f")

    def __neg__(self) -> Score:
        """The difference as the other side sees it."""
        return replace(self, ua=-self.ua, lo=-self.hi, hi=-self.lo)

    def signed(self) -> str:
        """Percent with signs, as gains are printed."""
        return self._shown("+.1f")

    def _shown(self, form: str) -> str:
        ua, *ends = (format(100 * value, form) for value in (self.ua, self.lo, self.hi))
        return f"{ua} [{f'–: {self.reason}' if isnan(self.lo) else ', '.join(ends)}]"


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """A score of a and of b on the same utterances, ``a - b``, its p, and what that is worth in its family of tests.

    Attributes
    ----------
    ua_a, ua_b : float
    difference : Score
    n, speakers : int
    p, adjusted, q : float
        Plain, corrected after Holm, and after Benjamini and Hochberg.
    smallest, reachable : float
        The smallest p that so many speakers allow; Holm's p if all tests of the family had theirs.
    family : str
    tests : int
        Size of the family.
    detectable, detectable_family : float
        True difference that would have been seen in 80% of such experiments, alone and as first of the family.
    margin : float
        The difference that would matter.
    equivalent : bool
        Whether the difference was shown to be smaller than the margin, corrected for the family.
    """

    ua_a: float
    ua_b: float
    difference: Score
    n: int
    speakers: int
    p: float
    adjusted: float
    q: float
    smallest: float
    reachable: float
    family: str
    tests: int
    detectable: float
    detectable_family: float
    margin: float = nan
    equivalent: bool = False


@dataclass(frozen=True, kw_only=True)
class ShotsTest(PairedTest):
    """The same shots of a test corpus beside a source (a) and alone (b).

    ``train`` and ``test`` are both ``*`` for all pairs of corpora, or languages.
    """

    system: System
    shots: int
    train: str
    test: str
