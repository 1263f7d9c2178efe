r"""Pre-train small HuBERTs by masked prediction on the audio of data directories; labels are not used.

From a recipe's folder, after ``python3 -m local.pretrain.plan``, the encoders that ``pretrain`` in
conf/experiment.yaml asks for; job J takes every N-th of that plan, starting with the J-th:

    python3 -m local.pretrain.train [--job J --nj N] [--ngpu G] [--config conf/experiment.yaml] [--set KEY=VALUE]...

Any data directories:

    python3 -m local.pretrain.train --data data/emodb data/mini_de --out exp/pretrain/mine \
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local import experiment
from local.grid import jobs
from local.pretrain.config import PretrainConfig
from local.pretrain.work import FOLDER, Work, all_work
from utils import config, device, reproducible, stamp
from utils.atomic import atomic_dir
from utils.data_dir import read_utt2, table_names
from utils.errors import UserError, run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs.add_arguments(parser)
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR",
        help="data directories; --config and --set are then those of the pre-training, not of an experiment",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder of the checkpoint; goes with --data")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.out is None):
        raise UserError("--data and --out go together; without both, the experiment says what to pre-train")
    if arguments.data:
        works = [_given(arguments, parser.get_default("config"))]
    else:
        mine = jobs.share(FOLDER, arguments.job, arguments.nj)
        works = [work for work in all_work(experiment.load(arguments)) if str(work.out) in mine]
    chosen = device.choose(arguments.job, arguments.ngpu)
    for work in works:
        pretrain(work, chosen)


def _given(arguments: argparse.Namespace, default: Path) -> Work:
    path = experiment.REPO / "conf/pretrain.yaml" if arguments.config == default else arguments.config
    data = {folder.name: folder for folder in arguments.data}
    if len(data) < len(arguments.data):
        raise UserError(f"--data {' '.join(map(str, arguments.data))}: two folders have the same name; rename one")
    return Work(config.load(PretrainConfig, path, arguments.overrides), data, arguments.out)


def pretrain(wanted: Work, where: str = "cpu") -> None:
    """Train on a device, as torch names it, and write a checkpoint, unless it is there already.

    Raises
    ------
    UserError
        A data directory is missing or malformed, audio is unreadable, the data are too short, or the loss diverges.
    """
    out, reason, made_of = wanted.out, wanted.why_stale(), wanted.stamp()
    if reason is None:
        print(f"{out}: pre-trained already, skipped", file=sys.stderr)
        return
    print(f"{out}: pre-training on {', '.join(map(str, wanted.data.values()))} ({reason})", file=sys.stderr)
    work = out.with_name(f"{out.name}.work")
    _prepare(wanted, work, made_of)
    with reproducible.threads(wanted.settings.train.threads):
        summary = _train(wanted, work, where)
    with atomic_dir(out) as folder:
        _export(wanted.settings, summary, work, folder)
        stamp.write(folder, made_of, keep=True)
    shutil.rmtree(work)
    print(f"{out}: made", file=sys.stderr)


def _prepare(wanted: Work, work: Path, made_of: dict) -> None:
    """Decode the audio, unless an interrupted run with the same settings has done so."""
    from local.pretrain import pool

    if stamp.why_stale(work, made_of) is None:
        return
    with atomic_dir(work) as folder:
        pool.build(folder, list(wanted.data.values()), wanted.settings.augment.speeds, wanted.settings.seed)
        stamp.write(folder, made_of)


def _train(wanted: Work, work: Path, where: str) -> dict[str, Any]:
    """Run all rounds; leave the encoder in ``work/encoder`` and return what pretrain.json says."""
    from local.pretrain import masked_prediction as mp
    from local.pretrain import pool as pools

    settings, pool = wanted.settings, pools.read(work)
    encoder = mp.new_encoder(settings.model, settings.seed)
    curve: list[dict] = []
    for number in range(1, settings.targets.rounds + 1):
        labels = _labels(settings, pool, encoder, number, work)
        # A further round goes on with the weights of the one before; only its classifier is new.
        trainer = mp.Trainer(settings, pool, labels, encoder, number, work, where)
        trainer.run()
        curve += trainer.curve
        mp.write_curve(work, curve)
    encoder.save_pretrained(work / "encoder")
    told = [path for path in wanted.data.values() if "utt2lang" in table_names(path)]
    languages = {language for path in told for language in read_utt2(path, "lang").values()}
    return {
        "data": {name: {"seconds": round(pool.seconds[str(path)], 1)} for name, path in wanted.data.items()},
        "languages": sorted(languages),
        "seconds": round(sum(pool.seconds.values()), 1),
        "steps": settings.train.steps * settings.targets.rounds,
        "parameters": encoder.num_parameters(),
        "loss": float(curve[-1]["loss"]),
        "dev_loss": float(curve[-1]["dev_loss"]),
        "dev_accuracy": float(curve[-1]["dev_accuracy"]),
        "config": asdict(settings),
    }


def _labels(settings: PretrainConfig, pool: Any, encoder: Any, number: int, work: Path) -> Any:
    import numpy as np

    from local.pretrain import masked_prediction as mp
    from local.pretrain import targets
    from utils.atomic import atomic_file

    path = work / f"labels.round{number}.npy"
    if not path.exists():
        print(f"round {number}: clustering {'MFCCs' if number == 1 else 'features'}", file=sys.stderr, flush=True)
        features = targets.mfcc if number == 1 else mp.layer_features(encoder, settings.targets.layer)
        labels = targets.cluster(pool, features, settings.targets, settings.seed)
        with atomic_file(path, "wb") as file:
            np.save(file, labels)
    return np.load(path)


def _export(settings: PretrainConfig, summary: dict[str, Any], work: Path, folder: Path) -> None:
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor
    from transformers.utils import logging

    logging.disable_progress_bar()
    HubertModel.from_pretrained(work / "encoder").to(torch.float16).save_pretrained(folder)
    # In half of the space, but to be computed with in 32 bits: transformers goes by what the configuration says.
    made = HubertConfig.from_pretrained(folder)
    made.dtype = torch.float32
    made.save_pretrained(folder)
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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template("card.md").render(settings=settings, summary=summary)


if __name__ == "__main__":
    run_main(main)
