"""From conditions to the rows of exp/results.csv and exp/summary.csv.

A condition's score pools the test utterances of all folds (each is tested once, or once in each of several partitions)
and averages over seeds;
``layer=dev`` is what the layers chosen on dev reach, the headline. Scores of a single layer are there to
be looked at, never to choose from.

Means are over conditions on the same corpora. There are none by setting (mono, cross, trans): their members are other
corpora, so that a difference between two of them says nothing about languages; local/score/language.py asks that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from local.grid import manifest
from local.grid.factors import OUTSIDE, freeze, known, show
from local.results.read import Finished
from utils import metrics, uncertain
from utils.errors import UserError
from utils.estimates import Estimate
from utils.intervals import Blocks
from utils.uncertain import Figure

GROUPS = ("within", "across", "joint", OUTSIDE)
# Factors that have a column of their own whether or not a condition sets them.
ALWAYS = ("split", "labels", "cross_dev", "select", "normalise")
COLLAPSED = "collapsed"  # why there is no interval where a system says one class whatever it hears
# Of the score, and what it is made of: over speakers, between seeds and between partitions.
SPREAD = ("se", "df", "speaker_se", "seed_sd", "partition_sd")
UNCERTAIN = ("ua", "ua_lo", "ua_hi", *SPREAD, "no_interval")


@dataclass(frozen=True)
class Names:
    """How tables call the conditions of a recipe.

    Attributes
    ----------
    recipe : str
    differing : list of str
        Factors beside encoder, method and corpora in which conditions differ: they are part of a system's name.
    columns : list of str
        Factors with a column of their own: those that any condition sets.
    """

    recipe: str
    differing: list[str]
    columns: list[str]

    @staticmethod
    def of(conditions: Sequence[Finished], recipe: str) -> Names:
        """Look through all conditions."""
        plain = ("encoder", "method", "train", "test")
        used = {
            factor.name
            for condition in conditions
            for factor in known(condition.stage)
            if factor.name not in plain and freeze(condition.factors.get(factor.name)) not in (None, factor.default)
        }
        extra = {name for one in conditions for name in one.factors if name not in {f.name for f in known(one.stage)}}
        order = dict.fromkeys(name for condition in conditions for name in condition.factors)
        columns = [name for name in order if name in used | extra | set(ALWAYS)]
        return Names(recipe, manifest.varied(one.factors for one in conditions), columns)

    def system(self, condition: Finished, **changed: str) -> str:
        """Name a condition's system."""
        return manifest.system_name(condition.stage, condition.factors | changed, self.differing)

    def values(self, *conditions: Finished) -> dict[str, str]:
        """Show conditions' factors in their columns, ``a/b`` where they differ; what their stage lacks is left out.

        A value that left something open (``select: auto``) is shown as what came of it.
        """
        found = {}
        for name in self.columns:
            resolved = [one.factors | one.meta.get("resolved", {}) for one in conditions if name in one.factors]
            values = [show(freeze(factors[name])) for factors in resolved]
            if values:
                found["cut" if name == "layer" else name] = "/".join(dict.fromkeys(values))
        return found

    @property
    def header(self) -> list[str]:
        """Columns of factors; ``layer`` is the row's layer already."""
        return ["cut" if name == "layer" else name for name in self.columns]


def result_columns(emotions: Sequence[str], names: Names) -> list[str]:
    """Header of exp/results.csv."""
    return [
        *("recipe", "stage", "method", "setting", "encoder", "layer", "train", "dev", "test"),
        *("fold", "seed", "n_train", "n_test", "ua", "wa", "macro_f1", "ua_lo", "ua_hi"),
        *(f"recall_{emotion}" for emotion in emotions),
        *("selected", *names.header, "contaminated", "voices_seen", "params", "speakers", "resampled"),
        *(*SPREAD, "no_interval", "dev_ua", "tied", "collapsed", "system"),
    ]


def summary_columns(names: Names) -> list[str]:
    """Header of exp/summary.csv."""
    return [
        *("recipe", "stage", "method", "encoder", *names.header, "contaminated", "group", "layer"),
        *("conditions", "n_test", "speakers", "resampled", *UNCERTAIN, "system"),
    ]


@dataclass(frozen=True)
class Scored:
    """A condition with its scores; the last layer is the one that dev chose.

    Attributes
    ----------
    condition : Finished
        Without its hypotheses, which are large.
    counts : ndarray, shape (seeds, layers + 1, classes, classes)
    correct : ndarray of bool, shape (seeds, utterances)
        Whether the headline's hypothesis was right.
    figure : Figure
        UA, shape (layers + 1,).
    blocks : ndarray of int, shape (utterances,)
        Block of each utterance.
    unit : str
        What a block is: ``speaker`` or ``utterance``.
    collapsed : ndarray of int, shape (layers + 1,)
        Folds and seeds in which one class was said of all test utterances.
    partition : ndarray of int, shape (utterances,)
        Which of several partitions the utterance's fold belongs to.
    """

    condition: Finished
    counts: np.ndarray
    correct: np.ndarray
    figure: Figure
    blocks: np.ndarray
    unit: str
    collapsed: np.ndarray
    partition: np.ndarray

    @property
    def ua(self) -> np.ndarray:
        """UA of each layer, mean over seeds."""
        return metrics.unweighted_accuracy(self.counts).mean(axis=0)

    @property
    def speakers(self) -> int:
        """Number of speakers tested."""
        return len(set(self.blocks.tolist())) if self.unit == "speaker" else 1


