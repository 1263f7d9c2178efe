"""Score all finished conditions: exp/<stage>/<condition>/ -> exp/results.csv, exp/significance.csv.

Run in a recipe folder::

    python3 -m local.score.collect [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

It writes

- ``exp/results.csv``: a row a fold x seed x layer of every condition, and rows with ``fold=all,seed=all``:
  recalls pooled over the test utterances of all folds, averaged over seeds, with an interval over speakers
  (``ua_lo``, ``ua_hi``; ``se`` and ``df``; ``no_interval`` says why there is none; docs/statistics.md), of every
  layer and of the layers that dev chose (``layer=dev``, the headline). In those, ``selected`` counts the fold x seed
  runs in which dev chose the layer, ``tied`` those in which several layers had the best dev UA, ``dev_ua`` is the mean
  over runs, ``collapsed`` counts the runs in which one class was said of everything, ``speaker_se`` is the standard
  error over speakers alone, ``seed_sd`` is the standard deviation between seeds, ``partition_sd`` that between
  partitions (``split.repeats``), seeds aside, ``n_train`` is the mean over folds, ``n_test`` counts each utterance
  once, and ``resampled`` says what was counted: speakers, or, with one speaker, utterances.
- ``exp/summary.csv``: each system's means over conditions, within and across corpora.
- ``exp/significance.csv``: paired tests between systems, corrected within families: what one table shows.
- ``exp/language.csv``: paired tests between encoders of one language each, by whose language theirs is.
- ``exp/shots.csv``: paired tests between a source with few utterances of the test corpus and these alone. Conditions
  with shots are in the tables above too, and in none of those below; systems from outside (docs/outside.md), in
  results, summary, significance and calibration.
- ``exp/breakdown.csv``: who and what headlines fail on: UA by gender, by sentence seen or not, by speaker, by language.
- ``exp/calibration.csv``, ``exp/reliability.csv``: whether posteriors mean what they say, of systems that have any.
- ``exp/mixed.csv``: encoders compared by a mixed model with speakers, sentences and corpora as random effects.
- ``exp/erasure.csv``: what erasing speakers does to speakers and emotions, beside its controls.
- ``exp/gap.csv``: what the drop of each zero-shot pair is made of: priors, shift, concept, representation.
- ``exp/ablation.csv``: what losses beside the cross entropy gain, and what else might have.
- ``exp/representation.csv``, ``exp/points.csv``: who and what is read before and after losses or tuning.
- ``exp/confusion.json``: every condition's meta.json, its headline's confusion counts over all seeds and, of tuned
  encoders, the layer behind which each was cut.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import experiment
from local.grid import factors
from utils import csv_file, stamp
from utils.atomic import atomic_file
from utils.data_dir import fingerprint
from utils.errors import UserError, run_main
from utils.folds import DIGEST
from utils.table import read_table

if TYPE_CHECKING:
    from local.results.read import Finished
    from local.score.tabulate import Scored
    from utils.intervals import Blocks

NAMES = (
    "results.csv", "summary.csv", "significance.csv", "language.csv", "shots.csv", "breakdown.csv", "calibration.csv",
    "reliability.csv", "mixed.csv", "erasure.csv", "gap.csv", "ablation.csv", "representation.csv", "points.csv",
    "confusion.json",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Score the experiment's conditions, unless the tables on disk are already theirs."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.score.collect", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    config = experiment.load(parser.parse_args(argv))
    from local.results import read

    paths, warnings = read.finished(config.exp)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if not paths:
        raise UserError(f"{config.exp}: holds no finished condition of this experiment; run the probe stage first")
    made_from = _stamp(config, paths)
    reason = stamp.why_stale(config.exp / "score", made_from)
    if reason is None:
        print(f"{config.exp}/results.csv: up to date ({len(paths)} conditions)")
        return
    print(f"{config.exp}/results.csv: scoring {len(paths)} conditions ({reason})")
    _collect(paths, config, Path.cwd().name)
    stamp.write(config.exp / "score", _stamp(config, paths))


def _stamp(config: experiment.Experiment, paths: Sequence[Path]) -> dict:
    from local.results import read
    from local.score import facts

    splits = factors.schemes(config)
    inputs = [path / name for path in paths for name in read.FILES]
    inputs += [path / name for path in paths for name in read.OF_SOME if (path / name).is_file()]
    inputs += [Path("data") / corpus / name for corpus in config.corpora for name in facts.TABLES]
    inputs += [Path("data") / corpus / "folds" / split / DIGEST for corpus in config.corpora for split in splits]
    # The tables are among the fingerprints, so that one which was removed or edited is made again.
    inputs += [config.exp / name for name in NAMES]
    return stamp.make({"score": vars(config.score), "recipe": Path.cwd().name}, ["local.score.collect"], inputs)


def _collect(paths: Sequence[Path], config: experiment.Experiment, recipe: str) -> None:
    from local.results import read
    from local.score import (
        ablation,
        breakdown,
        calibration,
        compare,
        erasure,
        families,
        gap,
        language,
        mixed,
        representation,
        shots,
        tabulate,
        unheard,
    )
    from local.score.facts import Facts

    score = config.score
    conditions = families.in_order([read.read(path) for path in paths])
    blocks = {test: _blocks(test, conditions, score) for test in sorted({one.test for one in conditions})}
    systems: dict[tuple, list[Scored]] = {}
    for condition in conditions:
        scored = tabulate.score(condition, blocks[condition.test], config.split.repeats)
        systems.setdefault((condition.stage, condition.system), []).append(scored)
    everything = [scored for system in systems.values() for scored in system]
    names = tabulate.Names.of(conditions, recipe)
    results = [row for scored in everything for row in tabulate.condition_rows(scored, names, score.confidence)]
    summary = [row for system in systems.values() for row in tabulate.summary_rows(system, names, score.confidence)]
    summary += unheard.rows(systems.values(), names, score.confidence)
    facts = Facts()
    zero = [scored for scored in everything if not scored.condition.factors.get("shots")]
    plain = [scored for scored in zero if scored.condition.stage != factors.OUTSIDE]
    shared = [scored for scored in zero if scored.condition.meta.get("posteriors", True)]
    tables = (
        (tabulate.result_columns(conditions[0].emotions, names), results),
        (tabulate.summary_columns(names), summary),
        (compare.columns(names), compare.rows(everything, blocks, names, score)),
        (language.columns(names), language.rows(plain, blocks, names, score)),
        (shots.columns(names), shots.rows(everything, blocks, names, score)),
        (breakdown.columns(names), breakdown.rows(plain, facts, blocks, names, score)),
        (calibration.columns(names), calibration.rows(shared, blocks, names, score)),
        (calibration.BINNED, calibration.bins(shared, names)),
        (mixed.columns(names), mixed.rows(plain, facts, names, score)),
        (erasure.columns(names), erasure.rows(conditions, names)),
        (gap.columns(names), gap.rows(plain, blocks, names, score)),
        (ablation.columns(names), ablation.rows(plain, blocks, names, score)),
        (representation.columns(names), representation.rows(conditions, names, score.confidence)),
        (representation.point_columns(), representation.points(conditions, names)),
    )
    for name, (columns, rows) in zip(NAMES, tables, strict=False):
        if count := csv_file.write(config.exp / name, columns, rows):
            print(f"{config.exp / name}: {count} rows")
    confusions = [
        {"meta": s.condition.meta, "counts": s.counts[:, -1].sum(axis=0).tolist(), "cut": s.condition.cut}
        for s in everything
    ]
    with atomic_file(config.exp / NAMES[-1]) as file:
        json.dump({"recipe": recipe, "emotions": conditions[0].emotions, "conditions": confusions}, file)
        file.write("\n")
    print(f"{config.exp / NAMES[-1]}: {len(confusions)} matrices")


def _blocks(test: str, read: Iterable[Finished], score: experiment.Score) -> Blocks:
    """Find a test corpus's speakers, over all utterances that any condition tests, and draw its replicates if asked."""
    import numpy as np

    from utils import intervals

    classes: dict[str, int] = {}
    for condition in read:
        if condition.test == test:
            classes |= zip(condition.utts.tolist(), condition.reference.tolist(), strict=True)
    path = Path("data") / test / "utt2spk"
    speakers = read_table(path)
    unknown = sorted(classes.keys() - speakers.keys())
    if unknown:
        raise UserError(f"{path}: lacks {unknown[0]}, which was tested; run the probe stage again on this data")
    # Seeded by the corpus's data alone: another condition, or another name, leaves intervals as they were.
    rng = np.random.default_rng([score.seed, int(fingerprint(path.parent), 16)])
    resamples = score.resamples if score.interval == "bootstrap" else 0
    return intervals.make_blocks({utt: speakers[utt] for utt in sorted(classes)}, classes, resamples, rng)


if __name__ == "__main__":
    run_main(main)
