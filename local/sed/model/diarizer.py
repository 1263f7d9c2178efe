"""The model of emotion diarization: an encoder and a linear classifier of every frame (Wang et al. 2023).

Mode ``frozen`` leaves the encoder alone and classifies a weighted sum of all its hidden states; ``tuned`` trains its
transformer blocks and classifies the last hidden state, as the study does. Either way there is a posterior for every
20 ms. Recordings of more than 30 s are run in windows that overlap, so that attention, whose cost grows with the
square of the length, does not see more than it saw in training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from local import encoders
from local.encoders import EncoderSpec
from local.encoders.transformer import Transformer
from local.sed.model.decode import Decoder
from utils.atomic import atomic_file
from utils.audio import SAMPLE_RATE
from utils.errors import UserError

MODES = ("frozen", "tuned")
# Frames run together: 30 s, and the 2 s at either side of a seam that are run for context and dropped.
WINDOW, CONTEXT = 1500, 100
CONFIG, WEIGHTS = "config.json", "model.safetensors"
_PACKAGES = ("torch", "transformers", "speechbrain")


class Window(NamedTuple):
    """Frames ``begin`` to ``end`` are run together, and the results of ``first`` to ``last`` are kept."""

    begin: int
    end: int
    first: int
    last: int

    def kept(self, results: torch.Tensor) -> torch.Tensor:
        """Cut the window's results, shape (end - begin, ...), to those that are kept."""
        return results[self.first - self.begin : self.last - self.begin]


