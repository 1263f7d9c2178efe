"""Training of a diarizer: one fold and seed, with SpeechBrain's Brain.

    from local.sed.model.brain import Run, fit
    diarizer = fit(Run(folder, "wav2vec2_de", "tuned", emotions, train, dev, 0, experiment.sed, cache, identity))

As Wang et al. (2023), every frame counts once in the cross entropy: most are neutral, and so they are in what the
diarizer will hear, whose boundaries would move if rarer classes weighed more. The learning rates, Adam and the
clipping of gradients are the study's too; instead of lowering the rates it stops early, by dev loss.

The folder holds ``curve.csv``, a row an epoch, and in the end the diarizer. Until then it also holds checkpoints, from
which a run that was interrupted goes on with the result of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import speechbrain
import torch
from speechbrain.utils.checkpoints import Checkpointer
from torch.nn import functional

from local import encoders, experiment
from local.models import curve, store
from local.sed.conditions import SETTINGS
from local.sed.data.sets import frame_labels
from local.sed.model.batches import Batch, Batches
from local.sed.model.diarizer import Diarizer, encoder_for
from local.sed.model.load import load
from utils.atomic import atomic_file
from utils.data_dir import Utterance
from utils.errors import UserError, named
from utils.feature_cache import InputCache
from utils.reproducible import reproducible
from utils.rttm import Segment

COLUMNS = ("epoch", "train_loss", "dev_loss", "dev_frame_ua", "seconds")
# A checkpoint is whole when the rows up to it are there.
_CHECKPOINTS, _ROWS = "checkpoints", "rows.json"


@dataclass(frozen=True)
class Example:
    """An utterance and its segments, in order of time; time that none covers is neutral."""

    utterance: Utterance
    reference: list[Segment]


@dataclass(frozen=True)
class Run:
    """What to train."""

    folder: Path  # for the diarizer, its curve and its checkpoints
    encoder: str  # its name in the registry
    mode: str  # one of MODES of local/sed/model/diarizer.py
    emotions: list[str]
    train: list[Example]
    dev: list[Example]  # to stop by
    seed: int  # of the classifier's initial weights, the batches and the dropout
    settings: experiment.Sed  # learning rates, epochs, patience and batch size
    cache: Path  # for the encoder's outputs, which runs share
    # What the result depends on: an interrupted run is gone on with if it had the same. JSON must know it.
    identity: dict[str, Any]
    device: str = "cpu"


def fit(run: Run) -> Diarizer:
    """Train, or go on where an interrupted run stopped; what is trained already is only loaded.

    The diarizer, which is also saved in the folder, is that of the epoch with the lowest dev loss, in evaluation mode.
    The same run gives the same weights, to the bit, on the same machine.

    Raises
    ------
    UserError
        There is nothing to train on or to stop by, the encoder or an utterance cannot be used, or the loss is not
        finite.
    """
    for part, examples in (("train", run.train), ("dev", run.dev)):
        if not examples:
            raise UserError(f"{run.folder}: no utterances in {part}; choose another split or fewer folds")
    logging.getLogger("speechbrain").setLevel(logging.WARNING)
    if store.resumes(run.folder, run.identity) and (run.folder / store.CONFIG).is_file():
        shutil.rmtree(run.folder / _CHECKPOINTS, ignore_errors=True)
        return load(run.folder, run.device)
    with reproducible(run.device):
        encoder = encoder_for(run.mode, encoders.spec(run.encoder), run.device)
        diarizer = Diarizer(encoder, run.emotions, run.mode, run.seed)
        _train(run, diarizer)
    best = diarizer.provenance["best_epoch"]
    print(f"{run.folder}: epoch {best} has the lowest dev loss, {diarizer.provenance['dev_loss']:.3f}", file=sys.stderr)
    diarizer.save(run.folder)
    shutil.rmtree(run.folder / _CHECKPOINTS)
    return diarizer


def _train(run: Run, diarizer: Diarizer) -> None:
    """Train a fresh diarizer; leaves it with the best epoch's weights."""
    bar = sys.stderr.isatty()
    cache = InputCache(run.cache, diarizer.input_kind())
    threads = (os.cpu_count() or 1) if run.device == "cpu" else 1
    cache.fill([example.utterance for example in (*run.train, *run.dev)], diarizer.cached_input, bar, threads)
    train, dev = (_batches(run, examples, cache) for examples in (run.train, run.dev))
    brain = DiarizerBrain(run, diarizer)
    brain.train_sampler = train
    with named(run.folder):
        brain.fit(brain.epochs(), train.loader(), dev.loader(), progressbar=bar)
    best = curve.best(brain.rows)
    brain.checkpointer.recover_if_possible(ckpt_predicate=lambda found: found.meta["epoch"] == best["epoch"])
    diarizer.eval()
    diarizer.provenance = {
        "seed": run.seed, "settings": {name: getattr(run.settings, name) for name in SETTINGS},
        "utterances": len(run.train), "best_epoch": best["epoch"], "dev_loss": best["dev_loss"],
        "dev_frame_ua": best["dev_frame_ua"],
    }  # fmt: skip


def _batches(run: Run, examples: Sequence[Example], cache: InputCache) -> Batches:
    utterances = [example.utterance for example in examples]
    labels = [frame_labels(one.reference, cache.frames(one.utterance), run.emotions) for one in examples]
    return Batches(cache, utterances, labels, run.settings.batch_seconds, run.seed)


