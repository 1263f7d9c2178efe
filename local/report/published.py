"""The numbers that are kept beside RESULTS.md: CSV files of moderate size, for who would compute with them.

``results/``, or ``results.<tag>/`` of a variant, is replaced as a whole. ``headlines.csv`` is what exp/results.csv says
of every condition at the layer that dev chose, over all folds; the other tables are as stages 5 and 6 wrote them. A
table without rows is left out, and so is one of more than :data:`LIMIT` bytes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from local.experiment import Experiment
from local.report import aligned, erased, failures, gaps, inputs, listened
from utils import csv_file

LIMIT = 1 << 20  # bytes of a file that is kept with the code
HEADLINES = "headlines.csv"


def write(experiment: Experiment, folder: Path) -> dict[str, int]:
    """Write the tables of an experiment into a folder.

    Returns
    -------
    dict of str to int
        By file, its number of rows.
    """
    exp, made = experiment.exp, {}
    rows = csv_file.read(exp / inputs.RESULTS) if (exp / inputs.RESULTS).is_file() else []
    chosen = [row for row in rows if (row["layer"], row["fold"]) == ("dev", "all")]
    if chosen:
        made[HEADLINES] = csv_file.write(folder / HEADLINES, list(chosen[0]), chosen)
    tables = (inputs.SUMMARY, inputs.SIGNIFICANCE, inputs.LANGUAGE, inputs.SHOTS)
    tables += (*failures.FILES, erased.FILE, gaps.FILE, aligned.ABLATION, aligned.REPRESENTATION, *listened.KEPT)
    for name in (*tables, *(inputs.SED_RESULTS, inputs.SED_SIGNIFICANCE) * bool(experiment.sed.encoders)):
        path = exp / name
        number = len(csv_file.read(path)) if path.is_file() and path.stat().st_size <= LIMIT else 0
        if number:
            target = name.replace("/", "_")
            shutil.copyfile(path, folder / target)
            made[target] = number
    return made
