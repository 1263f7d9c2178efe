"""Does a source help where few utterances of the test corpus are known, and up to how many?  exp/shots.csv.

Compared are heads that start from what a source has taught (``a``) and heads that start from nothing (``b``), on the
same k utterances of the test corpus, draw by draw, and on the same test utterances. ``shots`` is k, ``train`` the
source. Intervals are for other speakers and other draws from the same train lists. Rows with ``train`` and ``test``
``*`` are means over all pairs of corpora; where a language has several corpora, rows with languages in the place of
corpora are means over the pairs of corpora of two languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from local.experiment import Score
from local.score import compare, families
from local.score.tabulate import Names, Scored
from utils.intervals import Blocks


def columns(names: Names) -> list[str]:
    """Header of exp/shots.csv."""
    labels = ["recipe", "stage", "system", "train", "test"]
    return [*labels, *compare.TESTED, *names.header, "contaminated_a", "contaminated_b"]


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Compare source and shots with shots alone, as :func:`local.score.compare.rows` does."""
    return compare.rows(scored, blocks, names, score, families.shots)
