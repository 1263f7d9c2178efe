r"""Pre-train a small HuBERT by masked prediction on the audio of data directories; labels are not used.

From a recipe's folder, the encoders that ``pretrain`` in conf/experiment.yaml asks for, as stage 2 runs it:

    python3 -m local.encoders.pretrain --config conf/experiment.yaml

Any data directories:

    python3 -m local.encoders.pretrain --data data/emodb data/mini_de --out exp/pretrain/mine \
        --config conf/pretrain.yaml --set train.steps=2000

Makes, in exp/pretrain/<name>: a Hugging Face checkpoint (config.json, model.safetensors in half precision,
preprocessor_config.json), README.md (model card), pretrain.json (data, seconds, losses), loss.csv, loss.png. A run that
was interrupted goes on from its last checkpoint, which is in the folder <out>.work until the run is finished.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local import experiment
from local.encoders.pretrain_config import PretrainConfig
from utils import config as configs
from utils import stamp
from utils.atomic import atomic_dir
from utils.data_dir import read_utt2, table_names
from utils.errors import UserError, run_main

REPO = experiment.REPO
_TABLES = ("wav.scp", "segments", "utt2spk")


def pretrain(settings: PretrainConfig, data: dict[str, Path], out: Path) -> None:
    """Train and write a checkpoint, unless it is there already.

    Parameters
    ----------
    settings : PretrainConfig
        All that the result depends on besides the data.
    data : dict of str to Path
        Data directories, by the name that the model card gives them.
    out : Path
        The checkpoint's folder.

    Raises
    ------
    UserError
        A data directory is missing or malformed, audio is unreadable, the data are too short, or the loss diverges.
    """
    folders = list(data.values())
    _check_data(folders)
    plain = json.loads(json.dumps(_as_dict(settings)))
    made_of = stamp.make(
        {**plain, "data": [str(path) for path in folders]},
        ["local.encoders.pretrain"],
        [path / name for path in folders for name in _TABLES if (path / name).exists()],
    )
    reason = stamp.why_stale(out, made_of)
    if reason is None:
        print(f"{out}: pre-trained already, skipped", file=sys.stderr)
        return
    print(f"{out}: pre-training on {', '.join(map(str, folders))} ({reason})", file=sys.stderr)
    work = out.with_name(f"{out.name}.work")
    _prepare(settings, folders, work, made_of)
    summary = _train(settings, data, work)
    with atomic_dir(out) as folder:
        _export(settings, summary, work, folder)
        stamp.write(folder, made_of)
    shutil.rmtree(work)
    print(f"{out}: made", file=sys.stderr)


def _check_data(data: list[Path]) -> None:
    if not data:
        raise UserError("no data to pre-train on: give --data, or pretrain.data in the experiment")
    for path in data:
        missing = [name for name in ("wav.scp", "utt2spk") if not (path / name).is_file()]
        if missing:
            raise UserError(f"{path}: not a data directory, there is no {missing[0]}; run stage 1 (data) first")


def _as_dict(settings: PretrainConfig) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(settings)


def _prepare(settings: PretrainConfig, data: list[Path], work: Path, made_of: dict) -> None:
    """Decode the audio, unless an interrupted run with the same settings has done so."""
    from local.encoders import pool

    if stamp.why_stale(work, made_of) is None:
        return
    with atomic_dir(work) as folder:
        pool.build(folder, data, settings.augment.speeds, settings.seed)
        stamp.write(folder, made_of)


def _train(settings: PretrainConfig, data: dict[str, Path], work: Path) -> dict[str, Any]:
    """Run all rounds; leave the encoder in ``work/encoder`` and return what pretrain.json says."""
    from local.encoders import masked_prediction as mp
    from local.encoders import pool as pools

    pool = pools.read(work)
    encoder = mp.new_encoder(settings.model, settings.seed)
    curve: list[dict] = []
    for number in range(1, settings.targets.rounds + 1):
        labels = _labels(settings, pool, encoder, number, work)
        # A further round goes on with the weights of the one before; only its classifier is new.
        trainer = mp.Trainer(settings, pool, labels, encoder, number, work)
        trainer.run()
        curve += trainer.curve
        mp.write_curve(work, curve)
    encoder.save_pretrained(work / "encoder")
    languages = {language for path in data.values() for language in _languages(path)}
    return {
        "data": {name: {"seconds": round(pool.seconds[str(path)], 1)} for name, path in data.items()},
        "languages": sorted(languages),
        "seconds": round(sum(pool.seconds.values()), 1),
        "steps": settings.train.steps * settings.targets.rounds,
        "parameters": encoder.num_parameters(),
        "loss": float(curve[-1]["loss"]),
        "dev_loss": float(curve[-1]["dev_loss"]),
        "dev_accuracy": float(curve[-1]["dev_accuracy"]),
        "config": _as_dict(settings),
    }


def _labels(settings: PretrainConfig, pool: Any, encoder: Any, number: int, work: Path) -> Any:
    import numpy as np

    from local.encoders import masked_prediction as mp
    from local.encoders import targets
    from utils.atomic import atomic_file

    path = work / f"labels.round{number}.npy"
    if not path.exists():
        print(f"round {number}: clustering {'MFCCs' if number == 1 else 'features'}", file=sys.stderr, flush=True)
        features = targets.mfcc if number == 1 else mp.layer_features(encoder, settings.targets.layer)
        labels = targets.cluster(pool, features, settings.targets, settings.seed)
        with atomic_file(path, "wb") as file:
            np.save(file, labels)
    return np.load(path)


def _languages(path: Path) -> set[str]:
    return set(read_utt2(path, "lang").values()) if "utt2lang" in table_names(path) else set()


def _export(settings: PretrainConfig, summary: dict[str, Any], work: Path, folder: Path) -> None:
    import torch
    from transformers import HubertModel, Wav2Vec2FeatureExtractor
    from transformers.utils import logging

    logging.disable_progress_bar()
    HubertModel.from_pretrained(work / "encoder").to(torch.float16).save_pretrained(folder)
    # Normalisation over time in the first convolution and an attention mask do not go together (as in HuBERT base).
    Wav2Vec2FeatureExtractor(
        do_normalize=True, return_attention_mask=settings.model.norm == "layer", sampling_rate=16000
    ).save_pretrained(folder)
    # safetensors makes files that only their owner can read.
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    for name in ("loss.csv", "loss.png"):
        shutil.copy(work / name, folder / name)
    (folder / "pretrain.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(settings, summary), encoding="utf-8")


def _card(settings: PretrainConfig, summary: dict[str, Any]) -> str:
    train, model, targets = settings.train, settings.model, settings.targets
    data = "".join(f"| {name} | {row['seconds'] / 60:.1f} |\n" for name, row in summary["data"].items())
    rounds = "clusters of MFCCs with differences"
    if targets.rounds > 1:
        rounds += f", then (round 2 to {targets.rounds}) of layer {targets.layer}'s features"
    speeds = ", ".join(map(str, settings.augment.speeds))
    note = f"\n{textwrap.fill(settings.note, 118)}\n" if settings.note else ""
    return f"""---
