"""transformers' Trainer for classifiers of packed utterances, and what it trains them on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn import functional
from transformers import PrinterCallback, TrainingArguments

from local import experiment
from local.finetune import data
from local.finetune.data import Batches, Cells, Examples, Loader
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.losses import WEIGHTED, Strength, parse
from local.losses.objective import balanced, classify
from local.models import curve, store
from utils import metrics
from utils.errors import UserError
from utils.feature_cache import InputCache

WHOLE = "whole"
_COLUMNS = ("train", "epoch", "train_loss", "train_ua", "dev_loss", "dev_ua", "seconds")


@dataclass(frozen=True)
class Leg:
    """One stage of training."""

    corpora: Sequence[str]  # names of what it is trained on
    train: Examples
    dev: Examples  # to stop by
    seed: int  # of the batches and the dropout; below 2**32

    @property
    def name(self) -> str:
        """Its corpora, joined by '+'."""
        return "+".join(self.corpora)


@dataclass(frozen=True)
class Run:
    """What to train."""

    folder: Path  # for the classifier, its curve and its checkpoints
    encoder: str  # its name in the registry
    emotions: list[str]
    design: Design
    seed: int  # of the initial weights
    settings: experiment.Finetune  # rates, epochs, patience, batches and precision
    legs: list[Leg]  # one, or two for two-stage training
    cache: Path  # for what training does not change of each utterance, which runs share
    # What the result depends on: an interrupted run is gone on with if it had the same. JSON must know it.
    identity: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    before: Path | None = None  # the folder of the run whose head this one goes on with
    # What is trained beside the cross entropy, how strongly, and how batches are drawn.
    losses: experiment.Losses = field(default_factory=experiment.Losses)
    strength: Strength = Strength()

    @property
    def continued(self) -> bool:
        """Whether a second leg goes on from all that the first one leaves, as in study A's code."""
        return self.settings.second_stage == "continued" and len(self.legs) > 1

    def is_over(self, rows: Sequence[dict[str, Any]], earlier: Sequence[dict[str, Any]] = ()) -> bool:
        """Tell whether a leg ends after the last of some rows of its curve, where ``earlier`` are those before it."""
        return curve.is_over(rows, self._epochs(len(earlier)), self.settings.patience)

    def _epochs(self, earlier: int) -> int:
        """Count the epochs that a leg may have, after so many of an earlier one.

        Continued legs share them by the rule of study A's code: the second begins with the epoch in the middle at the
        latest; where it began before, it is over by then.
        """
        if not self.continued:
            return self.settings.epochs
        first = max(1, self.settings.epochs // 2 - 1)
        return max(1, first - earlier if earlier < first else self.settings.epochs - first)

    def say(self, text: str) -> None:
        """Print a line of progress, from the first process only."""
        if rank() == 0:
            print(f"{self.folder}: {text}", file=sys.stderr, flush=True)


class EmotionTrainer(transformers.Trainer):
    """transformers' loops over epochs and batches, for a classifier of packed utterances, which is trained in place.

    The cache is filled with all that the leg reads; ``earlier`` are rows of the curve of an earlier leg, and
    ``descent`` is the optimiser (:func:`optimiser`), whose state training goes on with.
    """

    def __init__(
        self, run: Run, leg: Leg, classifier: EmotionClassifier, cache: InputCache, arguments: TrainingArguments,
        earlier: list[dict[str, Any]], descent: torch.optim.Optimizer,
    ):  # fmt: skip
        super().__init__(
            model=classifier, args=arguments, train_dataset=leg.train.utterances, eval_dataset=leg.dev.utterances,
            optimizers=(descent, None), callbacks=_tensorboard(run, leg), compute_loss_func=self._loss,
        )  # fmt: skip
        self.remove_callback(PrinterCallback)
        self.run, self.leg, self.earlier, self.descent = run, leg, earlier, descent
        self._cache, self._began = cache, time.monotonic()
        self._gamma, self._weight = run.strength.gamma or None, None
        if WEIGHTED in parse(run.losses.loss):
            self._weight = balanced(leg.train.labels, len(run.emotions))
        self._learnt = torch.zeros(len(run.emotions) ** 2, dtype=torch.int64)  # of the epoch, by label and answer

    @property
    def rows(self) -> list[dict[str, Any]]:
        """By epoch, what ``curve.csv`` says of this leg."""
        return rows_of(self.state.log_history, self.leg.name)

    def get_train_dataloader(self) -> Loader:
        """Read the training examples."""
        frames = [self._cache.frames(utterance) for utterance in self.leg.train.utterances]
        size, where = self.run.settings.batch_size, (self.args.process_index, self.args.world_size)
        drawn = self.run.losses.sampler
        if drawn != "plain":
            return Loader(self._cache, self.leg.train, Cells(self.leg.train, drawn, frames, self.args.seed, *where))
        return Loader(self._cache, self.leg.train, Batches(frames, size, self.args.seed, *where))

    def compute_loss(self, model: object, inputs: dict[str, Any], *arguments: Any, **named: Any) -> torch.Tensor:
        """Compute the loss of a batch, of whose speakers and languages the model itself is not told."""
        self._who = inputs.pop("persons"), inputs.pop("languages")
        return super().compute_loss(model, inputs, *arguments, **named)

    def evaluate(
        self, eval_dataset: object = None, ignore_keys: object = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Compute loss (nats, mean over utterances) and UA on dev, and stop if that has not helped for long."""
        dev, classes = self.leg.dev, len(self.run.emotions)
        batches = data.by_length(self._cache, dev, self.run.settings.batch_size)
        mine = batches[self.args.process_index :: self.args.world_size]
        found = torch.zeros(1 + classes * classes, dtype=torch.float64)
        for rows, scores in zip(mine, score(self.model, self._cache, dev, mine), strict=True):
            labels = torch.from_numpy(dev.labels[rows])
            found[0] += functional.cross_entropy(scores.double(), labels, reduction="sum")
            found[1:] += _counted(scores, labels, classes)
        found = torch.cat([found, self._learnt])
        found = self.accelerator.reduce(found.to(self.args.device), "sum").cpu()
        loss = float(found[0]) / len(dev.labels)
        self._check(loss, "dev")
        ua, learnt = (float(metrics.unweighted_accuracy(one)) for one in found[1:].view(2, classes, -1).long().numpy())
        result = {"eval_loss": loss, "eval_ua": ua}
        self.log(result | {"eval_train_ua": learnt, "eval_seconds": round(time.monotonic() - self._began, 2)})
        self._learnt.zero_()
        self._began = time.monotonic()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, result)
        self.control.should_training_stop |= self.run.is_over(self.rows, self.earlier)
        self._tell()
        return result

    def _tell(self) -> None:
        if self.args.process_index == 0:
            rows = self.rows
            curve.write(self.run.folder, [*self.earlier, *rows])
            line = "{train}: epoch {epoch}: loss {train_loss:.3f} on train, {dev_loss:.3f} on dev, UA {ua:.1f}% on dev"
            self.run.say(line.format(**rows[-1], ua=100 * rows[-1]["dev_ua"]) + f", {rows[-1]['seconds']:.0f} s")

    def _loss(
        self, scores: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Cross entropy, a share of its mean over the utterances of an update; and what is trained beside it."""
        if self._gamma is None and self._weight is None:
            loss = functional.cross_entropy(scores.float(), labels, reduction="sum") / num_items_in_batch
        else:
            loss = classify(scores.float(), labels, gamma=self._gamma, weight=self._weight)
            loss = loss * (len(labels) / num_items_in_batch)
        self._learnt += _counted(scores.detach(), labels, len(self.run.emotions)).cpu()
        if self.model.objective is not None:
            progress = self.state.global_step / max(self.state.max_steps, 1)
            z = self.model.represented.float()[None, None]
            beside = self.model.objective(z, labels, *(own.to(z.device) for own in self._who), progress)
            loss = loss + beside.sum() * (len(labels) / num_items_in_batch)
        self._check(loss.item(), "train")
        return loss

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        """Clip what stands beside the classifier apart, lest it should shorten the classifier's steps."""
        objective = self.model.objective
        if objective is None:
            return super()._clip_grad_norm(model)
        self.accelerator.clip_grad_norm_(objective.parameters(), self.args.max_grad_norm)
        own = {id(parameter) for parameter in objective.parameters()}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
        return self.accelerator.clip_grad_norm_(rest, self.args.max_grad_norm)

    def _check(self, loss: float, part: str) -> None:
        """Stop with a UserError if a loss is not finite, before any checkpoint could hold what gave it."""
        if loss - loss != 0:
            rate = self.run.settings.lr
            raise UserError(
                f"{self.run.folder}: the {part} loss is {loss} in epoch {len(self.rows) + 1}; lower finetune.lr "
                f"({rate:g})" + ("" if self.run.settings.precision == "fp32" else " or use finetune.precision=fp32")
            )

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
        """Write what is trained; the encoder has its own checkpoint."""
        if self.args.should_save:
            self.model.save(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:
        """Read what :meth:`_save` wrote."""
        store.copy(store.read(Path(resume_from_checkpoint)), self.model.trainable())

    def _save_checkpoint(self, model: object, trial: object) -> None:
        """Mark checkpoints that are whole: an interruption may leave others."""
        super()._save_checkpoint(model, trial)
        wait()
        if self.args.should_save:
            (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / WHOLE).touch()
        wait()


@torch.no_grad()
def score(
    classifier: EmotionClassifier, cache: InputCache, examples: Examples, batches: Sequence[Sequence[int]]
) -> Iterator[torch.Tensor]:
    """Score batches (rows) of examples; the classifier is left in evaluation mode.

    Yields
    ------
    Tensor of float32, shape (utterances of the batch, emotions)
        Scores before the softmax, on the CPU.
    """
    classifier.eval()
    device = next(classifier.head.parameters()).device
    for rows in batches:
        batch = data.read_batch(cache, examples, rows)
        yield classifier(batch["features"].to(device), batch["lengths"]).float().cpu()


def rows_of(history: Sequence[dict[str, float]], name: str) -> list[dict[str, Any]]:
    """Make the rows of ``curve.csv``, one an epoch, of the ``log_history`` of transformers' Trainer."""
    losses, keys = [entry["loss"] for entry in history if "loss" in entry], ("train_ua", "loss", "ua", "seconds")
    dev = [[entry[f"eval_{key}"] for key in keys] for entry in history if "eval_loss" in entry]
    return [
        dict(zip(_COLUMNS, (name, epoch, loss, *own), strict=True))
        for epoch, (loss, own) in enumerate(zip(losses, dev, strict=True), 1)
    ]


def _counted(scores: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Count utterances by label and by the emotion that scores highest, flat."""
    return torch.bincount(labels * classes + scores.argmax(1), minlength=classes * classes)


def optimiser(classifier: EmotionClassifier, settings: experiment.Finetune) -> torch.optim.Optimizer:
    """Make AdamW, with a rate of its own for the head where one is given."""
    rates = {"head": settings.lr if settings.lr_head is None else settings.lr_head, "encoder": settings.lr}
    groups: dict[str, list[torch.nn.Parameter]] = {}
    for name, parameter in classifier.trainable().items():
        part = "head" if name.startswith(("head.", "layer_weights", "objective.")) else "encoder"
        groups.setdefault(part, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": own, "lr": rates[part]} for part, own in groups.items()], weight_decay=settings.weight_decay
    )


def _tensorboard(run: Run, leg: Leg) -> list[transformers.TrainerCallback]:
    from transformers.integrations import TensorBoardCallback, is_tensorboard_available

    if not is_tensorboard_available() or rank():
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(str(run.folder / "tensorboard" / leg.name)))]


def rank() -> int:
    """Tell which of torchrun's processes this is; 0 without it."""
    return int(os.environ.get("RANK", 0))


def wait() -> None:
    """Wait for the other processes."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
