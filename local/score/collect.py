"""Score all finished conditions: exp/<stage>/<condition>/ -> exp/results.csv, exp/significance.csv.

Run in a recipe folder::

    python3 -m local.score.collect [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

It writes

- ``exp/results.csv``: a row a fold x seed x layer of every condition, and rows with ``fold=all,seed=all``:
  recalls pooled over the test utterances of all folds, averaged over seeds, with a speaker-clustered
  bootstrap interval (``ua_lo``, ``ua_hi``), of every layer and of the layers that dev chose (``layer=dev``,
  the headline). In those, ``selected`` counts the fold x seed runs in which dev chose the layer, ``n_train``
  is the mean over folds, ``n_test`` counts each utterance once, and ``resampled`` says what was drawn:
  speakers, or, with one speaker, utterances.
- ``exp/summary.csv``: each system's means over conditions, within and across corpora and by setting.
- ``exp/significance.csv``: paired tests between systems, with Holm's correction.
- ``exp/language.csv``: paired tests between encoders of one language each, by whose language theirs is.
- ``exp/confusion.json``: every condition's meta.json, its headline's confusion counts over all seeds and, of tuned
  encoders, the layer behind which each was cut.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import experiment
from utils import stamp
from utils.atomic import atomic_file
from utils.errors import UserError, run_main
from utils.table import read_table

if TYPE_CHECKING:
    from local.score.conditions import Condition
    from local.score.tabulate import Scored
    from utils.intervals import Blocks

EXP = Path("exp")
OUTPUTS = [EXP / name for name in ("results.csv", "summary.csv", "significance.csv", "language.csv", "confusion.json")]
STAMP = EXP / "score"


def main(argv: Sequence[str] | None = None) -> None:
    """Score the experiment's conditions, unless the tables on disk are already theirs."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.score.collect", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    config = experiment.load(parser.parse_args(argv))
    from local.score import conditions

    paths, warnings = conditions.find(EXP, config)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if not paths:
        raise UserError(f"{EXP}/probe: holds no finished condition of this experiment; run the probe stage first")
    made_from = _stamp(config, paths)
    reason = stamp.why_stale(STAMP, made_from)
    if reason is None:
        print(f"{OUTPUTS[0]}: up to date ({len(paths)} conditions)")
        return
    print(f"{OUTPUTS[0]}: scoring {len(paths)} conditions ({reason})")
    _collect(paths, config, Path.cwd().name)
    stamp.write(STAMP, _stamp(config, paths))


def _stamp(config: experiment.Experiment, paths: Sequence[Path]) -> dict:
    from local.score import conditions

    inputs = [path / name for path in paths for name in conditions.FILES]
    inputs += [Path("data") / corpus / "utt2spk" for corpus in config.corpora]
    settings = {"score": vars(config.score), "recipe": Path.cwd().name}
    # The tables are among the fingerprints, so that one which was removed or edited is made again.
    return stamp.make(settings, ["local.score.collect"], [*inputs, *OUTPUTS])


def _collect(paths: Sequence[Path], config: experiment.Experiment, recipe: str) -> None:
    from local.score import compare, conditions, language, tabulate

    score = config.score
    read = sorted((conditions.read(path) for path in paths), key=lambda condition: _order(condition, config))
    emotions = read[0].meta["emotions"]
    blocks = {test: _blocks(test, read, score) for test in sorted({c.meta["test"] for c in read})}
    systems: dict[tuple[str, str], list[Scored]] = {}
    for condition in read:
        scored = tabulate.score(condition, blocks[condition.meta["test"]])
        systems.setdefault((condition.meta["stage"], condition.system), []).append(scored)
    everything = [scored for system in systems.values() for scored in system]
    results = [row for scored in everything for row in tabulate.condition_rows(scored, recipe, score.confidence)]
    summary = [row for system in systems.values() for row in tabulate.summary_rows(system, recipe, score.confidence)]
    significance = compare.rows(everything, blocks, recipe, score)
    languages = language.rows(everything, blocks, recipe, score)
    _write_csv(OUTPUTS[0], tabulate.result_columns(emotions), results)
    _write_csv(OUTPUTS[1], tabulate.SUMMARY_COLUMNS, summary)
    _write_csv(OUTPUTS[2], compare.COLUMNS, significance)
    _write_csv(OUTPUTS[3], language.COLUMNS, languages)
    confusions = [
        {"meta": s.condition.meta, "counts": s.counts[:, -1].sum(axis=0).tolist(), "cut": s.condition.cut}
        for s in everything
    ]
    with atomic_file(OUTPUTS[4]) as file:
        json.dump({"recipe": recipe, "emotions": emotions, "conditions": confusions}, file)
        file.write("\n")
    for path, rows in zip(OUTPUTS, (results, summary, significance, languages, confusions), strict=True):
        print(f"{path}: {len(rows)} rows" if path.suffix == ".csv" else f"{path}: {len(rows)} matrices")


def _order(condition: Condition, config: experiment.Experiment) -> tuple:
    """Where the experiment names a condition: tables are in its order."""
    from local.score import conditions

    meta, place = condition.meta, config.corpora.index
    grids = [config.finetune, *config.finetune.also]
    stages, encoders = list(conditions.STAGES), [*config.encoders, *(name for grid in grids for name in grid.encoders)]
    strategies = [strategy for grid in grids for strategy in grid.strategies]
    # Strategies are written in an order of their own.
    methods = [set(method.split("+")) for method in [*config.probe.heads, *strategies]]
    return (
        stages.index(meta["stage"]),
        encoders.index(meta["encoder"]),
        methods.index(set(conditions.strategy_of(meta).split("+"))),
        meta["method"],
        place(meta["test"]),
        len(meta["train"]),
        [place(name) for name in meta["train"]],
    )


def _blocks(test: str, read: Iterable[Condition], score: experiment.Score) -> Blocks:
    """Draw a test corpus's replicates, over all utterances that any condition tests."""
    import numpy as np

    from utils import intervals

    classes: dict[str, int] = {}
    for condition in read:
        if condition.meta["test"] == test:
            classes |= zip(condition.utts.tolist(), condition.reference.tolist(), strict=True)
    path = Path("data") / test / "utt2spk"
    speakers = read_table(path)
    unknown = sorted(classes.keys() - speakers.keys())
    if unknown:
        raise UserError(f"{path}: lacks {unknown[0]}, which was tested; run the probe stage again on this data")
    # Seeded by the corpus alone: adding a condition leaves the other conditions' intervals as they were.
    rng = np.random.default_rng([score.seed, zlib.crc32(test.encode())])
    return intervals.make_blocks({utt: speakers[utt] for utt in sorted(classes)}, classes, score.resamples, rng)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    with atomic_file(path) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run_main(main)
