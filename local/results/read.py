"""Reads the conditions that manifests ask for, and checks that the files of each fit together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.grid import manifest
from local.grid.factors import FINETUNE, OUTSIDE, PROBE, freeze
from local.results.selection import choose
from utils import csv_file, stamp
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

STAGES = (PROBE, FINETUNE, OUTSIDE)  # whose conditions classify utterances
HEAD_ALONE = "head"  # the strategy of stage 4 that trains nothing else: what others are compared with
FILES = ("meta.json", "scores.csv", "hyp", "layers.npz", stamp.NAME)
OF_SOME = ERASURE, REPRESENTATION, POINTS = "erasure.csv", "representation.csv", "points.csv"


@dataclass(frozen=True)
class Described:
    """A condition as tests and tables see it, finished or not.

    Attributes
    ----------
    path : Path
        Its directory.
    meta : dict
        meta.json, or as much of it as is known before a run (local/results/write.py).
    """

    path: Path
    meta: dict

    @property
    def stage(self) -> str:
        """The stage that makes it."""
        return self.meta["stage"]

    @property
    def factors(self) -> dict[str, Any]:
        """Its factors, all by name."""
        return self.meta["factors"]

    @property
    def emotions(self) -> list[str]:
        """The classes."""
        return self.factors["emotions"]

    @property
    def train(self) -> str:
        """Training corpora, joined by '+'."""
        return "+".join(self.factors["train"])

    @property
    def test(self) -> str:
        """The tested corpus."""
        return self.factors["test"]

    @property
    def system(self) -> System:
        """All of its factors but the corpora that train and test it."""
        return system(self.factors)

    @property
    def group(self) -> str:
        """As of :func:`group_of`."""
        return group_of(self.factors["train"], self.test)


@dataclass(frozen=True)
class Finished(Described):
    """One condition directory, read.

    Attributes
    ----------
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
    posteriors : ndarray of float32, shape (seeds, utterances, classes)
        Of the layer that dev chose, with the five decimals that ``hyp`` has.
    """

    rows: list[dict[str, str]]
    utts: np.ndarray
    reference: np.ndarray
    fold: np.ndarray
    seeds: list[int]
    layers: list[int]
    hypotheses: np.ndarray
    posteriors: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """Each tested utterance with its fold, as one string."""
        import numpy as np

        return np.array([f"{utt} {k}" for utt, k in zip(self.utts.tolist(), self.fold.tolist(), strict=True)])

    @property
    def cut(self) -> list[int]:
        """The layer behind which the encoder of each fold and seed was cut; empty for frozen encoders."""
        return [int(row["cut"]) for row in self.rows if "cut" in row]

    @property
    def ties(self) -> int:
        """Folds and seeds in which several layers shared the best dev UA."""
        return sum(_choice(layers)[1] > 1 for layers in _by_run(self.rows).values())


System = tuple[tuple[str, Any], ...]


def system(factors: Mapping[str, Any]) -> System:
    """Make of a condition's factors what it shares with those on other corpora; can be a key."""
    return tuple((name, freeze(value)) for name, value in factors.items() if name not in ("train", "test"))


def group_of(train: Sequence[str], test: str) -> str:
    """Tell ``within`` (trained on the test corpus), ``across`` (on others) or ``joint`` (on it and others).

    ``outside`` of a system from outside, whose training nobody knows.
    """
    if not train:
        return OUTSIDE
    if test not in train:
        return "across"
    return "within" if len(train) == 1 else "joint"


def finished(exp: Path) -> tuple[list[Path], list[str]]:
    """List the finished conditions that the manifests ask for.

    Parameters
    ----------
    exp : Path
        Holds <stage>/manifest.jsonl and <stage>/<condition>/.

    Returns
    -------
    tuple of (list of Path, list of str)
        Condition directories, in the manifests' order; and one warning for each reason why others are left out.
    """
    chosen: list[Path] = []
    left: dict[str, list[Path]] = {}
    for stage in STAGES:
        for entry in manifest.read(exp / stage):
            missing = [name for name in FILES if not (entry.path / name).is_file()]
            reason = entry.why_unfinished() or (f"has no {missing[0]}" if missing else None)
            if reason:
                maker = "score" if stage == OUTSIDE else stage
                left.setdefault(f"{reason}; run the {maker} stage again", []).append(entry.path)
            else:
                chosen.append(entry.path)
    more = {reason: f" (and {len(paths) - 1} more)" if len(paths) > 1 else "" for reason, paths in left.items()}
    return chosen, [f"{paths[0]}{more[reason]} left out: {reason}" for reason, paths in left.items()]