def windows(frames: int) -> list[Window]:
    """Cut an utterance into windows.

    Parameters
    ----------
    frames : int
        Its length.

    Returns
    -------
    list of Window
        What they keep adds up to the utterance; at a seam each has at least ``CONTEXT`` frames more.

    Examples
    --------
    >>> windows(1500)
    [Window(begin=0, end=1500, first=0, last=1500)]
    >>> [tuple(window) for window in windows(2000)]
    [(0, 1500, 0, 1000), (500, 2000, 1000, 2000)]
    """
    starts = [*range(0, max(0, frames - WINDOW), WINDOW - 2 * CONTEXT), max(0, frames - WINDOW)]
    seams = [(before + WINDOW + after) // 2 for before, after in zip(starts, starts[1:], strict=False)]
    bounds = [0, *seams, frames]
    return [
        Window(start, min(start + WINDOW, frames), *kept)
        for start, kept in zip(starts, zip(bounds, bounds[1:], strict=False), strict=True)
    ]


class Diarizer(nn.Module):
    """Tells the emotion of every frame.

    Its parameters are what training changes: the classifier, and the weights of the layers (``frozen``) or the
    encoder's blocks (``tuned``).

    Parameters
    ----------
    encoder : Transformer
        Of kind ``hf``; a tuned diarizer changes the weights of its blocks.
    emotions : sequence of str
        The classes.
    mode : str
        ``frozen`` or ``tuned``.
    seed : int
        Of the classifier's initial weights.

    Attributes
    ----------
    encoder, emotions, mode
        As above; ``emotions`` is a list.
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
            self.classifier = nn.Linear(encoder.spec.dim, len(self.emotions))
        if mode == "frozen":
            self.layer_weights = nn.Parameter(torch.zeros(encoder.spec.layers))
        else:
            self.blocks = encoder.model.encoder.layers.requires_grad_(True)
            # Where the blocks begin with a normalisation, that of the last one's output belongs to them.
            if getattr(encoder.model.config, "do_stable_layer_norm", False):
                self.last_norm = encoder.model.encoder.layer_norm.requires_grad_(True)
        self.to(next(encoder.model.parameters()).device).eval()

    def forward(self, inputs: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Score the frames of several utterances.

        Parameters
        ----------
        inputs : Tensor of float32, shape (frames of all utterances, ...)
            What :meth:`cached_input` gives of each, one after the other.
        lengths : sequence of int
            Frames of each utterance.

        Returns
        -------
        Tensor, shape (frames of all utterances, emotions)
            Scores before the softmax.
        """
        if self.mode == "tuned":
            return self.classifier(self._last_state(inputs, lengths))
        # The classifier is linear: every layer is classified and the scores are summed, which reads the states once.
        scores = functional.linear(inputs, self.classifier.weight)
        weights = torch.softmax(self.layer_weights, 0)
        return torch.einsum("l,fle->fe", weights, scores) + self.classifier.bias

    def cached_input(self, wave: np.ndarray) -> np.ndarray:
        """Compute what of the forward does not change during training, to be computed once an utterance.

        Parameters
        ----------
        wave : ndarray of float32, shape (samples,)
            16 kHz mono.

        Returns
        -------
        ndarray of float16, shape (frames, layers, dim) or (frames, channels)
            ``frozen``: all hidden states, each frame brought to zero mean and unit variance, since the layers' scales
            differ by orders of magnitude and their weights could not be compared. ``tuned``: the front end's features.

        Raises
        ------
        UserError
            The wave is shorter than the encoder can represent.
        """
        with torch.no_grad(), self._evaluating():
            features = self._features(wave)
            if self.mode == "frozen":
                parts = [window.kept(self._inputs(features, window)).half() for window in windows(len(features))]
                return torch.cat(parts).cpu().numpy()
            return features.half().cpu().numpy()

    def input_kind(self) -> str:
        """Say what :meth:`cached_input` depends on apart from the wave: the same string, the same inputs."""
        return json.dumps([self.encoder.spec.identity(), self.mode, self.encoder_sha256()])

    def posteriors_of(self, inputs: np.ndarray) -> np.ndarray:
        """Give what :meth:`posteriors` gives, from what :meth:`cached_input` has kept of the wave.

        Parameters
        ----------
        inputs : ndarray of float16
            Of a diarizer of the same encoder and mode.

        Returns
        -------
        ndarray of float32, shape (frames, emotions)
        """
        with torch.inference_mode(), self._evaluating():
            device = self.classifier.weight.device
            scores = self(torch.from_numpy(inputs.astype(np.float32)).to(device), [len(inputs)])
            return torch.softmax(scores, dim=-1).cpu().numpy()

    def posteriors(self, wave: np.ndarray) -> np.ndarray:
        """Give the probability of every emotion in every frame.

        Memory beyond that for the front end's features (0.1 MB a second) does not grow with the recording.

        Parameters
        ----------
        wave : ndarray of float32, shape (samples,)
            16 kHz mono, of any length that the encoder can represent.

        Returns
        -------
        ndarray of float32, shape (frames, emotions)
            50 frames a second; rows sum to 1.

        Raises
        ------
        UserError
            The wave is shorter than the encoder can represent.
        """
        with torch.inference_mode(), self._evaluating():
            return torch.softmax(self._scores(wave), dim=-1).cpu().numpy()

    def encoder_sha256(self) -> str:
        """Hash the encoder's weights that are not among this model's parameters."""
        own = {id(parameter) for parameter in self.parameters()}
        digest = hashlib.sha256()
        for name, tensor in sorted(self.encoder.model.state_dict(keep_vars=True).items()):
            # Checkpoints may lack the mask, which only pre-training uses; it is drawn anew at every loading then.
            if id(tensor) not in own and name != "masked_spec_embed":
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, which holds the parameters: not the encoder's own ones.

        Parameters
        ----------
        folder : str or Path
            Made if it is not there.
        """
        from safetensors.torch import save

        folder = Path(folder)
        weights = save({name: tensor.contiguous() for name, tensor in self.state_dict().items()})
        with atomic_file(folder / WEIGHTS, "wb") as file:
            file.write(weights)
        self._save_config(
            folder, kind="trained", encoder=dataclasses.asdict(self.encoder.spec), encoder_sha256=self.encoder_sha256(),
            mode=self.mode, weights_sha256=hashlib.sha256(weights).hexdigest(),
        )  # fmt: skip

    @staticmethod
    def load(folder: str | Path, device: str = "cpu") -> Diarizer:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder : str or Path
            Where it is.
        device : str
            As torch names it.

        Returns
        -------
        Diarizer
            In evaluation mode.

        Raises
        ------
        UserError
            A file is missing or damaged, or the encoder is not there or not the one that the model was made with.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            if config["kind"] == "published":
                from local.sed.model import published

                model = published.load(config["source"], device, config["emotions"], config["revision"])
            else:
                model = _rebuild(folder, config, device)
            model.decoder = None if config["decoder"] is None else Decoder.from_json(config["decoder"])
            model.provenance = config["provenance"]
        except FileNotFoundError as error:
            raise UserError(f"{error.filename}: no such file; train the model first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder / CONFIG}: damaged ({error}); train the model again") from error
        return model

    def _save_config(self, folder: Path, **fields: Any) -> None:
        fields |= {
            "emotions": self.emotions, "decoder": self.decoder.to_json() if self.decoder else None,
            "provenance": self.provenance,
            "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
        }  # fmt: skip
        with atomic_file(folder / CONFIG) as file:
            json.dump(fields, file, indent=1)
            file.write("\n")

    def _features(self, wave: np.ndarray) -> torch.Tensor:
        if len(wave) < self.encoder.min_samples:
            raise UserError(
                f"{len(wave) / SAMPLE_RATE:.4f} s of audio are too short for the encoder {self.encoder.spec.name}, "
                f"which needs at least {self.encoder.min_samples / SAMPLE_RATE:.4f} s; leave the utterance out"
            )
        return self.encoder.features([wave])[0]

    def _inputs(self, features: torch.Tensor, window: Window) -> torch.Tensor:
        part = features[window.begin : window.end]
        if self.mode == "tuned":
            return part
        states = self.encoder.states(part, [len(part)])
        return torch.stack([functional.layer_norm(state, state.shape[-1:]) for state in states], dim=1)

    def _scores(self, wave: np.ndarray) -> torch.Tensor:
        """Scores before the softmax of a recording of any length."""
        features = self._features(wave)
        parts = []
        for window in windows(len(features)):
            inputs = self._inputs(features, window)
            parts.append(window.kept(self(inputs, [len(inputs)])))
        return torch.cat(parts)

    def _last_state(self, features: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        cuts, parts = [], []
        for utterance in features.split(list(lengths)):
            cuts += windows(len(utterance))
            parts += [utterance[cut.begin : cut.end] for cut in cuts[len(parts) :]]
        hidden = self.encoder.last(torch.cat(parts), [len(part) for part in parts])
        split = hidden.split([len(part) for part in parts])
        return torch.cat([cut.kept(part) for cut, part in zip(cuts, split, strict=True)])

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)


def _rebuild(folder: Path, config: dict[str, Any], device: str) -> Diarizer:
    from safetensors.torch import load

    weights = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(weights).hexdigest() != config["weights_sha256"]:
        raise UserError(f"{folder / WEIGHTS}: damaged, or not that of {CONFIG}; train the model again")
    spec = EncoderSpec(**config["encoder"])
    if spec.folder is not None and not spec.folder.is_dir():
        # The repository has moved: its registry knows where to.
        spec = encoders.spec(spec.name)
    model = Diarizer(encoders.load_tunable(spec, device), config["emotions"], config["mode"])
    if model.encoder_sha256() != config["encoder_sha256"]:
        raise UserError(
            f"{folder}: the encoder {spec.name} ({spec.source}) is not the one that the model was trained with; "
            "restore it, or train the model again"
        )
    try:
        model.load_state_dict(load(weights))
    except RuntimeError as error:
        raise ValueError("it does not fit the weights") from error
    return model.to(device)
