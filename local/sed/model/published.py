"""The diarizer that Wang et al. (2023) published on the Hugging Face hub, read without running what comes with it.

    from local.sed.model import published
    published.load("speechbrain/emotion-diarization-wavlm-large").posteriors(wave)

Its folder is what SpeechBrain's ``Speech_Emotion_Diarization.from_hparams`` reads: ``hyperparams.yaml``, which is
parsed as data here, ``wav2vec2.ckpt`` and ``model.ckpt``, whose pickles may hold tensors only, and
``label_encoder.txt``. The posteriors are that interface's.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch.nn import functional

from local import encoders
from local.encoders import EncoderSpec
from local.encoders.transformer import Transformer
from local.models import store
from local.sed.model.diarizer import PACKAGES, Diarizer, normalised_scores
from utils.errors import UserError
from utils.table import read_text

REVISION = "ac887e10c66c86f4da86eddedba54e211652421c"
FILES = ("hyperparams.yaml", "wav2vec2.ckpt", "model.ckpt", "label_encoder.txt")
EMOTIONS = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}
# What only pre-training uses, and checkpoints may lack.
_UNUSED = "masked_spec_embed"


class Published(Diarizer):
    """A diarizer in SpeechBrain's format; it is not for training. Its encoder does not normalise its input itself.

    Waveforms (``normalise``), and the last hidden state over frames and dimensions together (``output_norm``), may be
    brought to zero mean and unit variance. ``window`` frames are averaged, from one average to the next ``stride``.
    """

    def __init__(
        self, encoder: Transformer, emotions: Sequence[str], source: str, revision: str, normalise: bool,
        output_norm: bool, window: int, stride: int,
    ):  # fmt: skip
        super().__init__(encoder, emotions, "tuned")
        self.requires_grad_(False)
        self._source, self._revision, self._normalise, self._output_norm = source, revision, normalise, output_norm
        self._window, self._stride = window, stride

    def save(self, folder: str | Path) -> None:
        """Write ``config.json``, which names the checkpoint; local/sed/model/load.py reads it."""
        described = {"kind": "published", "source": self._source, "revision": self._revision} | self._described()
        store.save_config(folder, PACKAGES, **described)

    def _scores(self, wave: np.ndarray) -> torch.Tensor:
        # SpeechBrain's InputNormalization and WavLM, whose layer_norm adds 1e-5 to the variance of the samples.
        samples = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))
        samples = samples - samples.mean()
        if self._normalise:
            samples = functional.layer_norm(samples, samples.shape)
        # The mean over frames is linear, and so the scores are averaged, not the states.
        states = self._last_states(samples.numpy())
        if self._output_norm:
            return self._average(normalised_scores(self.classifier, states))
        return self._average(torch.cat([self.classifier(hidden) for hidden in states]))

    def _average(self, scores: torch.Tensor) -> torch.Tensor:
        """Average over windows of frames, and give every frame that of the window that begins at or before it."""
        if self._window == self._stride == 1:
            return scores
        pooled = functional.avg_pool1d(scores.T[None], self._window, self._stride, ceil_mode=True)[0].T
        index = torch.arange(len(scores), device=scores.device) // self._stride
        return pooled[index.clamp(max=len(pooled) - 1)]


def load(
    source: str, device: str = "cpu", emotions: Sequence[str] | None = None, revision: str = REVISION
) -> Published:
    """Load a diarizer in SpeechBrain's format from a folder, or from the hub by its id and a commit.

    ``emotions`` is the order of its columns, by default its own.

    Raises
    ------
    UserError
        A file is missing or not what it should be, the hub cannot be reached, or the emotions are not its own.
    """
    if Path(source).is_dir():
        folder = Path(source).resolve()
        source = str(folder)
    else:
        folder = _fetch(source, revision)
    for name in FILES:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: no such file; a published diarizer has {', '.join(FILES)}")
    settings = _settings(folder / FILES[0])
    own = _labels(folder / FILES[3])
    emotions = own if emotions is None else list(emotions)
    if sorted(emotions) != sorted(own):
        raise UserError(f"{source} knows {', '.join(own)}; `emotions` asks for {', '.join(emotions)}")
    encoder = _encoder(folder / FILES[1], settings["wav2vec2_hub"], device)
    model = Published(
        encoder, emotions, source, revision, _wants_normalisation(encoder.spec), settings["output_norm"],
        settings["window_length"], settings["stride"],
    )  # fmt: skip
    weights = _tensors(folder / FILES[2])
    weight = weights.get("0.w.weight")
    if weight is None or weight.shape != (len(own), encoder.spec.dim):
        raise UserError(f"{folder / FILES[2]}: expected 0.w.weight of shape {(len(own), encoder.spec.dim)}")
    order = [own.index(emotion) for emotion in emotions]
    with torch.no_grad():
        model.classifier.weight.copy_(weight[order])
        model.classifier.bias.copy_(weights.get("0.w.bias", torch.zeros(len(own)))[order])
    return model


def _fetch(source: str, revision: str) -> Path:
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(source, revision=revision, allow_patterns=list(FILES)))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{source} is not a folder and cannot be had from the hub ({reason}); on a machine with a connection, "
            f"'hf download {source} --revision {revision}' and 'hf download microsoft/wavlm-large config.json "
            f"preprocessor_config.json --revision {_revision('microsoft/wavlm-large')}' put it into $HF_HOME (default "
            "~/.cache/huggingface), which may be copied here; then set HF_HUB_OFFLINE=1"
        ) from error


class _Data(yaml.SafeLoader):
    """Reads HyperPyYAML's tags, which would make objects, as plain values."""


