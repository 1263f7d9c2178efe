"""Utterances that sound the same, in one corpus and in others: to the last sample, or but for what a copy goes through.

Found by fingerprint (utils/fingerprint.py): gain, other cuts, coding, noise, another sampling rate; and two excerpts
that overlap by a third or more of the shorter.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.splits import digests
from local.splits.data import Fold


class Copy(NamedTuple):
    """An utterance of a data directory that sounds like others."""

    folder: Path
    utterance: str
    samples: str  # Digest.samples: the same where all samples are


Groups = list[list[Copy]]


def find(folders: Sequence[Path]) -> Groups:
    """Group what sounds the same in data directories whose audio has been decoded; single utterances are left out."""
    folders = sorted(folders)
    return _find(tuple(folders), tuple((folder / digests.PRINTS).stat().st_mtime_ns for folder in folders))


@functools.lru_cache(maxsize=1)  # the corpora of an experiment ask one after the other
def _find(folders: tuple[Path, ...], made: tuple[int, ...]) -> Groups:
    from utils import fingerprint

    same: dict[str, list[Copy]] = {}
    prints = {}
    for folder in folders:
        rows = digests.read(folder / digests.TABLE)
        for row, own in zip(rows, digests.read_prints(folder / digests.PRINTS), strict=True):
            if row.samples:
                same.setdefault(row.samples, []).append(Copy(folder, row.utterance, row.samples))
                prints[row.samples] = own
    known = list(same)
    pairs = [(one, other) for one, other, _ in fingerprint.copies(prints.pop(samples) for samples in known)]
    grouped = fingerprint.groups(pairs)
    alone = set(range(len(known))).difference(*grouped)
    grouped += [[place] for place in sorted(alone) if len(same[known[place]]) > 1]
    return [[copy for place in places for copy in same[known[place]]] for places in grouped]


def near(groups: Groups, folder: Path) -> list[list[str]]:
    """List the groups within a corpus in which not all samples are the same."""
    inside = [[copy for copy in group if copy.folder == folder] for group in groups]
    several = [group for group in inside if len({copy.samples for copy in group}) > 1]
    return sorted(sorted(copy.utterance for copy in group) for group in several)


def elsewhere(
    groups: Groups, folder: Path, folds: Sequence[Fold], beside: Mapping[Path, Sequence[Mapping]]
) -> dict[str, dict[str, int]]:
    """Count what is in other corpora too.

    Parameters
    ----------
    groups : list of list of Copy
        Of all these corpora.
    folder : Path
        The corpus that is tested.
    folds : sequence of Fold
        Its folds.
    beside : mapping of Path to sequence of mapping
        Other corpora and their fold lists; where there are as many, fold k of one goes with fold k of the other.

    Returns
    -------
    dict of str to dict
        Of each corpus with any: ``utterances`` of ours that it has too; ``trained``, those that a fold tests while the
        same fold of the other trains on a copy.
    """
    found = {}
    for other, lists in beside.items():
        theirs = {
            copy.utterance: {own.utterance for own in group if own.folder == other}
            for group in groups for copy in group if copy.folder == folder
        }  # fmt: skip
        shared = {utterance: copies for utterance, copies in theirs.items() if copies}
        trained = set()
        for fold, paired in zip(folds, lists, strict=False) if len(lists) == len(folds) else ():
            train = set(paired["train"])
            trained |= {utterance for utterance in fold.test if train & shared.get(utterance, set())}
        if shared:
            found[other.name] = {"utterances": len(shared), "trained": len(trained)}
    return found
