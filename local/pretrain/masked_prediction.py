"""The HuBERT-style training loop: predict the clusters of masked frames.

Hsu et al., "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units", 2021.
Every step draws its crops, masks and dropout from its own number and the seed, so a run that was interrupted goes on
from its last checkpoint to the very weights of a run that was not.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import HubertConfig, HubertModel

from local.pretrain import pool as pools
from local.pretrain.config import Model, PretrainConfig, Train
from utils import csv_file
from utils.atomic import atomic_file
from utils.errors import UserError

CURVE_FIELDS = ("round", "step", "loss", "accuracy", "dev_loss", "dev_accuracy", "lr")
_DEV_BATCHES = 2
_PROJECTION = 128  # dimension in which frames and clusters are compared


class Predictor(nn.Module):
    """A HuBERT with the cosine classifier of its paper (equation 3) on top."""

    def __init__(self, encoder: HubertModel, clusters: int, temperature: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(encoder.config.hidden_size, _PROJECTION)
        self.codes = nn.Parameter(torch.randn(clusters, _PROJECTION))
        self.temperature = temperature

    def forward(self, waves: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Score the clusters at every frame: cosine similarity over the temperature, shape (batch, frames, clusters).

        The waves, shape (batch, samples), are of zero mean and unit variance; the transformer does not see the masked
        frames, bool of shape (batch, frames).
        """
        hidden = self.encoder(waves, mask_time_indices=masked).last_hidden_state
        similar = nn.functional.normalize(self.project(hidden), dim=-1) @ nn.functional.normalize(self.codes, dim=-1).T
        return similar / self.temperature


def new_encoder(model: Model, seed: int) -> HubertModel:
    """Make a randomly initialised HuBERT."""
    torch.manual_seed(seed)
    return HubertModel(
        HubertConfig(
            hidden_size=model.dim, num_hidden_layers=model.layers, num_attention_heads=model.heads,
            intermediate_size=model.feed_forward, conv_dim=tuple(model.conv_dim), feat_extract_norm=model.norm,
            num_conv_pos_embeddings=model.position_width, num_conv_pos_embedding_groups=model.position_groups,
            hidden_dropout=model.dropout, attention_dropout=model.dropout, activation_dropout=model.dropout,
            feat_proj_dropout=model.dropout, final_dropout=0.0, layerdrop=0.0,
        )
    )  # fmt: skip


def masks(rng: np.random.Generator, size: int, frames: int, train: Train) -> np.ndarray:
    """Draw masked spans, shape (size, frames).

    There are so many starts that the spans, if none overlapped, would be ``mask_probability`` of a crop.
    """
    masked = np.zeros((size, frames), dtype=bool)
    for row in masked:
        # Rounding up or down at random keeps the expected number.
        spans = max(1, int(train.mask_probability * frames / train.mask_length + rng.random()))
        starts = rng.choice(frames - train.mask_length + 1, min(spans, frames - train.mask_length + 1), replace=False)
        row[(starts[:, None] + np.arange(train.mask_length)).ravel()] = True
    return masked


def rate(step: int, train: Train) -> float:
    """Tell the learning rate of a step, counted from 0: a linear rise, then a linear fall to zero."""
    rise = max(1, round(train.warmup * train.steps))
    return train.peak_lr * min((step + 1) / rise, (train.steps - step) / max(1, train.steps - rise + 1))


