"""Train a group's heads, test them on the corpus of each of its conditions, and write the conditions' directories."""

from __future__ import annotations

import dataclasses
import importlib
import time

import numpy as np

from local import encoders
from local.grid.conditions import Condition, Group
from local.losses import ALIGNED, CHOSEN, candidates
from local.probe import draws, features, fewshot, selection
from local.probe.conditions import REPRESENTATION, STAGE, matched, seeds, settings
from local.probe.fit import Source
from local.probe.group import Heads, Selection, records, train
from local.probe.heads import WORDS
from local.results import corpus as reader
from local.results.write import Run, describe, write
from utils import csv_file, stamp
from utils.atomic import atomic_dir


def run(group: Group) -> None:
    """Train a group's heads, and test them on the test corpus of every one of its conditions.

    Parameters
    ----------
    group : Group
        With the conditions to make; earlier results of theirs are replaced.

    Raises
    ------
    UserError
        Something is missing or wrong in the corpora's folds or features.
    """
    began = time.monotonic()
    # Taken before anything is read: what changes meanwhile makes the result stale, as it should.
    stamps = {condition: STAGE.stamp(group, condition) for condition in group.conditions}
    encoder, emotions = group.first.encoder, group.first.factors["emotions"]
    others = matched(group.first)
    corpora = {name: reader.read(name, encoder, group.scheme, emotions, others) for name in group.corpora}
    reader.check_folds(corpora.values(), group.scheme)
    shots, probe = group.first.factors["shots"], group.first.experiment.probe
    alone = shots and group.first.train == (group.first.test,)
    # Of train lists as they were cut, whoever chooses.
    known = draws.drawn(corpora[group.first.test], emotions, shots, probe.draws) if shots else []
    rule = selection.SHOTS if alone else selection.resolve(group.first, corpora)
    nested = rule in (selection.NESTED, selection.LANGUAGES)
    if nested:
        corpora = {name: selection.merged(corpus) for name, corpus in corpora.items()}
    metas = {condition: _describe(condition, corpora) for condition in group.conditions}
    learnt = {name: features.read(corpora[name], encoder) for name in group.learnt}

    def known_of(names: tuple[str, ...]) -> list[Source]:
        return [(corpora[name], learnt[name]) for name in names]

    def teach(own: Group) -> Heads:
        one = own.first
        return train(own, known_of(one.train), known_of(one.dev), nested, *known_of(one.looks_at))

    target = known_of(group.first.looks_at)
    if alone:
        heads = fewshot.alone(group, *target, known)
    elif shots:
        heads = fewshot.beside(group, *target, known, fewshot.taught(group, teach))
    else:
        # What shots may start from later on is kept.
        heads = fewshot.taught(group, teach) if group.first.method == "logreg" else teach(group)
    print(f"probe: {group.name}: {heads.number} heads trained in {time.monotonic() - began:.1f} s", flush=True)
    for condition in group.conditions:
        test = corpora[condition.test]
        # One corpus beside those trained on is in memory at a time.
        tested = learnt[test.name] if test.name in learnt else features.read(test, encoder)
        runs = _runs(heads.selection, heads.test(test, tested), condition)
        with atomic_dir(condition.directory) as directory:
            meta = metas[condition] | {"params": heads.params, "resolved": {"select": rule}}
            meta["words"] = meta["words"] | {"select": selection.WORDS[rule]}
            config = settings(condition)
            config["probe"]["select"] = rule
            if heads.inner:
                meta["inner"] = config["probe"]["inner"] = heads.inner
            write(directory, condition, meta, config, corpora.values(), test, runs)
            made = records(group, heads, known_of(group.first.train), (*target, None)[0], test, tested)
            if condition.method == ALIGNED and condition.test not in condition.train:
                own = known_of(condition.train), (test, tested), condition.factors["emotions"], seeds(condition)
                made |= importlib.import_module(REPRESENTATION).records(heads, *own)
            for name, (columns, rows) in made.items():
                csv_file.write(directory / name, columns, rows)
            stamp.write(directory, stamps[condition], keep=True)
        print(f"probe: {condition.directory}: done", flush=True)


def _describe(condition: Condition, corpora: dict[str, reader.Corpus]) -> dict:
    # What the features were made with counts, not what the registry says by now.
    made = features.read_info(condition.test, condition.encoder)
    spec = dataclasses.replace(encoders.spec(condition.encoder), **made)
    return describe(condition, corpora, spec, WORDS[condition.method])


def _runs(selected: Selection, probabilities: list[np.ndarray], condition: Condition) -> list[Run]:
    """List the heads' results, by fold, seed and layer."""
    runs, best, names = [], selected.layer, seeds(condition)
    for fold, seed, layer in np.ndindex(*selected.dev_ua.shape):
        cell = fold, seed, layer
        facts = {name: getattr(selected, name)[cell] for name in ("epoch", "dev_loss", "dev_ua")}
        facts |= {"n_train": selected.n_train[fold], "n_dev": selected.n_dev[fold]}
        chosen = bool(layer == best[fold, seed])
        extra = _strengths(condition, selected.strength[cell])
        runs.append(Run(fold, names[seed], layer, chosen, facts, probabilities[fold][seed, layer], extra))
    return runs


def _strengths(condition: Condition, chosen: float) -> dict[str, str]:
    """Say how strongly a head was held back, or shaped, in columns of their own; nothing where that is no choice."""
    if condition.method == ALIGNED:
        one = candidates(condition.experiment.losses)[int(chosen)]
        return {name: f"{getattr(one, name):g}" for name in CHOSEN}
    column = "pull" if condition.factors["shots"] else "logreg_c"
    return {} if np.isnan(chosen) else {column: f"{chosen:g}"}
