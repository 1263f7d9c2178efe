"""The model of fine-tuning: an encoder cut behind a layer, what a strategy trains of it, pooling and a head.

The encoder comes fresh from its checkpoint for every classifier, so that nothing crosses from one fold to another.
An utterance is represented by means over time, and attention runs in windows of at most 30 s: its cost grows with
the square of the length. Up to that length the result is that of one pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from local import encoders
from local.encoders import EncoderSpec
from local.encoders.transformer import Transformer
from local.finetune import attach
from local.finetune.strategies import Design
from local.losses.objective import Objective
from local.models import store, windows
from local.models.windows import evaluating, front_end
from utils.errors import UserError

_HIDDEN = (128, 16)
_PACKAGES = ("torch", "transformers", "peft")


class _Part(NamedTuple):
    """Frames of an utterance that are run together, and their share of it."""

    row: int
    share: float
    frames: torch.Tensor


class EmotionClassifier(nn.Module):
    """Tells the emotion of an utterance.

    In training mode all dropouts of the checkpoint's configuration are active, but for strategy ``head``, where the
    encoder remains as it is in evaluation; blocks are dropped and spans masked only if ``encoder.augment`` says so.

    Parameters
    ----------
    spec : EncoderSpec
        Of kind ``hf``; its checkpoint is read anew.
    emotions : sequence of str
        The classes.
    design : Design
        Layer, strategy, pooling and head.
    seed : int
        Of the initial weights of all that is added to the encoder.
    device : str
        As torch names it. The classifier stays there: parts of the encoder's forward do not move with ``to``.
    precision : str
        Of the encoder: ``fp32`` or ``bf16``.

    Attributes
    ----------
    frozen : bool
        Whether training leaves the encoder as it is: all of it can then be run once an utterance, not only the
        convolutional front end.
    objective : Objective or None
        What is trained beside the cross entropy, while it is; no part of the classifier.
    represented : Tensor or None
        While there is an objective, what the head was last given, shape (utterances, dim).
    encoder, model : Transformer, nn.Module
        The encoder, cut behind the layer, and its transformers model, as the strategy changed it.
    provenance : dict
        What it was trained on and how, in words that JSON knows; kept with the model.

    Raises
    ------
    UserError
        The encoder is of another kind, has no such layer or cannot be loaded.
    """

    def __init__(
        self, spec: EncoderSpec, emotions: Sequence[str], design: Design, seed: int = 0, device: str = "cpu",
        precision: str = "fp32",
    ):  # fmt: skip
        super().__init__()
        self.emotions, self.design = list(emotions), design
        self.frozen = design.strategy == "head"
        self.provenance: dict[str, Any] = {}
        with torch.random.fork_rng(devices=[]):
            self.encoder = _load_encoder(spec, design.layer, device, precision)
            self.model = self.encoder.model
            self._encoder_sha256 = store.sha256(self.model)
            torch.manual_seed(seed)
            self.head = _make_head(design.head, spec.dim, len(self.emotions))
            attach.apply(design, self.model)
        self._merged = False
        self.objective: Objective | None = None
        self.represented: torch.Tensor | None = None
        if design.pooling == "weighted":
            self.layer_weights = nn.Parameter(torch.zeros(design.layer + 1))
        self.to(device).eval()

    def forward(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Score several utterances, before the softmax: float32, shape (utterances, emotions).

        ``features`` are what :meth:`features` gives of each, one after the other, and ``lengths`` the rows of each.
        """
        pooled = self.pooled(features, lengths)
        if self.objective is not None:
            self.represented = pooled
        return self.head(pooled)

    def pooled(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Give what the head is given of utterances that :meth:`forward` takes: float32, shape (utterances, dim)."""
        return self._pool(features.unflatten(0, (len(lengths), -1)) if self.frozen else self._means(features, lengths))

    def features(self, wave: np.ndarray) -> np.ndarray:
        """Run what training does not change of a 16 kHz mono wave: to be computed once an utterance.

        Returns
        -------
        ndarray of float32
            If the encoder is frozen, the means over time of what is pooled, shape (1, dim) for the layer alone or
            (layer + 1, dim); otherwise what the convolutional front end gives, shape (frames, channels) with 50
            frames a second.

        Raises
        ------
        UserError
            The wave is shorter than the encoder can represent.
        """
        if self.frozen:
            with torch.inference_mode():
                return self._represent([wave])[0].cpu().numpy()
        return front_end(self.encoder, wave).float().cpu().numpy()

    def posteriors(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Give the probability of every emotion: float32, shape (utterances, emotions), rows sum to 1.

        Waves are 16 kHz mono, of any length that the encoder can represent. Short ones are run together, long ones
        window by window, so memory beyond that for the front end's features (0.1 MB a second) depends neither on their
        number nor on their length.

        Raises
        ------
        UserError
            A wave is shorter than the encoder can represent.
        """
        with torch.inference_mode(), evaluating(self):
            return torch.softmax(self.head(self._pool(self._represent(waves))), dim=-1).cpu().numpy()

    def trainable(self) -> dict[str, nn.Parameter]:
        """Name the parameters that training changes."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def counts(self) -> tuple[int, int]:
        """Count parameters: those that training changes, and all, the blocks above the layer left out."""
        trained = sum(parameter.numel() for parameter in self.trainable().values())
        return trained, sum(parameter.numel() for parameter in self.parameters())

    def merge(self, keep: Collection[str] = ()) -> None:
        """Merge what LoRA or IA3 added into the encoder's weights, for use: outputs agree to 1e-5.

        Raises
        ------
        UserError
            Part of the strategy cannot be merged, and is not among those to ``keep`` as modules.
        """
        self._merged |= attach.merge(self.design, self.model, keep)

    def train(self, mode: bool = True) -> EmotionClassifier:
        """Set training or evaluation mode; what is frozen for all strategies stays in evaluation mode."""
        if mode == self.training:
            return self  # the Trainer asks before every update, and there are thousands of modules
        super().train(mode)
        self.model.train(mode and not self.frozen)
        # It may hold a batch normalisation, whose statistics would follow the batches.
        self.model.encoder.pos_conv_embed.eval()
        return self

    def save(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, which holds the parameters of :meth:`trainable` alone.

        Raises
        ------
        UserError
            The classifier has been merged.
        """
        if self._merged:
            raise UserError(f"{folder}: a merged classifier cannot be saved; save it before merging")
        store.save(
            folder, self.trainable(), self.encoder.spec, self._encoder_sha256, _PACKAGES, emotions=self.emotions,
            design=dataclasses.asdict(self.design), provenance=self.provenance,
        )  # fmt: skip

    @staticmethod
    def load(folder: str | Path, device: str = "cpu", precision: str = "fp32") -> EmotionClassifier:
        """Read what :meth:`save` wrote, for use in evaluation mode.

        Raises
        ------
        UserError
            A file is missing or damaged, or the encoder is not there or not the one that the model was made with.
        """
        return store.load(folder, lambda found, config: _rebuild(found, config, device, precision))

    @property
    def _device(self) -> torch.device:
        return next(self.head.parameters()).device

    def _represent(self, waves: Sequence[np.ndarray]) -> torch.Tensor:
        """Average hidden states over time, short utterances together, long ones by windows; as :meth:`_means`."""
        means = torch.zeros(len(waves), self._pooled, self.encoder.spec.dim, device=self._device)
        for batch in self._batches(waves):
            found = self._means(torch.cat([part.frames for part in batch]), [len(part.frames) for part in batch])
            for part, own in zip(batch, found, strict=True):
                means[part.row] += part.share * own
        return means

    def _batches(self, waves: Sequence[np.ndarray]) -> Iterator[list[_Part]]:
        """Cut utterances into windows and batches of at most as many frames as a window may have."""
        batch: list[_Part] = []
        for row, wave in enumerate(waves):
            frames = front_end(self.encoder, wave)
            for part in frames.split(windows.even(len(frames))):
                if sum(len(other.frames) for other in batch) + len(part) > windows.WINDOW:
                    yield batch
                    batch = []
                batch.append(_Part(row, len(part) / len(frames), part))
        if batch:
            yield batch

    @property
    def _pooled(self) -> int:
        """How many hidden states are pooled: the last so many."""
        return self.design.layer + 1 if self.design.pooling == "weighted" else 1

    def _means(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Average what is pooled over time, shape (utterances, hidden states, dim)."""
        cut = [window for length in lengths for window in windows.even(length)]
        means = []
        for layer, states in enumerate(self.encoder.states(features, cut)):
            if layer > self.design.layer - self._pooled:
                means.append(torch.stack([part.mean(dim=0) for part in states.split(list(lengths))]))
        return torch.stack(means, dim=1)

    def _pool(self, means: torch.Tensor) -> torch.Tensor:
        """Make one vector an utterance of what :meth:`_means` gives, shape (utterances, dim)."""
        return means[:, 0] if self.design.pooling == "mean" else torch.softmax(self.layer_weights, dim=0) @ means


def _make_head(name: str, dim: int, classes: int) -> nn.Module:
    if name == "linear":
        return nn.Linear(dim, classes)
    first, second = _HIDDEN
    return nn.Sequential(
        nn.Linear(dim, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, classes)
    )


def _load_encoder(spec: EncoderSpec, layer: int, device: str, precision: str) -> Transformer:
    """Load an encoder and drop the blocks above a layer."""
    if layer >= spec.layers:
        raise UserError(f"finetune: encoder {spec.name} has no layer {layer}; its last is {spec.layers - 1}")
    encoder = encoders.load_tunable(spec, device, precision)
    encoder.model.encoder.layers = encoder.model.encoder.layers[:layer]
    return encoder


def _rebuild(folder: Path, config: dict[str, Any], device: str, precision: str) -> EmotionClassifier:
    try:
        design = Design(**config["design"])
    except UserError as error:
        raise ValueError(str(error)) from error
    spec = store.encoder_of(config)
    made = EmotionClassifier(spec, config["emotions"], design, device=device, precision=precision)
    store.restore(folder, config, spec, made._encoder_sha256, made.trainable())
    made.provenance = config["provenance"]
    return made
