"""Read study A's published logs of its layer-wise analysis: DIR -> exp/published/layers.csv, for its figure 1.

    python3 -m local.report.import_published DIR [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder. DIR is a clone of https://github.com/zhan7721/Crosslingual_SER, or its folder
``logs/layer_wise_analysis``. The report draws what is found there beside ours.

A log (``*.out``) is what ``runner_layer_wise_analysis.py`` prints, perhaps of several runs: of each fold which model it
is (``This is fold_0 on cn``), which data are loaded (``Loading de train data: fold_0...``) and, when all layers are
through, ``cn, fold_0, all layer accuracy: ['0.4100', ...]``. These lines are looked for anywhere, since other
output (bars of progress, warnings) may stand before them in a line; a fold without the last is left out and named.
Tests are balanced, so that accuracy is UA. The form of the lines is taken from the published code: **its layer-wise
logs themselves were not at hand where this was written.**
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from local import corpora, encoders, experiment
from local.results.languages import setting
from utils import csv_file
from utils.errors import UserError, run_main

FILE = Path("published/layers.csv")  # in the experiment's exp
COLUMNS = ("encoder", "setting", "train", "dev", "test", "fold", "layer", "ua")
WHERE = Path("logs/layer_wise_analysis")
_NAMES = {  # the study's words, and ours for its encoders and corpora
    "cn": ("wav2vec2_zh", "esd"), "de": ("wav2vec2_de", "pavoque"), "en": ("wav2vec2_en", "iemocap"),
}  # fmt: skip
_LINE = re.compile(
    r"This is fold_(?P<begun>\d+) on (?P<model>\w+)"
    r"|Loading (?P<data>\w+) (?P<part>train|eval|test) data: fold_\d+"
    r"|(?P<of>\w+), fold_(?P<fold>\d+), all layer accuracy: \[(?P<layers>[^\]]*)\]"
)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the clone, or its logs/layer_wise_analysis")
    experiment.add_arguments(parser)
    arguments = parser.parse_args()
    config = experiment.load(arguments)
    rows = read(arguments.folder)
    path = config.exp / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{path}: {csv_file.write(path, COLUMNS, rows)} rows")


def read(folder: Path) -> list[dict[str, str]]:
    """Read all logs of a folder: a row a condition, fold and layer, as of :data:`COLUMNS`; UA from 0 to 1.

    Raises
    ------
    UserError
        There are no logs, nothing is in them, a line says what cannot be, or two logs differ about a fold.
    """
    folder = folder / WHERE if (folder / WHERE).is_dir() else folder
    logs = sorted(folder.glob("*.out"))
    if not logs:
        raise UserError(f"{folder}: no logs (*.out); give a clone of zhan7721/Crosslingual_SER, or its {WHERE}")
    found: dict[tuple, tuple[list[float], Path]] = {}
    for path in logs:
        for key, values in _folds(path):
            before = found.setdefault(key, (values, path))
            if before[0] != values:
                raise UserError(f"{path}: says otherwise than {before[1]} of {', '.join(key)}; remove one of the two")
    if not found:
        raise UserError(f"{folder}: none of its {len(logs)} logs has a line 'all layer accuracy'; fetch them again")
    rows = []
    for (encoder, train, dev, test, fold), (values, _) in sorted(found.items()):
        shared = {"encoder": encoder, "setting": _setting(encoder, train, test), "train": train, "dev": dev}
        shared |= {"test": test, "fold": fold}
        rows += [shared | {"layer": str(layer), "ua": f"{value:.6f}"} for layer, value in enumerate(values)]
    return rows


def _folds(path: Path) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    """Yield the folds that a log holds: encoder, train, dev, test and fold, and the accuracy at each layer."""
    data: dict[str, str] = {}
    begun = ""
    # Bars of progress, which lines of other output cut in two, leave bytes that are no text.
    for match in _LINE.finditer(path.read_bytes().decode(errors="replace")):
        if match["begun"]:
            if begun:
                print(f"{path}: fold {begun} was not finished and is left out", file=sys.stderr)
            begun, data = match["begun"], {}
        elif match["data"]:
            data[match["part"]] = match["data"]
        else:
            yield _fold(path, match, data, begun)
            begun = ""
    if begun:
        print(f"{path}: fold {begun} was not finished and is left out", file=sys.stderr)


def _fold(path: Path, match: re.Match, data: dict[str, str], begun: str) -> tuple[tuple[str, ...], list[float]]:
    where = f"{path}: '{match[0][:40]}...'"
    if begun != match["fold"] or not {"train", "test"} <= data.keys():
        raise UserError(f"{where}: nothing before it says which data were loaded for fold {match['fold']}")
    words = [match["of"], data["train"], data.get("eval", data["test"]), data["test"]]
    unknown = [word for word in words if word not in _NAMES]
    if unknown:
        raise UserError(f"{where}: '{unknown[0]}' is not one of {', '.join(_NAMES)}")
    try:
        values = [float(value.strip(" '\"")) for value in match["layers"].split(",")]
    except ValueError:
        values = []
    layers = encoders.spec(_NAMES[words[0]][0]).layers
    if len(values) != layers or not all(0 <= value <= 1 for value in values):
        raise UserError(f"{where}: expected {layers} accuracies from 0 to 1")
    names = (_NAMES[words[0]][0], *(_NAMES[word][1] for word in words[1:]))
    return (*names, match["fold"]), values


def _setting(encoder: str, train: str, test: str) -> str:
    heard = [corpora.spec(train).language]
    return setting(encoders.spec(encoder).languages, heard, corpora.spec(test).language)


if __name__ == "__main__":
    run_main(main)
