"""EmoBox's published figures beside ours, corpus by corpus, with what makes the two protocols differ.

``study.emobox`` names a CSV file with the columns ``dataset`` (its folder in EmoBox), ``encoder`` (as in
conf/encoders.yaml, or EmoBox's name of one that is not there), ``ua`` (percent), ``emotions`` (how many) and ``shared``
(of the most mixed fold's test speakers, those in train too); lines that begin with ``#`` say where they are from.
"""

from __future__ import annotations

import csv
from pathlib import Path

from local.experiment import Experiment
from local.report.conditions import Result
from local.report.material import Inputs
from local.report.tables.cells import DASH, Cell, Table, marks, number, result_cell
from utils.errors import UserError
from utils.registry import folders
from utils.table import read_text

COLUMNS = ("dataset", "encoder", "ua", "emotions", "shared")
SCHEME = "emobox"


def files(experiment: Experiment) -> list[Path]:
    """Find the file of figures, in the recipe or else in the repository; none where the experiment names none.

    Raises
    ------
    UserError
        It is in neither.
    """
    if not experiment.study.emobox:
        return []
    found = [path for folder in folders(".") if (path := folder / experiment.study.emobox).is_file()]
    if not found:
        raise UserError(f"{experiment.study.emobox}: no such file; correct study.emobox, or empty it")
    return found[-1:]


def read(path: Path) -> dict[str, list[dict[str, str]]]:
    """Read published figures: dataset to its rows.

    Raises
    ------
    UserError
        A column is missing, or a UA is no number.
    """
    reader = csv.DictReader(line for line in read_text(path).splitlines() if line.strip() and line[0] != "#")
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
        raise UserError(f"{path}: there is no column '{missing[0]}'; expected {', '.join(COLUMNS)}")
    found: dict[str, list[dict[str, str]]] = {}
    for row in reader:
        try:
            float(row["ua"]), int(row["emotions"])
        except (ValueError, TypeError):
            raise UserError(f"{path}: {row}: expected ua and emotions to be numbers") from None
        found.setdefault(row["dataset"], []).append(row)
    return found


def table(inputs: Inputs) -> Table:
    """Every figure of EmoBox of a corpus that we trained and tested on, beside ours of the same encoder."""
    paths = files(inputs.experiment)
    published, rows = read(paths[0]) if paths else {}, []
    for corpus, known_as in inputs.corpora.items():
        theirs = published.get(known_as.emobox, [])
        own = [result for result in inputs.results if (result.group, result.test) == ("within", corpus)]
        if not (theirs and own):
            continue
        for row in theirs:
            same = [result for result in own if result.system.encoder == row["encoder"]]
            rows += [_row(inputs, corpus, row, result) for result in same or [None]]
        known, blank = {row["encoder"] for row in theirs}, theirs[0] | {"ua": ""}
        rows += [_row(inputs, corpus, blank, result) for result in own if result.system.encoder not in known]
    caption = (
        f"UA in percent, trained and tested on one corpus. *EmoBox*: as published ({_source(paths)}), without "
        "intervals, of so many emotions; *heard*: of its test speakers, those who are in its training list too, which "
        "flatters. *ours*: of the experiment's emotions, on our folds [95% interval]; encoders that EmoBox does not "
        f"have stand below. *ours − EmoBox*: in points, where folds (scheme `{SCHEME}`) and number of emotions are "
        "EmoBox's alone: other figures are of other tasks, and their difference says nothing. EmoBox's heads are not "
        "ours, and it has no validation lists."
    )
    header = ["corpus", "encoder", "EmoBox", "emotions", "heard", "ours", "method", "folds", "our emotions",
              "ours − EmoBox"]  # fmt: skip
    return Table("emobox", "Beside EmoBox's figures", caption, header, rows)


def _row(inputs: Inputs, corpus: str, theirs: dict[str, str], result: Result | None) -> list[Cell]:
    ua = float(theirs["ua"]) if theirs["ua"] else None
    encoder = result.system.encoder if result else theirs["encoder"]
    row = [Cell(inputs.label(corpus)), Cell(encoder), number(ua, scale=1), Cell(theirs["emotions"])]
    row += [Cell(theirs["shared"], best=not theirs["shared"].startswith("0 ")), result_cell(result)]
    if result is None:
        return [*row, *[DASH] * 4]
    ahead = 100 * result.headline.ua - (ua or 0)
    alike = ua is not None and result.scheme == SCHEME and int(theirs["emotions"]) == len(inputs.emotions)
    own = [Cell(result.system.method), Cell(result.scheme), Cell(str(len(inputs.emotions)))]
    return [*row, *own, Cell(f"{ahead:+.1f}", marks(result), value=ahead) if alike else DASH]


def sentences(inputs: Inputs) -> list[str]:
    """Warn of what stands beside each other and is not the same; nothing where nothing stands so."""
    found = table(inputs).rows
    alike = sum(row[-1] != DASH for row in found)
    if not found:
        return []
    return [
        f"Of {len(found)} rows beside EmoBox's figures, {alike} are of its folds, emotions and encoders; the others "
        "differ in protocol, and stand there to be looked at, not to be subtracted."
    ]


def _source(paths: list[Path]) -> str:
    lines = [line for path in paths for line in read_text(path).splitlines()]
    return " ".join(line.removeprefix("#").strip() for line in lines if line[:1] == "#")
