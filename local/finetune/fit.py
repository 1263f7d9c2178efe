"""Training of a classifier: one fold and seed, with transformers' Trainer.

    from local.finetune.fit import fit
    from local.finetune.trainer import Leg, Run
    classifier = fit(Run(folder, "wav2vec2_de", emotions, design, 0, experiment.finetune, [leg], cache, identity))

AdamW at a constant rate and early stopping by dev loss, as in study A. Two-stage training has two legs: the second
goes on from the best weights of the first, with a fresh optimiser, or (``second_stage: continued``) from the last ones
with the first one's. Started by torchrun, the processes share every batch and compute what one would.

The folder holds ``curve.csv``, a row an epoch, and in the end the classifier; with ``carry_head`` also
``last/model.safetensors``, its head after the last epoch. Until then it also holds checkpoints, from which a run that
was interrupted goes on with the result of one that was not.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from local import encoders
from local.finetune import data
from local.finetune.data import Examples
from local.finetune.model import EmotionClassifier
from local.finetune.trainer import WHOLE, EmotionTrainer, Leg, Run, optimiser, rank, rows_of, wait
from local.losses import beside
from local.losses.objective import Objective
from local.models import curve, store
from utils.allocation import give_back, keep_freed
from utils.errors import UserError, named
from utils.feature_cache import InputCache
from utils.reproducible import reproducible

LAST = "last"  # holds the head after the last epoch
_CHECKPOINTS, _STATE = "checkpoints", "trainer_state.json"
_DAY = 24 * 3600
Row = dict[str, Any]


def fit(run: Run) -> EmotionClassifier:
    """Train, or go on where an interrupted run stopped.

    The classifier, which is also saved in the folder, is that of the epoch with the lowest dev loss, or what
    ``settings.keep`` says (in two-stage training, of the second stage, or if that is continued, of both), in evaluation
    mode. The same run gives the same weights, to the bit, on the same machine.

    Raises
    ------
    UserError
        The encoder or an utterance cannot be used, the loss is not finite, or memory does not suffice.
    """
    if run.settings.precision == "fp16" and run.device == "cpu":
        raise UserError("finetune.precision: fp16 needs a GPU; use bf16 or fp32, or --ngpu")
    _settle()
    with reproducible(run.device):
        # Made first: it also starts the processes' communication.
        arguments = [_arguments(run, index) for index in range(len(run.legs))]
        if rank() == 0:
            store.resumes(run.folder, run.identity)
        wait()
        classifier = _make(run)
        cache = data.open_cache(run.cache, classifier)
        threads = (os.cpu_count() or 1) if run.device == "cpu" else 1
        used = Examples.joined([part for leg in run.legs for part in (leg.train, leg.dev)])
        cache.fill(used.utterances, classifier.features, sys.stderr.isatty(), threads)
        rows, best = _train_legs(run, classifier, cache, arguments)
    classifier.eval()
    wait()
    classifier.provenance = {
        "trained_on": [list(leg.corpora) for leg in run.legs], "seed": run.seed,
        "n_train": sum(len(leg.train.labels) for leg in run.legs), "n_dev": len(run.legs[-1].dev.labels),
        "best_epoch": best["epoch"], "dev_loss": best["dev_loss"], "dev_ua": best["dev_ua"],
        "processes": arguments[-1].world_size,
    }  # fmt: skip
    if rank() == 0:
        curve.write(run.folder, rows)
        classifier.save(run.folder)
        shutil.rmtree(run.folder / _CHECKPOINTS)
        (run.folder / store.RUN).unlink()
        loss, ua = best["dev_loss"], 100 * best["dev_ua"]
        run.say(f"epoch {best['epoch']} is kept: loss {loss:.3f} and UA {ua:.1f}% on dev")
    give_back()
    return classifier


@functools.cache
def _settle() -> None:
    """Keep what is imported by now from being searched for garbage, as the Trainer does before every training.

    It takes as long as an epoch of a small corpus. And keep memory for the next update.
    """
    gc.freeze()
    keep_freed()


def _train_legs(
    run: Run, classifier: EmotionClassifier, cache: InputCache, arguments: list[TrainingArguments]
) -> tuple[list[Row], Row]:
    """Train leg by leg; give the rows of the curve, and the one whose weights the classifier ends with."""
    curves: list[list[Row]] = []
    descent: torch.optim.Optimizer | None = None
    for leg, own in zip(run.legs, arguments, strict=True):
        classifier.objective = _objective(run, leg, classifier)
        if descent is None or not run.continued:
            descent = optimiser(classifier, run.settings)
        curves.append(_train(EmotionTrainer(run, leg, classifier, cache, own, sum(curves, []), descent)))
        if run.settings.carry_head and rank() == 0:
            store.write(run.folder / LAST, classifier.head.state_dict())
        if not run.continued:
            _restore(own, classifier)
        classifier.objective = classifier.represented = None
    best = curve.best(sum(curves, []) if run.continued else curves[-1], run.settings.keep)
    if run.continued:
        # The very row: another leg's may be equal.
        leg = next(place for place, rows in enumerate(curves) if any(row is best for row in rows))
        _restore(arguments[leg], classifier)
    return sum(curves, []), best


def _train(trainer: EmotionTrainer) -> list[Row]:
    """Train a leg, or what is left of it; classifier and optimiser end as the last epoch leaves them."""
    run, folder = trainer.run, Path(trainer.args.output_dir)
    last = _last_checkpoint(folder)
    rows = rows_of(_state(last)["log_history"], trainer.leg.name) if last else []
    if run.is_over(rows, trainer.earlier):
        store.copy(store.read(last), trainer.model.trainable())
        state = torch.load(last / "optimizer.pt", map_location=run.device, weights_only=True)
        trainer.descent.load_state_dict(state)
    else:
        if last:
            run.say(f"{trainer.leg.name}: goes on after epoch {len(rows)}")
        try:
            with named(run.folder):
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            raise UserError(
                f"{run.folder}: out of memory on {run.device}; halve finetune.batch_size ({run.settings.batch_size}) "
                "and double finetune.accumulate, or set finetune.checkpointing=true"
            ) from error
        rows = trainer.rows
    return rows


def _restore(arguments: TrainingArguments, classifier: EmotionClassifier) -> None:
    """Give the classifier the weights of a leg's best epoch."""
    folder = Path(arguments.output_dir)
    best = _state(_last_checkpoint(folder))["best_global_step"]
    store.copy(store.read(folder / f"checkpoint-{best}"), classifier.trainable())