def score(condition: Finished, blocks: Blocks, repeats: int = 1) -> Scored:
    """Score every layer of a condition.

    Parameters
    ----------
    condition : Finished
        As read.
    blocks : Blocks
        Of its test corpus.
    repeats : int
        How many partitions its folds make, one after another.

    Returns
    -------
    Scored
    """
    classes, reference = len(condition.emotions), condition.reference
    correct = condition.hypotheses == reference
    block = np.array([blocks.of[utt] for utt in condition.utts.tolist()])
    collapsed = np.zeros(correct.shape[1], dtype=int)
    for fold in set(condition.fold.tolist()):
        said = condition.hypotheses[:, :, condition.fold == fold]
        collapsed += (said == said[..., :1]).all(axis=-1).sum(axis=0)
    folds = len({row["fold"] for row in condition.rows})
    partition = condition.fold // (max(folds // repeats, 1))
    return Scored(
        condition,
        metrics.confusion(reference, condition.hypotheses, classes),
        correct[:, -1],
        uncertain.figure(
            condition.test, blocks, block, reference, correct.swapaxes(0, 1), classes, partition=partition
        ),
        block,
        blocks.unit,
        collapsed,
        partition,
    )  # fmt: skip


def uncertainty(
    figures: Sequence[Figure], shares: Sequence[float] | None, confidence: float
) -> tuple[Estimate, list[dict[str, str]]]:
    """Combine figures, arrays of them, and give columns of :data:`UNCERTAIN` but ``ua``, a dict a figure."""
    found = uncertain.combine(figures, shares, confidence)
    sd = (of(figures, shares) for of in (uncertain.block_se, uncertain.seed_sd, uncertain.partition_sd))
    columns = zip(found.low, found.high, found.se, found.df, *sd, strict=True)
    names = ("ua_lo", "ua_hi", *SPREAD)
    rows = [{name: number(value) for name, value in zip(names, values, strict=True)} for values in columns]
    return found, [row | {"no_interval": found.reason} for row in rows]


def condition_rows(scored: Scored, names: Names, confidence: float) -> list[dict]:
    """Make a condition's rows of exp/results.csv: every fold x seed x layer, then the pooled ones."""
    condition = scored.condition
    meta = condition.meta
    common = _common(condition, names) | {
        "setting": meta["setting"], "train": condition.train, "dev": "+".join(meta["dev"]), "test": condition.test,
        "contaminated": "+".join(meta["contaminated"]), "voices_seen": meta["voices_seen"], "params": meta["params"],
    }  # fmt: skip
    rows = [common | row for row in _fold_rows(condition)]
    _, certainty = uncertainty([scored.figure], None, confidence)
    scores = _scores(scored.counts, condition.emotions)
    runs = [row for row in condition.rows if row["selected"] == "1"]
    trained = {row["fold"]: int(row["n_train"]) for row in runs if row["n_train"]}
    for index, layer in enumerate([*condition.layers, "dev"]):
        selected = [row for row in runs if layer in ("dev", int(row["layer"]))]
        collapsed = int(scored.collapsed[index])
        if collapsed == len(runs):
            certainty[index] |= dict.fromkeys(SPREAD[:3], "") | {"ua_lo": "", "ua_hi": "", "no_interval": COLLAPSED}
        rows.append(
            common | {key: number(values[index]) for key, values in scores.items()} | certainty[index] | {
                "fold": "all", "seed": "all", "layer": layer, "selected": len(selected), "collapsed": collapsed,
                "n_train": f"{np.mean(list(trained.values())):.1f}".removesuffix(".0") if trained else "",
                "n_test": len(set(condition.utts.tolist())), "speakers": scored.speakers, "resampled": scored.unit,
            }
        )  # fmt: skip
    rows[-1] |= {"tied": condition.ties, "dev_ua": number(np.mean([float(row["dev_ua"]) for row in runs]))}
    return rows


def _common(condition: Finished, names: Names) -> dict:
    """Columns that say which system a row is of."""
    return names.values(condition) | {
        "recipe": names.recipe, "stage": condition.stage, "method": condition.factors["method"],
        "encoder": condition.factors["encoder"], "system": names.system(condition),
    }  # fmt: skip


def _scores(counts: np.ndarray, emotions: Sequence[str]) -> dict[str, np.ndarray]:
    """Every metric, mean over the first axis (seeds)."""
    recall = metrics.recalls(counts).mean(axis=0)
    return {
        "ua": metrics.unweighted_accuracy(counts).mean(axis=0),
        "wa": metrics.weighted_accuracy(counts).mean(axis=0),
        "macro_f1": metrics.macro_f1(counts).mean(axis=0),
        **{f"recall_{emotion}": recall[..., index] for index, emotion in enumerate(emotions)},
    }