def _plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Data.add_multi_constructor("!", _plain)


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(read_text(path), Loader=_Data)
        settings = {
            "wav2vec2_hub": found["wav2vec2_hub"], "window_length": found["window_length"], "stride": found["stride"],
            "output_norm": found["wav2vec2"].get("output_norm", False),
        }  # fmt: skip
        norm = (found["input_norm"].get("norm_type"), found["input_norm"].get("std_norm", True))
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not the settings of a published diarizer ({' '.join(str(error).split())})") from error
    if norm != ("sentence", False):
        raise UserError(f"{path}: input_norm is {norm}; only norm_type sentence without std_norm can be run")
    return settings


def _labels(path: Path) -> list[str]:
    """Read SpeechBrain's ``'a' => 0`` lines, up to a line of ``=``; in the order of the numbers."""
    numbers: dict[int, str] = {}
    for line in read_text(path).split("\n"):
        if line.startswith("="):
            break
        match = re.fullmatch(r"('[^'\\]*'|\"[^\"\\]*\") => ([0-9]{1,9})\s*", line)
        if match:
            numbers[int(match[2])] = EMOTIONS.get(match[1][1:-1], "")
    if sorted(numbers) != list(range(len(EMOTIONS))) or set(numbers.values()) != set(EMOTIONS.values()):
        raise UserError(f"{path}: expected each of {', '.join(EMOTIONS)} with a number from 0, as in 'a' => 0")
    return [numbers[number] for number in sorted(numbers)]


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged, or holds more than tensors; get it again") from error


def _encoder(path: Path, hub: str, device: str) -> Transformer:
    weights = {name.removeprefix("model."): tensor for name, tensor in _tensors(path).items()}
    blocks = {int(match[1]) for name in weights if (match := re.match(r"encoder\.layers\.(\d+)\.", name))}
    norm = weights.get("encoder.layer_norm.weight")
    if not blocks or norm is None:
        raise UserError(f"{path}: not the weights of a WavLM encoder")
    # Its architecture is the original's; only the published weights are read.
    spec = EncoderSpec(
        name="published", source=hub, revision=_revision(hub), init="random", normalise=False,
        layers=max(blocks) + 2, dim=len(norm), languages=["en"],
    )  # fmt: skip
    model = encoders.load(spec, device).model
    missing, unexpected = model.load_state_dict(weights, strict=False)
    wrong = sorted({*missing, *unexpected} - {_UNUSED})
    if wrong:
        raise UserError(f"{path}: {len(wrong)} of its weights and those of {hub} do not agree, first {wrong[0]}")
    # A new one, since the front end works on a copy of the weights.
    return Transformer(spec, model, False, device, "fp32")


def _revision(hub: str) -> str:
    """Pin an encoder's commit as the registry does."""
    specs = (encoders.spec(name) for name in encoders.names())
    return next((spec.revision for spec in specs if spec.source == hub), "main")


def _wants_normalisation(spec: EncoderSpec) -> bool:
    from transformers import AutoFeatureExtractor

    place = str(spec.folder) if spec.folder else spec.source
    try:
        return bool(AutoFeatureExtractor.from_pretrained(place, revision=spec.revision).do_normalize)
    except (OSError, ValueError) as error:
        raise UserError(f"{spec.source}: its preprocessor_config.json cannot be had ({error})") from error