def _arguments(run: Run, index: int) -> TrainingArguments:
    settings, cpu = run.settings, run.device == "cpu"
    world = int(os.environ.get("WORLD_SIZE", 1))
    return TrainingArguments(
        output_dir=str(run.folder / _CHECKPOINTS / str(index)),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=-(-settings.batch_size // world),
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        fp16=settings.precision == "fp16",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        metric_for_best_model=settings.keep,
        greater_is_better=settings.keep == "ua",
        max_grad_norm=settings.clip,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        log_level="error",
        report_to="none",
        disable_tqdm=not sys.stderr.isatty(),
        seed=run.legs[index].seed,
        label_names=["labels"],
        use_cpu=cpu,
        ddp_backend=("gloo" if cpu else "nccl") if world > 1 else None,
        ddp_timeout=_DAY,  # the others wait while the first process tests
        ddp_find_unused_parameters=settings.augment,  # a block that is dropped uses none of its own
    )


def _make(run: Run) -> EmotionClassifier:
    # Mixed precision with 16-bit floats is the Trainer's, which scales the loss for it.
    precision = "bf16" if run.settings.precision == "bf16" else "fp32"
    spec = encoders.spec(run.encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)  # of the mask, which checkpoints may lack
        classifier = EmotionClassifier(spec, run.emotions, run.design, run.seed, run.device, precision)
    classifier.encoder.checkpointing = run.settings.checkpointing
    classifier.encoder.augment = run.settings.augment
    if run.before is not None:
        classifier.head.load_state_dict(store.read(run.before / LAST))
    return classifier


def _objective(run: Run, leg: Leg, classifier: EmotionClassifier) -> Objective | None:
    """Make what is trained beside the cross entropy."""
    parts = beside(run.losses.loss)
    if not parts:
        return None
    speakers, languages = len(set(leg.train.persons)), len(set(leg.train.languages))
    sizes = (1, classifier.encoder.spec.dim, run.losses.projection, speakers, languages)
    return Objective(parts, [run.strength], *sizes, run.losses.across, run.seed).to(run.device)


def _last_checkpoint(folder: Path) -> Path | None:
    """Find the last checkpoint that is whole."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{WHOLE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _state(folder: Path) -> dict[str, Any]:
    """Read the Trainer's state of a checkpoint."""
    return json.loads((folder / _STATE).read_text(encoding="utf-8"))


def _out_of_memory(error: BaseException) -> bool:
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or "DefaultCPUAllocator" in str(error) or "out of memory" in str(error)
