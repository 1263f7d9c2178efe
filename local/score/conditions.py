"""Finished conditions: which of them belong to the experiment, what is in them, and whether it fits together."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from local.experiment import Experiment
from local.pairs import pairs, tuned
from utils import stamp
from utils.errors import UserError

STAGES = ("probe", "finetune")
FILES = ("meta.json", "scores.csv", "hyp", "layers.npz", stamp.NAME)


@dataclass(frozen=True)
class Condition:
    """One condition directory, read.

    Attributes
    ----------
    path : Path
    meta : dict
        meta.json.
    rows : list of dict of str to str
        scores.csv: one row a fold x seed x layer.
    utts : ndarray of str, shape (utterances,)
        Tested utterances; one that published folds test several times is there as often.
    reference : ndarray of int, shape (utterances,)
        Class indices.
    fold : ndarray of int, shape (utterances,)
        The fold whose test list holds the utterance.
    seeds, layers : list of int
    hypotheses : ndarray of int8, shape (seeds, layers + 1, utterances)
        Of every layer, and last of the layer that dev chose in the utterance's fold.
    """

    path: Path
    meta: dict
    rows: list[dict[str, str]]
    utts: np.ndarray
    reference: np.ndarray
    fold: np.ndarray
    seeds: list[int]
    layers: list[int]
    hypotheses: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """Each tested utterance with its fold, as one string."""
        return np.array([f"{utt} {k}" for utt, k in zip(self.utts.tolist(), self.fold.tolist(), strict=True)])

    @property
    def train(self) -> str:
        """Training corpora, joined by '+'."""
        return "+".join(self.meta["train"])

    @property
    def cut(self) -> list[int]:
        """The layer behind which the encoder of each fold and seed was cut; empty for frozen encoders."""
        return [int(row["cut"]) for row in self.rows if "cut" in row]

    @property
    def system(self) -> str:
        """Encoder and method, as significance.csv names them."""
        return f"{self.meta['encoder']}.{self.meta['method']}"

    @property
    def group(self) -> str:
        """``within`` (trained on the test corpus), ``across`` (on others) or ``joint`` (on it and others)."""
        train, test = self.meta["train"], self.meta["test"]
        if test not in train:
            return "across"
        return "within" if len(train) == 1 else "joint"


def find(exp: Path, experiment: Experiment) -> tuple[list[Path], list[str]]:
    """Pick the experiment's finished conditions.

    Parameters
    ----------
    exp : Path
        Holds <stage>/<condition>/.
    experiment : Experiment
        Says which encoders, methods and corpora are asked for, and how.

    Returns
    -------
    tuple of (list of Path, list of str)
        Condition directories, sorted; and one warning for each reason why others that should be among
        them are not.
    """
    chosen: list[Path] = []
    left: dict[str, list[Path]] = {}
    for stage in STAGES:
        for path in sorted(path for path in (exp / stage).glob("[!.]*") if (path / "meta.json").is_file()):
            meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
            if not _belongs(meta, experiment):
                continue
            missing = [name for name in FILES if not (path / name).is_file()]
            reason = f"has no {missing[0]}" if missing else _outdated(path, meta, experiment)
            if reason:
                left.setdefault(f"{reason}; run the {stage} stage again", []).append(path)
            else:
                chosen.append(path)
    more = {reason: f" (and {len(paths) - 1} more)" if len(paths) > 1 else "" for reason, paths in left.items()}
    return chosen, [f"{paths[0]}{more[reason]} left out: {reason}" for reason, paths in left.items()]


def _belongs(meta: dict, experiment: Experiment) -> bool:
    train, test = tuple(sorted(meta["train"])), meta["test"]
    if meta["stage"] == "probe":
        return (
            (train, test) in pairs(experiment.probe.pairs, experiment.corpora)
            and meta["encoder"] in experiment.encoders
            and meta["method"] in experiment.probe.heads
        )
    made = (meta["encoder"], set(strategy_of(meta).split("+")), tuple(meta["source"]), train, test)
    return any(made == (own, set(strategy.split("+")), *pair) for own, strategy, *pair in tuned(experiment))


def strategy_of(meta: dict) -> str:
    """The strategy of a condition of stage 4, whose method also says after which corpora it began."""
    return meta["method"].partition(".after.")[0]


def _outdated(path: Path, meta: dict, experiment: Experiment) -> str | None:
    """Tell what has changed since a condition was made."""
    try:
        made = json.loads((path / stamp.NAME).read_text(encoding="utf-8"))
        config, inputs = made["config"], made["inputs"]
    except (ValueError, KeyError, TypeError):
        return f"has a damaged {stamp.NAME}"
    asked = dataclasses.asdict(experiment)
    seeds = list(dict.fromkeys(experiment.probe.seeds))
    # Nothing is drawn in a logistic regression, so it has one seed.
    asked["probe"]["seeds"] = seeds[:1] if meta["method"] == "logreg" else seeds
    # Both stages choose epochs on what the probes' setting says.
    asked["finetune"]["cross_dev"] = experiment.probe.cross_dev
    kept = ("emotions", "labels", "split", "probe", "finetune")
    now = stamp.make({key: asked[key] for key in kept}, [], [])["config"]
    for key, before in config.items():
        if key in now and now[key] != before:
            return f"was made with {key} {before} and the experiment now says {now[key]}"
    found = stamp.make({}, [], inputs)["inputs"]
    changed = [name for name, before in inputs.items() if found[name] != before]
    return f"was made from another {changed[0]}" if changed else None


def read(path: Path) -> Condition:
    """Read a condition directory and check that its files agree with each other.

    Parameters
    ----------
    path : Path
        The directory.

    Returns
    -------
    Condition

    Raises
    ------
    UserError
        hyp or scores.csv does not fit layers.npz, or a layer was selected that is not dev's choice.
    """
    meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
    with open(path / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with np.load(path / "layers.npz", allow_pickle=False) as arrays:
        utts, fold = arrays["utts"], arrays["fold"].astype(int)
        reference = arrays["ref"].astype(int)
        emotions = [str(name) for name in arrays["emotions"]]
        seeds, layers = arrays["seeds"].tolist(), arrays["layers"].tolist()
        hypotheses = arrays["pred"]
    if emotions != meta["emotions"] or hypotheses.shape != (len(seeds), len(layers), len(utts)):
        raise UserError(f"{path}/layers.npz: does not fit meta.json; remove {path} and run its stage again")
    selected = _selected(path, rows)
    chosen = _read_hyp(path / "hyp", utts, fold, seeds, emotions)
    for index, seed in enumerate(seeds):
        if not {(int(k), seed) for k in fold} <= selected.keys():
            raise UserError(f"{path}/scores.csv: a fold of seed {seed} is missing; remove {path} and run again")
        layer = [layers.index(selected[int(k), seed]) for k in fold]
        if (hypotheses[index, layer, np.arange(len(utts))] != chosen[index]).any():
            raise UserError(f"{path}/hyp: is not the selected layers' part of layers.npz; remove {path} and run again")
    hypotheses = np.concatenate([hypotheses, chosen[:, None]], axis=1)
    return Condition(path, meta, rows, utts, reference, fold, seeds, layers, hypotheses)


def _selected(path: Path, rows: Iterable[dict[str, str]]) -> dict[tuple[int, int], int]:
    """Layer chosen for each fold and seed, which must be the one with the best dev UA."""
    runs: dict[tuple[int, int], list[dict[str, str]]] = {}
    for row in rows:
        runs.setdefault((int(row["fold"]), int(row["seed"])), []).append(row)
    chosen = {}
    for (fold, seed), layers in runs.items():
        marked = [row for row in layers if row["selected"] == "1"]
        best = max(float(row["dev_ua"]) for row in layers)
        # Rounding in the file may hide which of two layers was ahead.
        if len(marked) != 1 or float(marked[0]["dev_ua"]) < best - 1e-3:
            raise UserError(f"{path}/scores.csv: fold {fold}, seed {seed}: not one layer selected, or not dev's best")
        chosen[fold, seed] = int(marked[0]["layer"])
    return chosen


def _read_hyp(path: Path, utts: np.ndarray, fold: np.ndarray, seeds: list[int], emotions: list[str]) -> np.ndarray:
    """Hypotheses of the selected layers as class indices, shape (seeds, utterances)."""
    column = {place: index for index, place in enumerate(zip(utts.tolist(), fold.tolist(), strict=True))}
    row = {seed: index for index, seed in enumerate(seeds)}
    label = {emotion: index for index, emotion in enumerate(emotions)}
    chosen = np.full((len(seeds), len(utts)), -1, dtype=np.int8)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#"):
                continue
            utt, k, seed, emotion, *_ = line.split()
            try:
                cell = row[int(seed)], column[utt, int(k)]
                index = label[emotion]
            except (KeyError, ValueError):
                raise UserError(f"{path}:{number}: its utterance, fold, seed or emotion is not in layers.npz") from None
            if chosen[cell] >= 0:
                raise UserError(f"{path}:{number}: {utt} is there twice for fold {k} and seed {seed}")
            chosen[cell] = index
    if (chosen < 0).any():
        raise UserError(f"{path}: {int((chosen < 0).sum())} hypotheses are missing; remove {path.parent} and run again")
    return chosen
