"""Make conditions of what systems from outside say: their files, folds -> exp/outside/<condition>/.

    python3 -m local.outside.make [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Run in a recipe's folder; stage 5 does. What the experiment's section ``outside`` names is tested on the test lists of
our systems (docs/outside.md), and written as their conditions are, with one layer and one seed. Of its training nothing
is known: it has no dev, no parameters, and every corpus counts as one that it may have heard.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import experiment
from local.encoders import EncoderSpec
from local.grid import plan
from local.grid.conditions import Condition, Group
from local.outside import predictions
from local.outside.conditions import STAGE, entry, settings
from local.results import corpus as reader
from utils import stamp
from utils.atomic import atomic_dir
from utils.data_dir import read_utt2
from utils.errors import UserError, run_main

if TYPE_CHECKING:
    import numpy as np

    from local.experiment import Outside
    from local.outside.predictions import Prediction
    from local.results.corpus import Corpus
    from local.results.write import Run

LAYER = -1  # the last of whatever it is


def main(argv: Sequence[str] | None = None) -> None:
    """Make what is not made yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    experiment.add_arguments(parser)
    for work in plan.laid_out(STAGE, experiment.load(parser.parse_args(argv))):
        for condition in work.conditions:
            make(work.group, condition)


def make(group: Group, condition: Condition) -> None:
    """Write a condition's directory anew.

    Raises
    ------
    UserError
        The file is malformed, does not fit the corpus and the experiment's emotions, or leaves test utterances out.
    """
    from local.results.write import describe, write

    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    made_from = STAGE.stamp(group, condition)
    own, emotions = entry(condition), condition.factors["emotions"]
    found = predictions.read(Path(own.file))
    _check(found, own)
    corpus, left = _tested(reader.read(condition.test, own.name, group.scheme, emotions), found, own)
    rows = sorted({int(row) for fold in corpus.folds for row in fold["test"]})
    shares, soft = predictions.probabilities([found[corpus.utts[row]] for row in rows], emotions, own.words)
    spec = EncoderSpec(own.name, unlisted=True)
    meta = describe(condition, {corpus.name: corpus}, spec, "a system from outside")
    meta |= {"params": None, "posteriors": soft, "left_out": left}
    with atomic_dir(condition.directory) as directory:
        runs = _runs(corpus, rows, shares)
        write(directory, condition, meta, settings(condition), [corpus], corpus, runs)
        stamp.write(directory, made_from, keep=True)
    print(f"{condition.directory}: done" + (f", {left} test utterances left out" if left else ""), flush=True)


def _check(found: dict[str, Prediction], own: Outside) -> None:
    """Refuse utterances that none of its corpora has, or several have."""
    corpora = {name: read_utt2(Path("data", name), "spk").keys() for name in own.corpora}
    for utt, one in found.items():
        having = [name for name, utts in corpora.items() if utt in utts]
        if not having:
            where = " and ".join(f"data/{name}" for name in own.corpora)
            raise UserError(f"{one.where}: {utt} is not an utterance of {where}; take it out, or mend its name")
        if len(having) > 1:
            both = " and ".join(having)
            raise UserError(f"{one.where}: {utt} is in {both}; give each a file and an entry in outside of its own")


def _tested(corpus: Corpus, found: dict[str, Prediction], own: Outside) -> tuple[Corpus, int]:
    """Leave test utterances out of which nothing is said, and count them, or refuse that."""
    tested = {int(row) for fold in corpus.folds for row in fold["test"]}
    lacking = {row for row in tested if corpus.utts[row] not in found}
    if not lacking:
        return corpus, 0
    if own.missing == "refuse":
        first = corpus.utts[min(lacking)]
        raise UserError(
            f"{own.file}: says nothing of {len(lacking)} of {len(tested)} test utterances of {corpus.name}, the first "
            f"is {first}; add them, or set missing: leave_out in its entry of outside"
        )
    folds = [fold | {"test": fold["test"][[int(row) not in lacking for row in fold["test"]]]} for fold in corpus.folds]
    empty = [k for k, fold in enumerate(folds) if not len(fold["test"])]
    if empty:
        raise UserError(f"{own.file}: says nothing of any test utterance of {corpus.name}, fold {empty[0]}; add some")
    return dataclasses.replace(corpus, folds=folds, excluded=corpus.excluded + len(lacking)), len(lacking)


def _runs(corpus: Corpus, rows: list[int], shares: np.ndarray) -> list[Run]:
    """Give each fold its test utterances' posteriors."""
    from local.results.write import Run

    unknown = {"epoch": 0, "dev_loss": float("nan"), "dev_ua": float("nan"), "n_train": "", "n_dev": ""}
    place = {row: number for number, row in enumerate(rows)}
    return [
        Run(k, 0, LAYER, True, unknown, shares[[place[int(row)] for row in fold["test"]]])
        for k, fold in enumerate(corpus.folds)
    ]


if __name__ == "__main__":
    run_main(main)
