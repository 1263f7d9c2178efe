"""From conditions to the rows of exp/results.csv and exp/summary.csv.

A condition's score pools the test utterances of all folds (each is tested once) and averages over seeds;
``layer=dev`` is what the layers chosen on dev reach, the headline. Scores of a single layer are there to
be looked at, never to choose from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from local.grid import manifest
from local.grid.factors import known, show
from local.results.read import Finished
from utils import intervals, metrics
from utils.errors import UserError
from utils.intervals import Blocks

SETTINGS = ("mono", "cross", "trans", "cross-trans")
GROUPS = ("within", "across", "joint")
# Factors that have a column of their own whether or not a condition sets them.
ALWAYS = ("split", "labels", "cross_dev", "normalise")


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
            if factor.name not in plain and condition.factors.get(factor.name) not in (None, _listed(factor.default))
        }
        extra = {name for one in conditions for name in one.factors if name not in {f.name for f in known(one.stage)}}
        order = dict.fromkeys(name for condition in conditions for name in condition.factors)
        columns = [name for name in order if name in used | extra | set(ALWAYS)]
        return Names(recipe, manifest.varied(one.factors for one in conditions), columns)

    def system(self, condition: Finished, **changed: str) -> str:
        """Name a condition's system."""
        return manifest.system_name(condition.stage, condition.factors | changed, self.differing)

    def values(self, condition: Finished) -> dict[str, str]:
        """Show a condition's factors in their columns; one that its stage does not know is left empty."""
        factors = condition.factors
        return {name: show(_tuple(factors[name])) for name in self.columns if name in factors}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def result_columns(emotions: Sequence[str], names: Names) -> list[str]:
    """Header of exp/results.csv."""
    return [
        *("recipe", "stage", "method", "setting", "encoder", "layer", "train", "dev", "test"),
        *("fold", "seed", "n_train", "n_test", "ua", "wa", "macro_f1", "ua_lo", "ua_hi"),
        *(f"recall_{emotion}" for emotion in emotions),
        *("selected", *_renamed(names.columns), "contaminated", "voices_seen", "params", "speakers", "resampled"),
        "system",
    ]


def summary_columns(names: Names) -> list[str]:
    """Header of exp/summary.csv."""
    return [
        *("recipe", "stage", "method", "encoder", *_renamed(names.columns), "group", "layer"),
        *("conditions", "n_test", "speakers", "ua", "ua_lo", "ua_hi", "system"),
    ]


def _renamed(columns: Iterable[str]) -> list[str]:
    """Columns of factors; ``layer`` is the row's layer already."""
    return ["cut" if name == "layer" else name for name in columns]


@dataclass(frozen=True)
class Scored:
    """A condition with its scores; the last layer is the one that dev chose.

    Attributes
    ----------
    condition : Finished
        Without its hypotheses, which are large.
    counts : ndarray, shape (seeds, layers + 1, classes, classes)
    correct : ndarray of int, shape (utterances,)
        In how many seeds the headline's hypothesis was right.
    replicates : ndarray, shape (resamples, layers + 1)
        Bootstrap replicates of UA.
    blocks : ndarray of int, shape (utterances,)
        Block of each utterance.
    unit : str
        What a block is: ``speaker`` or ``utterance``.
    """

    condition: Finished
    counts: np.ndarray
    correct: np.ndarray
    replicates: np.ndarray
    blocks: np.ndarray
    unit: str

    @property
    def ua(self) -> np.ndarray:
        """UA of each layer, mean over seeds."""
        return metrics.unweighted_accuracy(self.counts).mean(axis=0)

    @property
    def speakers(self) -> int:
        """Number of speakers tested."""
        return len(set(self.blocks.tolist())) if self.unit == "speaker" else 1


def score(condition: Finished, blocks: Blocks) -> Scored:
    """Score every layer of a condition.

    Parameters
    ----------
    condition : Finished
        As read.
    blocks : Blocks
        Of its test corpus.

    Returns
    -------
    Scored
    """
    classes, seeds = len(condition.emotions), len(condition.seeds)
    correct = (condition.hypotheses == condition.reference).sum(axis=0)
    block = np.array([blocks.of[utt] for utt in condition.utts.tolist()])
    shape = blocks.weights.shape[1], classes
    hits = intervals.count_blocks(block, condition.reference, correct, shape)
    totals = intervals.count_blocks(block, condition.reference, np.full(len(block), seeds), shape)
    return Scored(
        condition,
        metrics.confusion(condition.reference, condition.hypotheses, classes),
        correct[-1],
        intervals.replicate_ua(blocks.weights, hits, totals),
        block,
        blocks.unit,
    )