license: {settings.licence}
library_name: transformers
tags: [hubert, audio, speech-emotion-recognition]
---
# A small HuBERT
{note}
{summary["parameters"] / 1e6:.2f} M parameters: {model.layers} transformer blocks of {model.dim}, 20 ms a frame.
Made by `python3 -m local.encoders.pretrain`; load it with `transformers.HubertModel.from_pretrained`.

- **Training**: masked prediction of {targets.clusters} {rounds}; {summary["steps"]:,} steps of
  {train.batch_size} x {train.crop_seconds:g} s; input played at speeds {speeds} and with noise added to
  {settings.augment.noise_probability:.0%} of the crops; seed {settings.seed}. `pretrain.json` has every setting,
  `loss.csv` the curve.
- **Loss** of the masked frames at the end: {summary["loss"]:.3f} in training, {summary["dev_loss"]:.3f} on audio
  that was held out (accuracy {summary["dev_accuracy"]:.3f}).
- **Licence of the weights**: {settings.licence}.
- **Contamination**: it has heard the audio below, without labels. Scores on these corpora are not those of an encoder
  that meets them for the first time.

| corpus | minutes |
|---|---|
{data}
Languages: {", ".join(summary["languages"]) or "unknown"}.
"""


def _from_experiment(arguments: argparse.Namespace) -> Iterator[tuple[PretrainConfig, dict[str, Path], Path]]:
    """Say what an experiment's encoders are made of."""
    asked = experiment.load(arguments)
    for wanted in asked.pretrain:
        path = Path(wanted.config)
        path = path if path.is_file() or path.is_absolute() else REPO / path
        data = {corpus: Path("data", corpus) for corpus in wanted.data}
        if asked.split.reserve:
            data = {name: folder / "folds" / asked.split.scheme / "reserved" for name, folder in data.items()}
        yield configs.load(PretrainConfig, path), data, Path("exp/pretrain", wanted.name)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR",
        help="data directories; --config and --set are then those of the pre-training, not of an experiment",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder of the checkpoint; goes with --data")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.out is None):
        raise UserError("--data and --out go together; without both, the experiment says what to pre-train")
    if arguments.data is None:
        jobs = _from_experiment(arguments)
    else:
        path = arguments.config
        if path == parser.get_default("config"):
            path = REPO / "conf/pretrain.yaml"
        data = {folder.name: folder for folder in arguments.data}
        if len(data) < len(arguments.data):
            raise UserError(f"--data {' '.join(map(str, arguments.data))}: two folders have the same name; rename one")
        jobs = [(configs.load(PretrainConfig, path, arguments.overrides), data, arguments.out)]
    for job in jobs:
        pretrain(*job)
    return 0


if __name__ == "__main__":
    run_main(main)
