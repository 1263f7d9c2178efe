"""What stage 4 may be told: the section ``finetune`` of an experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from utils import stamp
from utils.config_fields import one_of

stamp.UNMENTIONED |= {
    "finetune.augment": False, "finetune.keep": "loss", "finetune.second_stage": "fresh", "finetune.clip": 1.0,
}  # fmt: skip


@dataclass
class Grid:
    """Tuned encoders beside those of the section ``finetune``; what is left empty is as there."""

    encoders: list[str] = field(default_factory=list)  # as finetune.encoders
    strategies: list[str] = field(default_factory=list)  # as finetune.strategies
    pairs: list[str] = field(default_factory=list)  # as finetune.pairs
    layer: str = ""  # as finetune.layer
    vary: dict[str, list[Any]] = field(default_factory=dict)  # as the experiment's vary, and besides it


@dataclass
class Finetune:
    """Tuned encoders (stage 4), none while ``encoders`` is empty; the optimiser's defaults are study A's."""

    encoders: list[str] = field(default_factory=list)  # encoders to tune, by name
    # What is trained beside the head: head, lora, ba, wg, prompt, ia3, bitfit or full; joined by '+': together.
    strategies: list[str] = field(default_factory=lambda: ["lora"])
    pairs: list[str] = field(default_factory=lambda: ["within"])  # as probe.pairs, or SOURCE>TRAIN:TEST: SOURCE first
    also: list[Grid] = field(default_factory=list)  # further encoders x strategies x pairs
    # Layer the head is on: probe, the one that stage 3's dev chose; last; or a number from 0. If any strategy tunes
    # blocks, probe is the best layer above 0 on dev for all strategies, head too: gains then are not those of a cut.
    layer: str = "probe"
    pooling: str = one_of("mean", "weighted")  # mean over time of that layer, or of a learnt sum of layers up to it
    head: str = one_of("linear", "mlp")  # as of probe.heads
    published_init: bool = False  # adapters and gates start as study A's code draws them, not as the identity
    # Heads go on from fold to fold, as in study A's code: what a fold tests, the folds before have trained on. Tables
    # say so. Folds then have to be trained one after the other, in one job.
    carry_head: bool = False
    # Spans are masked and blocks dropped in training, as the checkpoint's configuration asks (SpecAugment, LayerDrop).
    augment: bool = False
    # Every one trains anew. One by default, since five cost five times as much: intervals then know of no other seed.
    seeds: list[int] = field(default_factory=lambda: [0])
    lr: float = 1e-4  # learning rate of AdamW
    lr_head: float | None = None  # learning rate of the head, where it is another
    weight_decay: float = 1e-5  # AdamW's
    epochs: int = 100  # at most so many passes over the training part
    patience: int = 10  # epochs without a lower loss on dev after which training stops
    keep: str = one_of("loss", "ua")  # weights of the epoch with the lowest loss, or with the highest UA, on dev
    # SOURCE>TRAIN:TEST: fresh goes on from the first stage's kept weights, which the source's dev chose, with a new
    # optimiser. continued, as study A's code, goes on from its last weights with its optimiser; the dev list of the
    # second stage stops both, the epoch is kept of either, and the first stage has less than half of the epochs.
    second_stage: str = one_of("fresh", "continued")
    clip: float = 1.0  # norm down to which longer gradients are cut; 0 leaves them
    batch_size: int = 16  # utterances
    accumulate: int = 1  # batches an update
    precision: str = one_of("fp32", "bf16", "fp16")  # of the arithmetic; fp16 on a GPU only
    checkpointing: bool = False  # compute activations twice instead of keeping them: less memory, more time

    def __post_init__(self) -> None:
        if self.layer not in ("probe", "last") and not self.layer.isdecimal():
            raise ValueError(f"finetune.layer: '{self.layer}' is not probe, last or a number")
        if (self.encoders or self.also) and not (self.strategies and self.pairs and self.seeds):
            raise ValueError("finetune.encoders asks for tuned encoders: name strategies, pairs and seeds too")
        if min(self.epochs, self.patience, self.accumulate, self.batch_size) < 1:
            raise ValueError("finetune.epochs, patience, accumulate and batch_size must be positive")
        if not 0 <= self.clip < float("inf"):
            raise ValueError("finetune.clip must be 0 or more; 0 leaves gradients as long as they are")
