"""Does the encoder's language matter?  Paired tests between encoders of one language each: exp/language.csv.

Compared are, under the same method and on the same utterances,

- ``own``: trained and tested on one language, its encoder (setting ``mono``) and those of others (``trans``);
- ``train``: across languages, the encoder of the training language (``cross``) and those of neither language;
- ``test``: across languages, the encoder of the test language and those of neither language.

Everything but the encoder is matched: training set, test corpus, method. Means by setting are not compared, since their
members are other corpora. Rows with ``test`` ``*`` are means over all corpora or pairs of corpora, with the speakers of
all test corpora. Encoders of several languages, or of none, take no part. Families of tests: all means (``language``),
and all rows of single test corpora (``language by corpus``), over questions, stages and methods: what the table shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from local.experiment import Score
from local.score import compare, families
from local.score.tabulate import Names, Scored
from utils.intervals import Blocks


def columns(names: Names) -> list[str]:
    """Header of exp/language.csv."""
    labels = ["recipe", "stage", "question", "method", "test"]
    return [*labels, *compare.TESTED, *names.header, "contaminated_a", "contaminated_b"]


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Ask the three questions wherever there are encoders to answer them, as :func:`local.score.compare.rows` does.

    ``a`` is the encoder whose language is that of the question, ``b`` the mean of the others.
    """
    return compare.rows(scored, blocks, names, score, families.languages)