def read(path: Path) -> Finished:
    """Read a condition directory and check that its files agree with each other.

    Parameters
    ----------
    path : Path
        The directory.

    Returns
    -------
    Finished

    Raises
    ------
    UserError
        hyp or scores.csv does not fit layers.npz, or a layer was selected that is not dev's choice.
    """
    import numpy as np

    meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
    meta["factors"] = manifest.complete(meta["stage"], meta["factors"])
    rows = csv_file.read(path / "scores.csv")
    with np.load(path / "layers.npz", allow_pickle=False) as arrays:
        utts, fold = arrays["utts"], arrays["fold"].astype(int)
        reference = arrays["ref"].astype(int)
        emotions = [str(name) for name in arrays["emotions"]]
        seeds, layers = arrays["seeds"].tolist(), arrays["layers"].tolist()
        hypotheses = arrays["pred"]
    if emotions != meta["factors"]["emotions"] or hypotheses.shape != (len(seeds), len(layers), len(utts)):
        raise UserError(f"{path}/layers.npz: does not fit meta.json; remove {path} and run its stage again")
    selected = _selected(path, rows)
    chosen, posteriors = _read_hyp(path / "hyp", utts, fold, seeds, emotions)
    for index, seed in enumerate(seeds):
        if not {(int(k), seed) for k in fold} <= selected.keys():
            raise UserError(f"{path}/scores.csv: a fold of seed {seed} is missing; remove {path} and run again")
        layer = [layers.index(selected[int(k), seed]) for k in fold]
        if (hypotheses[index, layer, np.arange(len(utts))] != chosen[index]).any():
            raise UserError(f"{path}/hyp: is not the selected layers' part of layers.npz; remove {path} and run again")
    hypotheses = np.concatenate([hypotheses, chosen[:, None]], axis=1)
    return Finished(path, meta, rows, utts, reference, fold, seeds, layers, hypotheses, posteriors)


def _selected(path: Path, rows: Iterable[dict[str, str]]) -> dict[tuple[int, int], int]:
    """Layer chosen for each fold and seed, which must be the one that dev's scores choose."""
    chosen = {}
    for (fold, seed), layers in _by_run(rows).items():
        marked = [row for row in layers if row["selected"] == "1"]
        best, _ = _choice(layers)
        if marked != [layers[best]]:
            raise UserError(
                f"{path}/scores.csv: fold {fold}, seed {seed}: not one layer selected, or not dev's choice, which is "
                f"{layers[best]['layer']}; remove {path} and run its stage again"
            )
        chosen[fold, seed] = int(marked[0]["layer"])
    return chosen


def _by_run(rows: Iterable[dict[str, str]]) -> dict[tuple[int, int], list[dict[str, str]]]:
    """Rows of each fold and seed, in the order of layers."""
    runs: dict[tuple[int, int], list[dict[str, str]]] = {}
    for row in rows:
        runs.setdefault((int(row["fold"]), int(row["seed"])), []).append(row)
    return runs


def _choice(layers: Sequence[dict[str, str]]) -> tuple[int, int]:
    return choose(*([float(row[name]) for row in layers] for name in ("dev_ua", "dev_loss")))


def _read_hyp(
    path: Path, utts: np.ndarray, fold: np.ndarray, seeds: list[int], emotions: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Hypotheses of the selected layers as class indices, shape (seeds, utterances), and their posteriors."""
    import numpy as np

    column = {place: index for index, place in enumerate(zip(utts.tolist(), fold.tolist(), strict=True))}
    row = {seed: index for index, seed in enumerate(seeds)}
    label = {emotion: index for index, emotion in enumerate(emotions)}
    chosen = np.full((len(seeds), len(utts)), -1, dtype=np.int8)
    posteriors = np.zeros((*chosen.shape, len(emotions)), dtype=np.float32)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#"):
                continue
            utt, k, seed, emotion, *shares = line.split()
            try:
                cell = row[int(seed)], column[utt, int(k)]
                index = label[emotion]
            except (KeyError, ValueError):
                raise UserError(f"{path}:{number}: its utterance, fold, seed or emotion is not in layers.npz") from None
            if chosen[cell] >= 0:
                raise UserError(f"{path}:{number}: {utt} is there twice for fold {k} and seed {seed}")
            chosen[cell] = index
            try:
                posteriors[cell] = [float(share) for share in shares]
            except ValueError:
                raise UserError(f"{path}:{number}: expected {len(emotions)} posteriors behind the emotion") from None
    if (chosen < 0).any():
        raise UserError(f"{path}: {int((chosen < 0).sum())} hypotheses are missing; remove {path.parent} and run again")
    return chosen, posteriors