class Trainer:
    """One round of training, numbered from 1, of an encoder, in place, on the targets of all frames of a pool.

    The folder is for the checkpoint and the curve.
    """

    def __init__(
        self, config: PretrainConfig, pool: pools.Pool, labels: np.ndarray, encoder: HubertModel, number: int,
        folder: Path, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.config, self.pool, self.labels, self.number = config, pool, labels, number
        self.device = torch.device(device)
        torch.manual_seed(config.seed + number)
        self.model = Predictor(encoder, int(labels.max()) + 1, config.train.temperature).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=config.train.peak_lr, betas=(0.9, 0.98), weight_decay=config.train.weight_decay
        )
        self.checkpoint = folder / f"checkpoint.round{number}.pt"
        self.step = 0
        self.curve: list[dict] = []
        self._sums = [0.0, 0.0, 0]

    def run(self, stop: int | None = None) -> None:
        """Train from the last checkpoint, if there is one, to the end (or to step ``stop``)."""
        train = self.config.train
        self._resume()
        began, first = time.monotonic(), self.step
        while self.step < min(train.steps, stop or train.steps):
            loss, accuracy = self._update()
            self._sums = [self._sums[0] + loss, self._sums[1] + accuracy, self._sums[2] + 1]
            self.step += 1
            if self.step % train.log_every == 0 or self.step == train.steps:
                self._log((time.monotonic() - began) / (self.step - first))
            if self.step % train.save_every == 0 or self.step == train.steps:
                self._save()
        self.model.eval()

    def _batch(self, key: list[int], dev: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        train = self.config.train
        rng = np.random.default_rng([self.config.seed, self.number, *key])
        crops, targets = pools.batch(
            self.pool, self.labels, rng, train.batch_size, train.crop_frames, train.held_out, dev
        )
        masked = torch.from_numpy(masks(rng, *targets.shape, train))
        waves = pools.vary(crops, rng, None if dev else self.config.augment)
        return (
            torch.from_numpy(waves).to(self.device), masked.to(self.device), torch.from_numpy(targets).to(self.device)
        )  # fmt: skip

    def _score(self, key: list[int], dev: bool) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Return the loss of the masked frames, that of the others, and the accuracy at the masked ones."""
        waves, masked, targets = self._batch(key, dev)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.train.precision == "bf16"):
            logits = self.model(waves, masked).float()
        loss = nn.functional.cross_entropy(logits[masked], targets[masked])
        accuracy = (logits[masked].argmax(-1) == targets[masked]).float().mean().item()
        seen = nn.functional.cross_entropy(logits[~masked], targets[~masked])
        return loss, seen, accuracy

    def _update(self) -> tuple[float, float]:
        train = self.config.train
        self.model.train()
        torch.manual_seed(self.config.seed * 1_000_003 + self.number * 100_003 + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, train)
        loss, seen, accuracy = self._score([0, self.step], dev=False)
        if not torch.isfinite(loss):
            raise UserError(f"the loss is not finite at step {self.step}: lower train.peak_lr ({train.peak_lr:g})")
        self.optimiser.zero_grad()
        (loss + train.unmasked_weight * seen).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), train.clip)
        self.optimiser.step()
        return loss.item(), accuracy

    def _log(self, pace: float) -> None:
        train = self.config.train
        self.model.eval()
        with torch.no_grad():
            scores = [self._score([1, place], dev=True) for place in range(_DEV_BATCHES)]
        dev = [(float(loss), accuracy) for loss, _, accuracy in scores]
        loss, accuracy, count = self._sums
        values = (loss / count, accuracy / count, *np.mean(dev, axis=0))
        row = dict(zip(CURVE_FIELDS, (self.number, self.step, *(f"{value:.4f}" for value in values)), strict=False))
        self.curve.append(row | {"lr": f"{rate(self.step - 1, train):.3g}"})
        self._sums = [0.0, 0.0, 0]
        print(
            f"round {self.number} step {self.step}/{train.steps} loss {values[0]:.3f} accuracy {values[1]:.3f} "
            f"dev loss {values[2]:.3f} accuracy {values[3]:.3f} {pace:.2f} s/step "
            f"{timedelta(seconds=int((train.steps - self.step) * pace))} left",
            file=sys.stderr, flush=True,
        )  # fmt: skip

    def _save(self) -> None:
        state = {
            "step": self.step, "curve": self.curve, "sums": self._sums,
            "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        with atomic_file(self.checkpoint, "wb") as file:
            torch.save(state, file)

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curve, self._sums = state["step"], state["curve"], state["sums"]
        if self.step < self.config.train.steps:
            print(f"round {self.number}: resuming after step {self.step}", file=sys.stderr)


def layer_features(encoder: HubertModel, layer: int):
    """Make the function from samples (samples,) to a layer's features (frames, dim)."""
    device = next(encoder.parameters()).device

    def features(samples: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            waves = torch.from_numpy(pools.normalise(samples))[None].to(device)
            return encoder(waves, output_hidden_states=True).hidden_states[layer][0].float().cpu().numpy()

    return features


def write_curve(folder: Path, rows: list[dict]) -> None:
    """Write the loss curve as ``loss.csv`` and ``loss.png``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    csv_file.write(folder / "loss.csv", CURVE_FIELDS, rows)
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for number in sorted({row["round"] for row in rows}):
        steps = [row["step"] for row in rows if row["round"] == number]
        for name, style in (("loss", "-"), ("dev_loss", "--")):
            values = [float(row[name]) for row in rows if row["round"] == number]
            axes.plot(steps, values, style, label=f"round {number}: {'training' if name == 'loss' else 'held out'}")
    axes.set(xlabel="step", ylabel="cross entropy of the masked frames (nats)")
    axes.legend()
    figure.savefig(folder / "loss.png", dpi=120)
    pyplot.close(figure)
