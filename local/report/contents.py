"""What the report holds, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Iterator

from local.report.figures import confusions, curves, layers, overview, reliability
from local.report.figures.drawing import Figure
from local.report.material import Inputs
from local.report.tables import audit, breakdown, comparisons, language, results, shortcuts
from local.report.tables.cells import Table


def tables(inputs: Inputs) -> list[Table]:
    """List the tables; those without rows are left out."""
    made = [results.means(inputs), shortcuts.table(inputs), language.table(inputs), comparisons.strategies(inputs)]
    if inputs.conditions > 1:
        made += [results.by_condition(inputs, method) for method in inputs.methods]
    made += [results.everything(inputs), results.by_layer(inputs)]
    made += [comparisons.compared_means(inputs), comparisons.compared(inputs)]
    made += breakdown.tables(inputs)
    made += [results.encoders(inputs), results.data(inputs), audit.by_corpus(inputs), audit.by_fold(inputs)]
    return [table for table in made if table.rows]


def figures(inputs: Inputs) -> Iterator[Figure]:
    """List the figures that the results have material for."""
    yield overview.encoders(inputs)
    yield from layers.means(inputs)
    yield from overview.matrices(inputs)
    yield from curves.two_stage(inputs)
    yield confusions.pooled(inputs)
    yield from reliability.diagrams(inputs)
    yield from confusions.by_condition(inputs)
    yield from layers.details(inputs)
