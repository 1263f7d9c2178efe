"""What RESULTS.md holds, and the page has on top: question, answer, one table, one figure, limits."""

from __future__ import annotations

from dataclasses import dataclass

from local.report import answer, claims, headline, limits, study
from local.report.contents import Sources
from local.report.figures import headlines, listened
from local.report.figures.drawing import Figure
from local.report.tables import ablation, people
from local.report.tables.cells import Table


@dataclass(frozen=True)
class Summary:
    """The shortest form of what was found.

    Attributes
    ----------
    question, answer, limits : list of str
        Lines of Markdown.
    table : Table
        The headlines, all of them.
    short : Table
        Those that RESULTS.md has room for.
    figures : list of Figure
        The headlines, and people beside models; none before anything was run.
    claims : Table or None
        A study's claims, where there are any.
    ablation : Table or None
        What losses gain over cross entropy, where that is asked.
    """

    question: list[str]
    answer: list[str]
    limits: list[str]
    table: Table
    short: Table
    figures: list[Figure]
    claims: Table | None
    ablation: Table | None


def make(sources: Sources) -> Summary:
    """Say in short what was found; of a study, its published figures are the baselines."""
    found = headline.measures(sources.inputs, sources.diarization)
    table = study.beside(sources.study, sources.inputs) if sources.study else headline.table(found)
    heard = people.sentences(sources.listened)
    return Summary(
        answer.question(sources.inputs, sources.diarization, sources.study, bool(heard)),
        [*answer.sentences(sources.inputs, found, bool(heard)), *heard],
        limits.caveats(sources.inputs, sources.diarization) if sources.inputs else [],
        table,
        table if sources.study else headline.table(headline.shortened(found)),
        [*([headlines.figure(found)] if found else []), *listened.figures(sources.listened)],
        claims.shortened(claims.table(sources.claims)) if sources.claims else None,
        ablation.short(sources.inputs) if sources.inputs else None,
    )
