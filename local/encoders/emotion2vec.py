"""Kind emotion2vec (Ma et al. 2024, "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation").

The model is FunASR's, an optional package; the checkpoint is a folder with ``config.yaml`` and ``model.pt``, a local
one or one from a hub: ModelScope's for ids of its owners (``iic/...``), Hugging Face's for all others.

Layer 0 is what enters the first transformer block: projected frames plus convolutional positions, behind the ten extra
tokens, normalised where the configuration says so. Layer k is what the k-th block gives, the blocks of the "prenet"
(4 in the published models) first, then the main ones (8); a normalisation behind the last block is left out. Means are
over the frames, without the extra tokens. Utterances are run one by one, so that there is no padding to mind.

FunASR evaluates the string ``feature_encoder_spec`` of a configuration as Python. Here it is read as data, and FunASR
is given what was read; weights are loaded as tensors and nothing else.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import pickle
import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local.encoders import hf
from local.encoders.base import Encoder
from local.encoders.registry import EncoderSpec
from utils.config import read_yaml
from utils.errors import UserError

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "config.yaml", "model.pt"
_MISSING = "funasr is not installed (utils/install.sh --extra emotion2vec)"
_MODELSCOPE = ("iic/", "damo/")
_CONVOLUTIONS, _LARGEST = 32, 1 << 14  # more of them, or larger numbers, no waveform encoder has


class Kind(hf.Kind):
    """A checkpoint that FunASR reads."""

    def load(self, spec: EncoderSpec, device: str, precision: str) -> Emotion2vec:
        """Read the checkpoint."""
        if self.unavailable(spec):
            raise UserError(f"encoder {spec.name}: {_MISSING}")
        return Emotion2vec(spec, device, precision)

    def unavailable(self, spec: EncoderSpec) -> str | None:
        """Say so where FunASR is not installed."""
        return _MISSING if importlib.util.find_spec("funasr") is None else None

    def untunable(self, spec: EncoderSpec) -> str | None:
        """Its blocks are FunASR's."""
        return "it is an emotion2vec model, which is only read frozen"

    def files(self, spec: EncoderSpec) -> list[Path]:
        """List configuration and, unless they are random, weights."""
        wanted = [CONFIG, WEIGHTS] if spec.init == "pretrained" else [CONFIG]
        return [path for path in (spec.folder / name for name in wanted) if path.is_file()] if spec.folder else []

    def check_present(self, spec: EncoderSpec) -> None:
        """Look for the configuration."""
        if spec.folder is not None and not (spec.folder / CONFIG).is_file():
            raise UserError(
                f"encoder {spec.name}: no checkpoint in {spec.folder} ({CONFIG}, {WEIGHTS}); "
                f"make it first, or correct 'source' in conf/encoders.yaml"
            )