def condition_rows(scored: Scored, names: Names, confidence: float) -> list[dict]:
    """Make a condition's rows of exp/results.csv: every fold x seed x layer, then the pooled ones."""
    condition = scored.condition
    meta = condition.meta
    common = _common(condition, names) | {
        "setting": meta["setting"], "train": condition.train, "dev": "+".join(meta["dev"]), "test": condition.test,
        "contaminated": "+".join(meta["contaminated"]), "voices_seen": meta["voices_seen"], "params": meta["params"],
    }  # fmt: skip
    rows = [common | row for row in _fold_rows(condition)]
    low, high = intervals.percentile_interval(scored.replicates, confidence)
    scores = _scores(scored.counts, condition.emotions)
    runs = [row for row in condition.rows if row["selected"] == "1"]
    trained = {row["fold"]: int(row["n_train"]) for row in runs}
    for index, layer in enumerate([*condition.layers, "dev"]):
        selected = [row for row in runs if layer in ("dev", int(row["layer"]))]
        rows.append(
            common | {key: _number(values[index]) for key, values in scores.items()} | {
                "fold": "all", "seed": "all", "layer": layer, "selected": len(selected),
                "n_train": f"{np.mean(list(trained.values())):.1f}".removesuffix(".0"),
                "n_test": len(set(condition.utts.tolist())), "speakers": scored.speakers, "resampled": scored.unit,
                "ua_lo": _number(low[index]), "ua_hi": _number(high[index]),
            }
        )  # fmt: skip
    return rows


def _common(condition: Finished, names: Names) -> dict:
    """Columns that say which system a row is of."""
    values = names.values(condition)
    return dict(zip(_renamed(values), values.values(), strict=True)) | {
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
        rows.append({key: row[key] for key in keep} | {key: _number(value) for key, value in values.items()})
    return rows


def summary_rows(system: Sequence[Scored], names: Names, confidence: float) -> list[dict]:
    """Average one system (encoder and method) over its conditions: rows of exp/summary.csv.

    Groups: ``within``, ``across`` and ``joint`` by corpora; ``mono``, ``cross``, ``trans`` and
    ``cross-trans`` by languages; ``drop`` is, averaged over test corpora, UA within minus the mean UA from
    other corpora. A mean's interval comes from the same replicates of each test corpus, so that a
    speaker who is tested in several conditions is drawn in all of them together.

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
    for group in (*GROUPS, *SETTINGS):
        members = [s for s in system if group in (s.condition.group, s.condition.meta["setting"])]
        if members:
            ua = np.mean([s.ua for s in members], axis=0)
            replicates = np.mean([s.replicates for s in members], axis=0)
            low, high = intervals.percentile_interval(replicates, confidence)
            tested = _tested(members)
            for index, layer in enumerate([*first.layers, "dev"]):
                values = {"ua": ua[index], "ua_lo": low[index], "ua_hi": high[index]}
                values = {key: _number(value) for key, value in values.items()}
                rows.append(common | tested | {"group": group, "layer": layer} | values)
    return rows + [common | row for row in _drop(system, confidence)]


def _tested(members: Sequence[Scored]) -> dict:
    """Distinct utterances and speakers that a mean over conditions rests on."""
    utterances = {utt for scored in members for utt in scored.condition.utts.tolist()}
    speakers = {
        (scored.condition.test, block if scored.unit == "speaker" else None)
        for scored in members
        for block in scored.blocks.tolist()
    }
    return {"conditions": len(members), "n_test": len(utterances), "speakers": len(speakers)}


def _drop(system: Sequence[Scored], confidence: float) -> list[dict]:
    within = {s.condition.test: s for s in system if s.condition.group == "within"}
    across: dict[str, list[Scored]] = {}
    for scored in system:
        if scored.condition.group == "across" and scored.condition.test in within:
            across.setdefault(scored.condition.test, []).append(scored)
    if not across:
        return []
    ua = np.mean([within[c].ua[-1] - np.mean([s.ua[-1] for s in sources]) for c, sources in across.items()])
    replicates = [
        within[c].replicates[:, -1] - np.mean([s.replicates[:, -1] for s in sources], axis=0)
        for c, sources in across.items()
    ]
    low, high = intervals.percentile_interval(np.mean(replicates, axis=0), confidence)
    members = [s for c, sources in across.items() for s in (within[c], *sources)]
    values = {"ua": _number(ua), "ua_lo": _number(low), "ua_hi": _number(high)}
    return [_tested(members) | {"group": "drop", "layer": "dev"} | values]


def _number(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""
