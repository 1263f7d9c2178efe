"""The model of emotion diarization: an encoder and a linear classifier of every frame (Wang et al. 2023).

Mode ``frozen`` leaves the encoder alone and classifies a weighted sum of all its hidden states; ``context`` gives that
sum to a classifier that also hears what comes before and after (local/sed/model/context.py); ``tuned`` trains its
transformer blocks and classifies the last hidden state. ``recipe`` does as the study's recipe in SpeechBrain: it trains
all of the encoder but its convolutions, brings the last hidden state to zero mean and unit variance over frames and
dimensions of a recording together, and classifies it without a bias. In any case there is a posterior for every 20 ms.
Recordings of more than 30 s are run in windows that overlap, so that attention, whose cost grows with the square of the
length, does not see more than it saw in training.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from local import encoders
from local.encoders import EncoderSpec
from local.encoders.transformer import Transformer
from local.models import store, windows
from local.models.windows import by_window, evaluating, front_end, overlapping
from local.sed.model.context import Context, steps
from local.sed.model.decode import Decoder

MODES = ("frozen", "context", "tuned", "recipe")
_FROZEN = ("frozen", "context")  # of the encoder's frames, all hidden states are classified
PACKAGES = ("torch", "transformers", "speechbrain")


class Diarizer(nn.Module):
    """Tells the emotion of every frame.

    Its parameters are what training changes: the classifier, and the weights of the layers (``frozen``, ``context``),
    the encoder's blocks (``tuned``), or all that follows its convolutions (``recipe``).

    Parameters
    ----------
    encoder : Transformer
        Of kind ``hf``; a diarizer that is not frozen changes its weights.
    emotions : sequence of str
        The classes.
    mode : str
        ``frozen``, ``context``, ``tuned`` or ``recipe``.
    seed : int
        Of the classifier's initial weights.

    Attributes
    ----------
    decoder : Decoder or None
        How its posteriors are smoothed, once that has been tuned.
    provenance : dict
        What it was trained on and how, in words that JSON knows; kept with the model.
    """

    def __init__(self, encoder: Transformer, emotions: Sequence[str], mode: str, seed: int = 0):
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mode '{mode}' is not one of {', '.join(MODES)}")
        self.encoder, self.emotions, self.mode = encoder, list(emotions), mode
        self.decoder: Decoder | None = None
        self.provenance: dict[str, Any] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if mode == "context":
                self.classifier = Context(encoder.spec.dim, len(self.emotions))
            else:
                self.classifier = nn.Linear(encoder.spec.dim, len(self.emotions), bias=mode != "recipe")
        if mode in _FROZEN:
            self.layer_weights = nn.Parameter(torch.zeros(encoder.spec.layers))
        else:
            self._take(encoder)
        self.to(next(encoder.model.parameters()).device).eval()

    def _take(self, encoder: Transformer) -> None:
        """Make the parts of the encoder that are trained parts of this model."""
        parts = encoder.model.encoder
        self.blocks = parts.layers.requires_grad_(True)
        # Where the blocks begin with a normalisation, that of the last one's output belongs to them.
        if self.mode == "recipe" or getattr(encoder.model.config, "do_stable_layer_norm", False):
            self.last_norm = parts.layer_norm.requires_grad_(True)
        if self.mode == "recipe":
            encoder.free_position()
            self.projection = encoder.model.feature_projection.requires_grad_(True)
            self.position = parts.pos_conv_embed.requires_grad_(True)
            self.dropout = parts.dropout  # it follows the mode of the model that it is part of

    def forward(self, inputs: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Score the frames of several utterances, before the softmax: shape (frames of all utterances, emotions).

        ``inputs`` are what :meth:`cached_input` gives of each, one after the other, and ``lengths`` the frames of each.
        """
        if self.mode == "tuned":
            return self.classifier(self._last_state(inputs, lengths))
        if self.mode == "recipe":
            states = self._last_state(inputs, lengths).split(list(lengths))
            return torch.cat([self.classifier(functional.layer_norm(state, state.shape)) for state in states])
        if self.mode == "context":
            # Averages of frames are of their weighted sums too; of the frames there are five times as many.
            parts = [steps(own) for own in inputs.split(list(lengths))]
            weighted = self._weighted(torch.cat(parts)).split([len(own) for own in parts])
            return self.classifier(weighted, lengths)
        # The classifier is linear: every layer is classified and the scores are summed, which reads the states once.
        return self._weighted(functional.linear(inputs, self.classifier.weight)) + self.classifier.bias

    def cached_input(self, wave: np.ndarray) -> np.ndarray:
        """Compute what of the forward does not change during training of a 16 kHz mono wave: once an utterance.

        Returns
        -------
        ndarray of float16, shape (frames, layers, dim) or (frames, channels)
            ``frozen`` and ``context``: all hidden states, each frame brought to zero mean and unit variance, since the
            layers' scales differ by orders of magnitude and their weights could not be compared. Otherwise: the front
            end's features.

        Raises
        ------
        UserError
            The wave is shorter than the encoder can represent.
        """
        with torch.no_grad(), evaluating(self):
            if self.mode not in _FROZEN:
                return front_end(self.encoder, wave).half().cpu().numpy()
            parts = []
            for window, part in by_window(self.encoder, wave):
                states = [window.kept(state).half() for state in self._normalised(part)]
                parts.append(torch.stack(states, dim=1).cpu())
            return torch.cat(parts).numpy()

    def input_kind(self) -> str:
        """Say what :meth:`cached_input` depends on apart from the wave: the same string, the same inputs."""
        # Hidden states depend on how long recordings are cut; what the front end gives does not.
        states = ["frozen", windows.WINDOW, windows.CONTEXT, windows.SPAN]
        kept = states if self.mode in _FROZEN else [self.mode]
        return json.dumps([self.encoder.spec.identity(), *kept, self.encoder_sha256()])

    def posteriors_of(self, inputs: np.ndarray) -> np.ndarray:
        """Give what :meth:`posteriors` gives, from what :meth:`cached_input` has kept of the wave.

        The inputs may be those of another diarizer of the same encoder and mode.
        """
        with torch.inference_mode(), evaluating(self):
            device = next(self.parameters()).device
            scores = self(torch.from_numpy(inputs.astype(np.float32)).to(device), [len(inputs)])
            return torch.softmax(scores, dim=-1).cpu().numpy()

    def posteriors(self, wave: np.ndarray) -> np.ndarray:
        """Give the probability of every emotion in every frame: float32, shape (frames, emotions).

        There are 50 frames a second, and rows sum to 1. The wave is 16 kHz mono, of any length that the encoder can
        represent. Memory beyond that for the wave does not grow with the recording, but for mode ``context``, which
        holds a hidden state a frame (0.15 MB a second of 768 dimensions).

        Raises
        ------
        UserError
            The wave is shorter than the encoder can represent.
        """
        with torch.inference_mode(), evaluating(self):
            return torch.softmax(self._scores(wave), dim=-1).cpu().numpy()

    def encoder_sha256(self) -> str:
        """Hash the encoder's weights that are not among this model's parameters."""
        return _sha256(self.encoder) if self.mode in _FROZEN else store.sha256(self.encoder.model, self.parameters())

    def save(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, which holds the parameters: not the encoder's own ones.

        local/sed/model/load.py reads it.
        """
        store.save(
            folder, self.state_dict(), self.encoder.spec, self.encoder_sha256(), PACKAGES, kind="trained",
            mode=self.mode, **self._described(),
        )  # fmt: skip

    def _described(self) -> dict[str, Any]:
        """Say in words that JSON knows what any kind of diarizer keeps."""
        decoder = dataclasses.asdict(self.decoder) if self.decoder else None
        return {"emotions": self.emotions, "decoder": decoder, "provenance": self.provenance}

    def _normalised(self, features: torch.Tensor) -> Iterator[torch.Tensor]:
        """Run the frames of a window: all hidden states, each frame brought to zero mean and unit variance."""
        for state in self.encoder.states(features, [len(features)]):
            yield functional.layer_norm(state, state.shape[-1:])

    def _weighted(self, rows: torch.Tensor) -> torch.Tensor:
        """Sum the layers of rows, shape (frames, layers, ...), by their weights."""
        return torch.einsum("l,fle->fe", torch.softmax(self.layer_weights, 0), rows)

    def _scores(self, wave: np.ndarray) -> torch.Tensor:
        """Scores before the softmax of a recording of any length."""
        if self.mode == "recipe":
            return normalised_scores(self.classifier, self._last_states(wave))
        if self.mode == "tuned":
            return torch.cat([self.classifier(state) for state in self._last_states(wave)])
        weights, parts = torch.softmax(self.layer_weights, 0), []
        for window, part in by_window(self.encoder, wave):
            layers: Iterable[torch.Tensor] = self._normalised(part)
            if self.mode == "frozen":
                layers = (functional.linear(layer, self.classifier.weight) for layer in layers)
            parts.append(window.kept(sum(weight * layer for weight, layer in zip(weights, layers, strict=True))))
        rows = torch.cat(parts)
        return rows + self.classifier.bias if self.mode == "frozen" else self.classifier([steps(rows)], [len(rows)])

    def _last_states(self, wave: np.ndarray) -> Iterator[torch.Tensor]:
        """Run one recording window by window: the last hidden state, a stretch of frames at a time."""
        for window, part in by_window(self.encoder, wave):
            yield window.kept(self.encoder.last(part, [len(part)]))

    def _last_state(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        cuts, parts = [], []
        for utterance in features.split(list(lengths)):
            cuts += overlapping(len(utterance))
            parts += [utterance[cut.begin : cut.end] for cut in cuts[len(parts) :]]
        hidden = self.encoder.last(torch.cat(parts), [len(part) for part in parts])
        split = hidden.split([len(part) for part in parts])
        return torch.cat([cut.kept(part) for cut, part in zip(cuts, split, strict=True)])


def normalised_scores(classifier: nn.Linear, states: Iterable[torch.Tensor]) -> torch.Tensor:
    """Classify the hidden states of a recording, normalised over frames and dimensions of the whole of it together.

    They come a stretch of frames at a time and need not be kept: the classifier is linear, so the normalisation, whose
    mean and variance are known only when all have come, is applied to the scores. As torch's ``layer_norm``, it adds
    1e-5 to the variance.
    """
    parts, total, squares = [], 0.0, 0.0
    for hidden in states:
        total += float(hidden.sum(dtype=torch.float64))
        squares += float(hidden.double().square().sum())
        parts.append(functional.linear(hidden, classifier.weight))
    scores = torch.cat(parts)
    count = len(scores) * classifier.in_features
    mean = total / count
    scores = (scores - mean * classifier.weight.sum(dim=1)) * (squares / count - mean**2 + 1e-5) ** -0.5
    return scores if classifier.bias is None else scores + classifier.bias


def rebuild(folder: Path, config: dict[str, Any], device: str) -> Diarizer:
    """Make a diarizer of the folder that :meth:`Diarizer.save` wrote and what its ``config.json`` says."""
    spec = store.encoder_of(config)
    model = Diarizer(encoder_for(config["mode"], spec, device), config["emotions"], config["mode"])
    store.restore(folder, config, spec, model.encoder_sha256(), model.state_dict())
    return model


def encoder_for(mode: str, spec: EncoderSpec, device: str) -> Transformer:
    """Load a diarizer's encoder; one that is left alone is shared by all diarizers of a process."""
    if mode not in _FROZEN:
        return encoders.load_tunable(spec, device)
    key = spec.state(), device
    if key not in _shared:
        _shared.clear()
        _shared[key] = encoders.load_tunable(spec, device)
    return _shared[key]


_shared: dict[tuple, Transformer] = {}  # one at most


@functools.lru_cache(maxsize=1)
def _sha256(encoder: Transformer) -> str:
    return store.sha256(encoder.model)
