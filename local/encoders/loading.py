"""Makes encoders of kind hf from their registry entries; checkpoints are read by transformers, never unpickled."""

from __future__ import annotations

import copy
import json
import os
import pickle
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from local.encoders import general, hf
from local.encoders.base import Encoder
from local.encoders.packed import PACKED
from local.encoders.registry import EncoderSpec
from utils.errors import UserError

# Which a checkpoint may lack: only training uses it.
_UNUSED = ("masked_spec_embed",)
_read: dict[str, torch.nn.Module] = {}  # the small one that was read last, by its state


def load(spec: EncoderSpec, device: str, precision: str) -> Encoder:
    """Make an encoder; see :func:`local.encoders.load`."""
    check_device(device)
    # Else transformers asks a service to convert checkpoints without safetensors, in a thread of its own.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    # After the checks: importing transformers takes seconds.
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = _config(spec)
    packed = config.model_type in PACKED
    found = (config.num_hidden_layers + 1, config.hidden_size) if packed else general.shape(config)
    if found != (spec.layers, spec.dim):
        raise UserError(
            f"conf/encoders.yaml: {spec.name}: layers: {spec.layers}, dim: {spec.dim}, but the checkpoint "
            f"{spec.source} has layers: {found[0]}, dim: {found[1]}; correct the entry"
        )
    model, precision = _copy(spec, config), effective(precision, device)
    if packed:
        from local.encoders.transformer import Transformer

        encoder = Transformer(spec, model, _normalises(spec), device, precision)
    else:
        encoder = general.General(spec, model, _extractor(spec), device, precision)
    if spec.folder is None:
        from transformers.utils import cached_file

        encoder.commit = hf.commit_of(cached_file(spec.source, "config.json", revision=spec.revision))
    return encoder


def has_native_bf16(device: str) -> bool:
    """Tell whether a device multiplies matrices in bfloat16 faster than in float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(flags)) or (platform.machine() == "aarch64" and "bf16" in flags)


def effective(precision: str, device: str) -> str:
    """Give the precision that is used where one is asked for: fp32 where the device lacks the other, with a line."""
    if precision == "bf16" and not has_native_bf16(device):
        print(f"bf16: {device} has no bfloat16 instructions and would be slower; using fp32", file=sys.stderr)
        return "fp32"
    return precision


def check_device(device: str) -> None:
    """Raise a UserError if torch does not see a device."""
    kind, _, index = device.partition(":")
    if kind == "cuda" and not int(index or 0) < torch.cuda.device_count():
        raise UserError(
            f"device {device}: torch sees {torch.cuda.device_count()} GPUs; use --ngpu {torch.cuda.device_count()}, "
            f"or check nvidia-smi, CUDA_VISIBLE_DEVICES and that torch is a CUDA build"
        )


def _config(spec: EncoderSpec) -> Any:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(**_place(spec))
    except (OSError, ValueError) as error:
        raise _unreadable(spec, error) from error
    known = (*PACKED, *general.TYPES)
    if config.model_type not in known:
        raise UserError(
            f"encoder {spec.name}: {spec.source} is a {config.model_type} model; kind hf reads {', '.join(known)}"
        )
    return config


def _copy(spec: EncoderSpec, config: Any) -> torch.nn.Module:
    """Read an encoder, but for a small one that was read last and whose files are the same: a job may tune many."""
    key = spec.state()
    if key in _read:
        return copy.deepcopy(_read[key])
    model = _model(spec, config)
    if spec.folder and spec.small:  # of one on a hub, nothing here tells whether it is the same
        _read.clear()
        _read[key] = copy.deepcopy(model)
    return model


def _model(spec: EncoderSpec, config: Any) -> torch.nn.Module:
    import transformers
    from safetensors import SafetensorError

    if spec.init == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            return transformers.AutoModel.from_config(config, dtype=torch.float32)
    try:
        model, info = transformers.AutoModel.from_pretrained(
            **_place(spec), config=config, dtype=torch.float32, weights_only=True, output_loading_info=True
        )
    except pickle.UnpicklingError as error:
        raise UserError(
            f"encoder {spec.name}: the weights of {spec.source} hold more than numbers and would have to be "
            f"unpickled, which can run any code; convert them to safetensors where you trust them"
        ) from error
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(spec, error) from error
    missing = sorted(key for key in info["missing_keys"] if key not in _UNUSED)
    if missing:
        raise UserError(
            f"encoder {spec.name}: {spec.source} lacks {len(missing)} of the model's weights, first {missing[0]}; "
            f"it is not a whole {config.model_type} checkpoint"
        )
    return model


def _place(spec: EncoderSpec) -> dict[str, Any]:
    """Where from_pretrained finds the checkpoint."""
    folder = spec.folder
    if folder is None:
        return {"pretrained_model_name_or_path": spec.source, "revision": spec.revision}
    spec.check_present()
    return {"pretrained_model_name_or_path": str(folder), "local_files_only": True}


def _unreadable(spec: EncoderSpec, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    if spec.folder is not None:
        return UserError(f"encoder {spec.name}: the checkpoint in {spec.folder} cannot be read ({reason})")
    return UserError(
        f"encoder {spec.name}: {spec.source} cannot be had ({reason}); on a machine with a connection, "
        f"'hf download {spec.source} --revision {spec.revision}' puts it into $HF_HOME (default "
        f"~/.cache/huggingface), which may be copied here; then set HF_HUB_OFFLINE=1"
    )


def _extractor(spec: EncoderSpec) -> Any:
    """The checkpoint's own preprocessing."""
    import transformers

    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(**_place(spec))
    except (OSError, ValueError) as error:
        raise UserError(
            f"encoder {spec.name}: the preprocessor_config.json of {spec.source} cannot be had "
            f"({' '.join(str(error).split())[:200]}); copy it from the checkpoint that this one was made from"
        ) from error
    if spec.normalise is not None:
        if not isinstance(extractor, transformers.Wav2Vec2FeatureExtractor):
            raise UserError(
                f"encoder {spec.name}: 'normalise' is for encoders that read waveforms, and {spec.source} does not; "
                f"take it out of conf/encoders.yaml"
            )
        extractor.do_normalize = spec.normalise
    return extractor


def _normalises(spec: EncoderSpec) -> bool:
    """Whether the checkpoint wants its input at zero mean and unit variance."""
    if spec.normalise is not None:
        return spec.normalise
    from transformers.utils import cached_file

    place = _place(spec)
    name = place.pop("pretrained_model_name_or_path")
    try:
        path = cached_file(name, "preprocessor_config.json", **place)
        wants = json.loads(Path(path).read_text(encoding="utf-8")).get("do_normalize")
    except (OSError, ValueError, TypeError):
        wants = None
    if not isinstance(wants, bool):
        raise UserError(
            f"encoder {spec.name}: {spec.source} has no preprocessor_config.json with do_normalize; "
            f"give the entry in conf/encoders.yaml 'normalise: true' or 'normalise: false'"
        )
    return wants
