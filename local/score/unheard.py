"""Means of encoders over what none of them may have heard: further groups of exp/summary.csv.

An encoder that has heard the recordings it is tested on, let alone their labels, is not compared fairly with one that
has not. Where systems that differ in nothing but the encoder have conditions of which their encoder heard, or may have
heard, a corpus (trained on, chosen by or tested on), there are means without: over the conditions that all of them have
and of which none has heard anything. An encoder of which no condition is left has no such mean, nor has one that is
left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local.results import heard
from local.score.tabulate import GROUPS, Names, Scored, mean_row


def rows(systems: Iterable[Sequence[Scored]], names: Names, confidence: float) -> list[dict]:
    """Average systems over what none of them may have heard.

    Parameters
    ----------
    systems : iterable of sequence of Scored
        For each system, its conditions.
    names : Names
        How tables call them.
    confidence : float
        0.95 for 95% intervals.

    Returns
    -------
    list of dict
        Rows of exp/summary.csv, of the headline; none where nothing was heard.
    """
    families: dict[tuple, list[Sequence[Scored]]] = {}
    for system in systems:
        first = system[0].condition
        families.setdefault((first.stage, names.system(first, encoder="")), []).append(system)
    found = []
    for family in families.values():
        for group in GROUPS:
            own = [{_pair(one): one for one in system if one.condition.group == group} for system in family]
            clean = [{pair for pair, one in some.items() if not one.condition.meta["contaminated"]} for some in own]
            left = [some for some in clean if some]
            shared = set.intersection(*left) if len(left) > 1 else set()  # one alone is compared with nothing
            if clean != [set(some) for some in own] and shared:
                for some, every in zip(clean, own, strict=True):
                    if some:
                        members = [one for pair, one in every.items() if pair in shared]
                        found.append(mean_row(members, heard.unheard(group), names, confidence))
    return found


def _pair(scored: Scored) -> tuple[str, str]:
    return scored.condition.train, scored.condition.test
