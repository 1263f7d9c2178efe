"""Analyse what people heard, beside models: answers, imports and published rates -> exp/listen/*.csv.

Run in a recipe folder::

    python3 -m local.listen.analyse [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

It writes

- ``exp/listen/rates.csv``: UA of people by the rates that corpora bring along, on what models are tested on, and on all
  that people rated;
- ``exp/listen/beside.csv``: people and each model on the same utterances (local/listen/items.py);
- ``exp/listen/items.csv``: those utterances, one by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from local import experiment
from utils import csv_file
from utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> None:
    """Write the tables of what there is; say so where there is nothing."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.listen.analyse", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    config = experiment.load(parser.parse_args(argv))
    from local.listen import items, models, rates

    folder = config.exp / "listen"
    published = rates.find(config)
    if not published:
        print(f"{folder}: no answers and no published rates of people: nothing to analyse")
        return
    folder.mkdir(parents=True, exist_ok=True)
    columns = [*rates.COLUMNS, *(f"recall_{emotion}" for emotion in config.emotions)]
    csv_file.write(folder / "rates.csv", columns, [row for own in published for row in own.rows])
    found, beside, single = models.load(config.exp), [], []
    for own in published:
        rows, more = items.compare(own.people, found, own.speakers)
        beside += rows
        single += more
    csv_file.write(folder / "beside.csv", items.BESIDE, beside)
    csv_file.write(folder / "items.csv", items.ITEMS, single)
    print(f"{folder}/beside.csv: {len(beside)} comparisons of people and models")


if __name__ == "__main__":
    run_main(main)
