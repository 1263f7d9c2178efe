"""What the page holds beside the headlines, in the order in which it is read: :data:`SECTIONS`.

A new section is a module under local/report/tables or local/report/figures and a line in :data:`SECTIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from local.experiment import Experiment
from local.report import claims, findings, sed
from local.report.claims import Claims
from local.report.diarized import Diarization
from local.report.figures import confusions, curves, erasure, gap, layers, overview, reliability
from local.report.figures import published as study_figures
from local.report.figures import representation as planes
from local.report.figures import shots as learning
from local.report.figures.drawing import Figure
from local.report.listened import Listened
from local.report.material import Inputs
from local.report.study import Study
from local.report.tables import (
    ablation,
    audit,
    breakdown,
    carried,
    comparisons,
    emobox,
    heard,
    language,
    outside,
    people,
    representation,
    results,
    selected,
    shortcuts,
    shots,
)  # fmt: skip
from local.report.tables import erasure as erasure_table
from local.report.tables import gap as gap_table
from local.report.tables.cells import Table

Block = str | Table | Figure


@dataclass(frozen=True)
class Sources:
    """All that there is to report on; None is what was not run, or not asked for."""

    experiment: Experiment
    inputs: Inputs | None = None
    diarization: Diarization | None = None
    study: Study | None = None
    claims: Claims | None = None
    listened: Listened | None = None

    @property
    def repeated(self) -> Sources | None:
        """All of it, where a study is repeated."""
        return self if self.study else None


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    title : str
    blocks : callable
        Makes what it holds, of what ``of`` names: lines of Markdown, tables and figures. Tables without rows are left
        out, and so are sections of nothing.
    of : str
        Of :class:`Sources`: ``inputs``, ``diarization``, ``listened``, ``claims`` or ``repeated``; without it there is
        no such section.
    """

    title: str
    blocks: Callable[..., Iterable[Block]]
    of: str = "inputs"

    @property
    def key(self) -> str:
        """Its anchor on the page."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


def _conditions(inputs: Inputs) -> Iterator[Block]:
    if inputs.conditions > 1:
        yield from (results.by_condition(inputs, method) for method in inputs.methods)
    yield from overview.matrices(inputs)
    yield results.everything(inputs)


def _layers(inputs: Inputs) -> Iterator[Block]:
    yield selected.table(inputs)
    yield from layers.means(inputs)
    yield results.by_layer(inputs)
    yield from layers.details(inputs)


def _gap(inputs: Inputs) -> Iterator[Block]:
    if inputs.gaps:
        yield from (*gap_table.sentences(inputs), *gap.figures(inputs), gap_table.table(inputs))


def _representation(inputs: Inputs) -> Iterator[Block]:
    yield from (representation.levels(inputs), representation.changes(inputs), *planes.planes(inputs))


SECTIONS = (
    Section("The study's claims", lambda own: [claims.table(own)], of="claims"),
    Section("The study by layer", study_figures.published, of="repeated"),
    Section("What was run", lambda i: [*findings.asked(i), results.methods(i), results.encoders(i)]),
    Section("Encoders", lambda i: [*findings.ranked(i), results.means(i), overview.encoders(i)]),
    Section("Systems without ears", lambda i: [*shortcuts.sentences(i), shortcuts.table(i)]),
    Section("Outside systems", lambda i: [outside.scores(i), *(outside.tests(i, s) for s in i.outside.means)]),
    Section("Language", lambda i: [*language.sentences(i), language.table(i)]),
    Section("Tuning", lambda i: [comparisons.tuning(i), comparisons.strategies(i), *curves.two_stage(i)]),
    Section("Kept heads", lambda i: [*carried.sentences(i), carried.table(i)]),
    Section("Conditions", lambda i: chain(findings.transfer(i), findings.chance(i), _conditions(i))),
    Section("Losses", lambda i: [*ablation.sentences(i), ablation.table(i)]),
    Section("Representation", _representation),
    Section("Few shots", lambda i: [*shots.sentences(i), *learning.curves(i), shots.until(i), shots.table(i)]),
    Section("Heard speakers", lambda i: [*heard.sentences(i), heard.table(i), *emobox.sentences(i), emobox.table(i)]),
    Section("What the gap is made of", _gap),
    Section("Layers", _layers),
    Section("Confusions", lambda i: chain(findings.confusion(i), [confusions.pooled(i)], confusions.by_condition(i))),
    Section("Who it fails on", lambda i: chain(breakdown.sentences(i), breakdown.tables(i), reliability.diagrams(i))),
    Section("Speaker erasure", lambda i: [erasure_table.table(i), *erasure.curves(i)]),
    Section("Paired tests", lambda i: [*findings.tested(i), comparisons.compared_means(i), comparisons.compared(i)]),
    Section("Diarization", sed.blocks, of="diarization"),
    Section("People", people.blocks, of="listened"),
    Section("Corpora and audit", lambda i: [results.data(i), audit.by_corpus(i), audit.by_fold(i), audit.in_words(i)]),
)


def sections(sources: Sources) -> list[tuple[Section, list[Block]]]:
    """Make the sections that there is something for."""
    found = []
    for section in SECTIONS:
        if (material := getattr(sources, section.of)) is not None:
            blocks = [block for block in section.blocks(material) if not isinstance(block, Table) or block.rows]
            found.append((section, blocks))
    return [(section, blocks) for section, blocks in found if blocks]