def _fold_rows(condition: Finished) -> list[dict]:
    emotions = condition.emotions
    scores = {}
    for fold in sorted(set(condition.fold.tolist())):
        tested = condition.fold == fold
        pred = condition.hypotheses[:, :-1, tested]
        scores[fold] = _scores(metrics.confusion(condition.reference[tested], pred, len(emotions))[None], emotions)
    rows = []
    for row in condition.rows:
        fold, seed, layer = int(row["fold"]), int(row["seed"]), int(row["layer"])
        cell = condition.seeds.index(seed), condition.layers.index(layer)
        values = {key: array[cell] for key, array in scores[fold].items()}
        if abs(values["ua"] - float(row["ua"])) > 1e-3:
            raise UserError(
                f"{condition.path}/scores.csv: fold {fold}, seed {seed}, layer {layer}: UA is {row['ua']}, but "
                f"layers.npz gives {values['ua']:.6f}; remove {condition.path} and run its stage again"
            )
        keep = ("fold", "seed", "layer", "n_train", "n_test", "selected")
        rows.append({key: row[key] for key in keep} | {key: number(value) for key, value in values.items()})
    return rows


def summary_rows(system: Sequence[Scored], names: Names, confidence: float) -> list[dict]:
    """Average one system (encoder and method) over its conditions: rows of exp/summary.csv.

    Groups: ``within``, ``across`` and ``joint`` by corpora, ``outside`` of systems from there; ``drop`` is, averaged
    over test corpora, UA within minus the mean UA from other corpora. A speaker who is tested in several conditions
    errs in all of them together.

    Parameters
    ----------
    system : sequence of Scored
        All its conditions.
    names : Names
        How tables call it.
    confidence : float
        0.95 for 95% intervals.

    Returns
    -------
    list of dict
    """
    first = system[0].condition
    for scored in system:
        if scored.condition.layers != first.layers:
            raise UserError(
                f"{scored.condition.path}: has other layers than {first.path}; remove both and run their stage again"
            )
    common = _common(first, names)
    rows = []
    for group in GROUPS:
        members = [s for s in system if s.condition.group == group]
        if members:
            shares = [1 / len(members)] * len(members)
            rows += _mean_rows(members, shares, {"group": group}, [*first.layers, "dev"], confidence)
    # With shots, what stands within a corpus is not what a source is to replace.
    drop = [] if first.factors.get("shots") else _drop(system, first.layers, confidence)
    return [common | row for row in (*rows, *drop)]


def mean_row(members: Sequence[Scored], group: str, names: Names, confidence: float) -> dict:
    """Average one system's headlines over some of its conditions: a row of exp/summary.csv."""
    first = members[0].condition
    shares = [1 / len(members)] * len(members)
    return _common(first, names) | _mean_rows(members, shares, {"group": group}, [*first.layers, "dev"], confidence)[-1]


def _mean_rows(
    members: Sequence[Scored], shares: Sequence[float], labels: dict, layers: Sequence[int | str], confidence: float
) -> list[dict]:
    figures = [scored.figure for scored in members]
    found, certainty = uncertainty(figures, shares, confidence)
    tested = _tested(members) | labels
    return [
        tested | {"layer": layer, "ua": number(found.value[index]), "resampled": found.unit} | certainty[index]
        for index, layer in enumerate(layers)
    ]


def contaminated(conditions: Iterable[Finished]) -> str:
    """Name the corpora of any condition that its encoder heard, as meta.json does (local/results/heard.py)."""
    return "+".join(sorted({corpus for one in conditions for corpus in one.meta["contaminated"]}))


def _tested(members: Sequence[Scored]) -> dict:
    """Distinct utterances and speakers that a mean over conditions rests on."""
    utterances = {utt for scored in members for utt in scored.condition.utts.tolist()}
    speakers = {
        (scored.condition.test, block if scored.unit == "speaker" else None)
        for scored in members
        for block in scored.blocks.tolist()
    }
    return {
        "conditions": len(members), "n_test": len(utterances), "speakers": len(speakers),
        "contaminated": contaminated(scored.condition for scored in members),
    }  # fmt: skip


def _drop(system: Sequence[Scored], layers: Sequence[int], confidence: float) -> list[dict]:
    within = {s.condition.test: s for s in system if s.condition.group == "within"}
    across: dict[str, list[Scored]] = {}
    for scored in system:
        if scored.condition.group == "across" and scored.condition.test in within:
            across.setdefault(scored.condition.test, []).append(scored)
    members = [(s, -1 / len(across) / len(sources)) for sources in across.values() for s in sources]
    members += [(within[corpus], 1 / len(across)) for corpus in across]
    if not members:
        return []
    return _mean_rows(*zip(*members, strict=True), {"group": "drop"}, [*layers, "dev"], confidence)[-1:]


def number(value: float) -> str:
    """Write a number into a table; nothing for what is not known. Degrees of freedom may be ``inf``."""
    return "" if np.isnan(value) else f"{value:.6f}"