class DiarizerBrain(speechbrain.Brain):
    """SpeechBrain's loops over epochs and batches, for a fresh diarizer; ``rows`` are those of ``curve.csv``."""

    def __init__(self, run: Run, diarizer: Diarizer):
        checkpointer = Checkpointer(run.folder / _CHECKPOINTS, {"diarizer": diarizer})
        super().__init__({"diarizer": diarizer}, run_opts={"device": run.device}, checkpointer=checkpointer)
        self._run = run
        self.rows: list[dict[str, Any]] = []
        self._loss, self._frames, self._began = 0.0, 0, time.monotonic()
        self._hits = torch.zeros(2, len(run.emotions), dtype=torch.int64)

    def epochs(self) -> Iterator[int]:
        """Count the epochs to come."""
        while not curve.is_over(self.rows, self._run.settings.epochs, self._run.settings.patience):
            yield len(self.rows) + 1

    def init_optimizers(self) -> None:
        """Give the encoder, where it is trained, a learning rate of its own."""
        diarizer, settings = self.modules["diarizer"], self._run.settings
        groups: dict[str, list[torch.nn.Parameter]] = {}
        for name, parameter in diarizer.named_parameters():
            part = "head" if name.startswith(("classifier.", "layer_weights")) else "encoder"
            groups.setdefault(part, []).append(parameter)
        rates = {"head": settings.lr, "encoder": settings.lr_encoder}
        self.optimizers_dict = {part: torch.optim.Adam(own, lr=rates[part]) for part, own in groups.items()}
        for part, optimizer in self.optimizers_dict.items():
            self.checkpointer.add_recoverable(f"optimizer_{part}", optimizer)

    def on_fit_start(self) -> None:
        """Go on from the last checkpoint, those left aside that were being written when the run was interrupted."""
        for folder in self.checkpointer.checkpoints_dir.iterdir():
            if not (folder / _ROWS).exists():
                shutil.rmtree(folder)
        self.init_optimizers()
        if last := self.checkpointer.recover_if_possible():
            self.rows = json.loads((last.path / _ROWS).read_text(encoding="utf-8"))

    def compute_forward(self, batch: Batch, stage: speechbrain.Stage) -> torch.Tensor:
        """Score the frames of a batch."""
        return self.modules["diarizer"](batch.inputs.to(self.device, torch.float32), batch.lengths)

    def compute_objectives(self, scores: torch.Tensor, batch: Batch, stage: speechbrain.Stage) -> torch.Tensor:
        """Mean cross entropy of the frames of a batch, in nats."""
        labels = batch.labels.to(self.device)
        loss = functional.cross_entropy(scores.float(), labels)
        self.check_loss_isfinite(loss)
        self._loss += float(loss.detach()) * len(labels)
        self._frames += len(labels)
        if stage == speechbrain.Stage.VALID:
            classes = self._hits.shape[1]
            right = labels[scores.argmax(dim=1) == labels]
            self._hits += torch.stack([torch.bincount(one.cpu(), minlength=classes) for one in (right, labels)])
        return loss

    def check_loss_isfinite(self, loss: torch.Tensor) -> None:
        """Stop with a UserError if it is not."""
        if not torch.isfinite(loss):
            settings = self._run.settings
            raise UserError(
                f"{self._run.folder}: the loss is {loss.item()} in epoch {len(self.rows) + 1}; lower sed.lr "
                f"({settings.lr:g}) or sed.lr_encoder ({settings.lr_encoder:g})"
            )

    def on_stage_start(self, stage: speechbrain.Stage, epoch: int | None = None) -> None:
        """Begin to count anew."""
        self._loss, self._frames = 0.0, 0
        self._hits.zero_()
        if stage == speechbrain.Stage.TRAIN:
            self._began = time.monotonic()
            # Dropout depends on the epoch alone, so a run that goes on draws what it would have drawn.
            torch.manual_seed(_seed(self._run.seed, epoch, "dropout"))

    def on_stage_end(self, stage: speechbrain.Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Note the results of an epoch, and keep its weights if they are the best, or the last."""
        loss = self._loss / self._frames
        if stage == speechbrain.Stage.TRAIN:
            self._train_loss = loss
            return
        right, all_ = self._hits[:, self._hits[1] > 0].double()
        row = dict(zip(COLUMNS, (epoch, self._train_loss, loss, float((right / all_).mean()), 0.0), strict=True))
        row["seconds"] = round(time.monotonic() - self._began, 2)
        self.rows.append(row)
        saved = self.checkpointer.save_checkpoint({"epoch": epoch}, name=f"epoch{epoch}")
        with atomic_file(saved.path / _ROWS) as file:
            json.dump(self.rows, file)
        kept = (epoch, curve.best(self.rows)["epoch"])
        self.checkpointer.delete_checkpoints(num_to_keep=0, ckpt_predicate=lambda old: old.meta["epoch"] not in kept)
        curve.write(self._run.folder, self.rows)
        print(
            f"{self._run.folder}: epoch {epoch}: loss {row['train_loss']:.3f} on train, {loss:.3f} on dev, frame UA "
            f"{100 * row['dev_frame_ua']:.1f}% on dev, {row['seconds']:.0f} s",
            file=sys.stderr,
        )


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")
