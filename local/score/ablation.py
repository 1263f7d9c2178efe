"""What losses beside the cross entropy gain, and what else might have: exp/ablation.csv.

Compared are systems (``a``) with the one that is trained by cross entropy alone, on batches drawn in the same way
(``b``): those that differ from it in one ``factor``, whose value is ``value``, and the one that is trained on the
tested corpus's own labels (``factor``: ``train``), the upper bound. Rows with ``train`` and ``test`` ``*`` are means
over tested corpora. Families of tests: all means, of frozen encoders and of tuned ones; and all single conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from local.experiment import Score
from local.score import compare, families
from local.score.tabulate import Names, Scored
from utils.intervals import Blocks


def columns(names: Names) -> list[str]:
    """Header of exp/ablation.csv."""
    labels = ["recipe", "stage", "train", "test", "factor", "value", "a", "b"]
    return [*labels, *compare.TESTED, *names.header, "contaminated_a", "contaminated_b"]


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Compare losses and what stands beside them with cross entropy, as :func:`local.score.compare.rows` does."""
    return compare.rows(scored, blocks, names, score, families.ablation)
