"""The table of the layers that dev chose."""

from __future__ import annotations

from collections import Counter

from local.report.material import Inputs
from local.report.tables.cells import DASH, Cell, Table


def table(inputs: Inputs) -> Table:
    """Count which layers dev chose, over all trainings of an encoder of several layers, each once wherever tested."""
    rows = []
    for encoder in inputs.encoders:
        results = [result for result in inputs.results if result.system.encoder == encoder and not result.tuned]
        last = max((layer for result in results for layer in result.layers), default=0)
        if last == 0:
            continue
        trainings = inputs.selections(results)
        chosen = sum((Counter(result.selected) for result in trainings), Counter())
        ordered = sorted(chosen.elements())
        layer, times = max(chosen.items(), key=lambda item: (item[1], -item[0]))
        tied = sum(result.tied for result in trainings)
        # Combinations of several encoders' layers have no middle.
        spec, middle = inputs.specs[encoder], ordered[len(ordered) // 2]
        named = [spec.layer_name(number) for number in (last, layer)]
        median = DASH if len(spec.parts) > 1 else Cell(str(middle))
        counts = [Cell(str(number)) for number in (times, tied, len(ordered))]
        rows.append([Cell(encoder), *map(Cell, named), counts[0], median, *counts[1:]])
    caption = (
        "How often dev chose which layer. A selection is one of a fold and seed of a training. *with ties*: selections "
        "in which several layers had the best dev UA, which dev loss then decided."
    )
    header = ["encoder", "last layer", "most often", "times", "median", "with ties", "selections"]
    return Table("selected", "Layers that dev chose", caption, header, rows)