class Emotion2vec(Encoder):
    """An emotion2vec model; arguments as for :func:`local.encoders.load`."""

    untunable = "it is an emotion2vec model, which is only read frozen"

    def __init__(self, spec: EncoderSpec, device: str, precision: str):
        import torch

        from local.encoders.loading import check_device, effective

        check_device(device)
        spec.check_present()
        conf, convolutions = _configuration(spec)
        self.model, self.normalise = _model(spec, conf), conf.get("normalize", False)
        self.commit = hf.commit_of(_file(spec, CONFIG))
        if spec.normalise is not None:
            self.normalise = spec.normalise
        self.spec, self.precision, self._device = spec, effective(precision, device), torch.device(device)
        self.min_samples, hop = 1, 1
        for _, width, stride in convolutions:
            self.min_samples += (width - 1) * hop
            hop *= stride
        audio = self.model.modality_encoders["AUDIO"]
        self._blocks = [*audio.context_encoder.blocks, *self.model.blocks]
        self._extra = audio.modality_cfg.num_extra_tokens
        found = len(self._blocks) + 1, conf["embed_dim"]
        if found != (spec.layers, spec.dim):
            raise UserError(
                f"conf/encoders.yaml: {spec.name}: layers: {spec.layers}, dim: {spec.dim}, but the checkpoint "
                f"{spec.source} has layers: {found[0]}, dim: {found[1]}; correct the entry"
            )
        self.model.eval().requires_grad_(False).to(device)
        self._seen = threading.local()  # several threads use an encoder at once
        self._blocks[0].register_forward_pre_hook(lambda block, inputs: self._keep(inputs[0]))
        for block in self._blocks:
            block.register_forward_hook(lambda block, inputs, output: self._keep(output[0]))

    def _keep(self, state: torch.Tensor) -> None:
        """Keep the mean over the frames of a state, of shape (1, extra tokens + frames, dim)."""
        import torch

        self._seen.means.append(state[0, self._extra :].mean(dim=0, dtype=torch.float32))

    def pooled(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Average every hidden state over time; see :meth:`Encoder.pooled`."""
        import torch

        out = np.empty((len(waves), self.spec.layers, self.spec.dim), dtype=np.float32)
        fast = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), fast:
            for row, wave in zip(out, waves, strict=True):
                samples = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)).to(self._device)
                if self.normalise:
                    samples = torch.nn.functional.layer_norm(samples, samples.shape)
                self._seen.means = []
                self.model.extract_features(samples[None], padding_mask=None)
                row[:] = torch.stack(self._seen.means).cpu().numpy()
        return out


def read_convolutions(text: object) -> list[tuple[int, int, int]]:
    """Read a ``feature_encoder_spec`` as data: lists of (channels, width, stride), added and repeated.

    Raises
    ------
    ValueError
        It is anything else, above all an expression that would do something.

    Examples
    --------
    >>> read_convolutions("[(512, 10, 5)] + [(512, 3, 2)] * 2")
    [(512, 10, 5), (512, 3, 2), (512, 3, 2)]
    """
    if not isinstance(text, str) or len(text) > 1000:
        raise ValueError("no string of at most 1000 characters")
    try:
        found = _layers(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("no expression") from error
    if not 0 < len(found) <= _CONVOLUTIONS:
        raise ValueError(f"{len(found)} convolutions")
    return found


def _layers(node: ast.expr) -> list[tuple[int, int, int]]:
    match node:
        case ast.List():
            return [_layer(item) for item in node.elts]
        case ast.BinOp(op=ast.Add()):
            return _layers(node.left) + _layers(node.right)
        case ast.BinOp(op=ast.Mult(), right=ast.Constant(value=int(times))):
            found = _layers(node.left)
            if len(found) * times > _CONVOLUTIONS:
                raise ValueError(f"{len(found) * times} convolutions")
            return found * times
    raise ValueError(f"'{ast.unparse(node)}'")


def _layer(node: ast.expr) -> tuple[int, int, int]:
    match node:
        case ast.Tuple(elts=[ast.Constant(value=int(a)), ast.Constant(value=int(b)), ast.Constant(value=int(c))]):
            if all(type(one) is int and 0 < one <= _LARGEST for one in (a, b, c)):
                return a, b, c
    raise ValueError(f"'{ast.unparse(node)}'")


def _configuration(spec: EncoderSpec) -> tuple[dict[str, Any], list[tuple[int, int, int]]]:
    """Read ``model_conf`` of the checkpoint, and its convolutions; what only pre-training needs is left out."""
    path = _file(spec, CONFIG)
    whole = read_yaml(path)
    try:
        conf = whole["model_conf"]
        audio = conf["modalities"]["audio"]
        text = audio["feature_encoder_spec"]
    except (KeyError, TypeError) as error:
        raise UserError(f"encoder {spec.name}: {path} is not the configuration of an emotion2vec model") from error
    try:
        convolutions = read_convolutions(text)
    except ValueError as error:
        raise UserError(
            f"encoder {spec.name}: {path}: feature_encoder_spec holds {error}, where only lists of (channels, width, "
            f"stride), added and repeated, are read; FunASR would have run it as Python: do not trust this checkpoint"
        ) from error
    audio |= {"feature_encoder_spec": repr(convolutions), "decoder": None}
    return conf, convolutions


def _model(spec: EncoderSpec, conf: dict[str, Any]) -> torch.nn.Module:
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            model = _funasr()(model_conf=conf)
        if spec.init == "pretrained":
            missing = model.load_state_dict(_weights(spec), strict=False).missing_keys
            if missing:
                raise UserError(
                    f"encoder {spec.name}: {spec.source} lacks {len(missing)} of the model's weights, first "
                    f"{missing[0]}; it is not a whole emotion2vec checkpoint"
                )
    # FunASR checks nothing: what a configuration lacks, or has of a wrong type, fails anywhere.
    except (AttributeError, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"encoder {spec.name}: the checkpoint {spec.source} cannot be read ({reason})") from error
    return model


def _weights(spec: EncoderSpec) -> dict[str, torch.Tensor]:
    """Read the weights, which releases have put under other keys."""
    import torch

    path = _file(spec, WEIGHTS)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"encoder {spec.name}: {path} holds more than numbers and would have to be unpickled, which can run any "
            f"code; where you trust it, save its tensors anew with torch.save"
        ) from error
    except (OSError, EOFError, RuntimeError) as error:
        raise UserError(f"encoder {spec.name}: {path} cannot be read ({' '.join(str(error).split())[:200]})") from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and key in state:
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"encoder {spec.name}: {path} is not a table of weights")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _file(spec: EncoderSpec, name: str) -> Path:
    """Find a file of the checkpoint, and fetch it where it is on a hub."""
    if spec.folder is not None:
        if not (spec.folder / name).is_file():
            raise UserError(f"encoder {spec.name}: there is no {spec.folder / name}")
        return spec.folder / name
    scope = spec.source.startswith(_MODELSCOPE)
    get = f"modelscope download {spec.source}" if scope else f"hf download {spec.source}"
    revision = "master" if scope and spec.revision == "main" else spec.revision
    try:
        if scope:
            from modelscope.hub.file_download import model_file_download

            return Path(model_file_download(spec.source, name, revision=revision))
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(spec.source, name, revision=revision))
    # What two clients of hubs raise has no common base.
    except Exception as error:
        raise UserError(
            f"encoder {spec.name}: {spec.source} cannot be had ({' '.join(str(error).split())[:200]}); on a machine "
            f"with a connection, '{get} --revision {revision} --local-dir DIR' fetches it; copy DIR here and let "
            f"'source' of its entry name it"
        ) from error


def _funasr() -> type[torch.nn.Module]:
    """Import the model's class, but not all else that is in FunASR, as ``import funasr`` does in 15 s."""
    alone = None
    if "funasr" not in sys.modules:
        alone = types.ModuleType("funasr")
        alone.__path__ = list(importlib.util.find_spec("funasr").submodule_search_locations)
        sys.modules["funasr"] = alone
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that there is no ffmpeg
            return importlib.import_module("funasr.models.emotion2vec.model").Emotion2vec
    except ImportError as error:
        raise UserError(f"{_MISSING.replace('is not', 'or what it needs is not')}: {error}") from error
    finally:
        if alone is not None:
            del sys.modules["funasr"]
