"""A small recipe folder for tests of stage 4: tones whose pitch tells the emotion, folds, and a tiny encoder."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import yaml

from local.experiment import Experiment, Finetune, Probe, Split
from local.finetune import apply
from local.finetune import run as finetune
from local.finetune.conditions import STAGE
from local.grid import manifest, plan
from local.grid.conditions import Training, expand
from local.grid.factors import PROBE
from local.models.store import WEIGHTS
from tests.conftest import REPO
from tests.local.encoders.checkpoints import DIM, LAYERS, write_checkpoint
from utils import csv_file, stamp
from utils.data_dir import write_data_dir

EMOTIONS = ["angry", "happy", "neutral", "sad"]
QUICK = {"strategies": ["head"], "layer": "2", "lr": 1e-2, "epochs": 3, "patience": 3, "batch_size": 8}
LORA = {"strategies": ["lora"], "lr": 3e-3, "epochs": 5, "patience": 5}


def write_encoder(
    root: Path, name: str = "small", variant: str = "wav2vec2-base", dropout: float | None = None
) -> None:
    """Write a checkpoint and its registry entry."""
    folder = write_checkpoint(root / "checkpoint" / name, variant, normalise=False)
    if dropout is not None:
        config = json.loads((folder / "config.json").read_text())
        config |= {key: dropout for key in config if key.endswith("_dropout")}
        (folder / "config.json").write_text(json.dumps(config))
    registry = root / "conf" / "encoders.yaml"
    registry.parent.mkdir(exist_ok=True)
    known = yaml.safe_load(registry.read_text()) if registry.exists() else {}
    known[name] = {"source": f"checkpoint/{name}", "layers": LAYERS, "dim": DIM, "languages": ["de"]}
    registry.write_text(yaml.safe_dump(known))


def write_corpus(
    root: Path, name: str, *, n: int = 24, folds: int = 3, language: str = "de", speakers: int = 6, seed: int = 0
) -> None:
    """Write data/<name> and its folds: utterance i is tested in fold i % folds, and is dev in the fold before."""
    rng = np.random.default_rng([seed, *name.encode()])
    utts = [f"{name}_{i % speakers:02d}-{i:04d}" for i in range(n)]
    emotions = [EMOTIONS[i // folds % len(EMOTIONS)] for i in range(n)]
    audio = root / "audio" / name
    audio.mkdir(parents=True, exist_ok=True)
    for utt, emotion in zip(utts, emotions, strict=True):
        time = np.arange(int(rng.integers(2000, 5000))) / 16000
        pitch = 150 * 3 ** EMOTIONS.index(emotion) * rng.uniform(0.95, 1.05)
        wave = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))
        soundfile.write(audio / f"{utt}.wav", wave, 16000)
    tables = {
        "utt2spk": {utt: utt.split("-")[0] for utt in utts},
        "utt2emo": dict(zip(utts, emotions, strict=True)),
        "utt2lang": dict.fromkeys(utts, language),
        "utt2digest": {utt: f"{place:09d}{name}" for place, utt in enumerate(utts)},
        "wav.scp": {utt: f"audio/{name}/{utt}.wav" for utt in utts},
    }
    write_data_dir(root / "data" / name, tables)
    for k in range(folds):
        parts = {"test": [k], "dev": [(k + 1) % folds], "train": [(k + j) % folds for j in range(2, folds)]}
        for part, residues in parts.items():
            write_list(root, name, k, part, [utt for i, utt in enumerate(utts) if i % folds in residues])
    (root / "data" / name / "folds" / "speaker" / stamp.NAME).write_text("{}")


def write_list(root: Path, name: str, fold: int, part: str, utts: Sequence[str]) -> None:
    """Write one fold list."""
    path = root / "data" / name / "folds" / "speaker" / str(fold) / part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{utt}\n" for utt in sorted(utts)))


def write_probe(
    config: Experiment, train: str, test: str, selected: Sequence[int], best_above: int = 1, head: str = "linear",
    lowest_loss: int = 1,
) -> Path:
    """Write the scores.csv of a probe whose dev chose a layer in each fold, and add it to the manifest."""
    (condition,) = expand(
        PROBE, config, lambda own: [{"encoder": "small", "method": head, "train": train.split("+"), "test": test}]
    )
    rows = [
        {
            "fold": fold, "seed": 0, "layer": layer, "selected": int(layer == chosen),
            "dev_ua": 0.9 if layer == chosen else 0.8 if layer == best_above else 0.5,
            "dev_loss": 0.5 if layer == lowest_loss else 0.7,
        }
        for fold, chosen in enumerate(selected) for layer in range(LAYERS)
    ]  # fmt: skip
    condition.directory.mkdir(parents=True, exist_ok=True)
    csv_file.write(condition.directory / "scores.csv", list(rows[0]), rows)
    folder = condition.directory.parent
    entries = {entry.path: entry for entry in manifest.read(folder)}
    entries[condition.directory] = manifest.Entry(condition.directory, condition.identity, "")
    manifest.write(folder, list(entries.values()))
    return condition.directory / "scores.csv"


def settings(
    corpora: Sequence[str] = ("a",), cross_dev: str = "source", vary: Mapping[str, list] | None = None,
    **finetune: object,
) -> Experiment:  # fmt: skip
    """Settings that tune the small encoder in a second."""
    return Experiment(
        corpora=list(corpora), encoders=["small"], split=Split(folds=3), probe=Probe(cross_dev=cross_dev),
        finetune=Finetune(encoders=["small"], **{**QUICK, **finetune}), vary=dict(vary or {}),
    )  # fmt: skip


def run(config: Experiment) -> None:
    """Train and test all that is not up to date, in the working directory, as the stage's jobs do."""
    for group in STAGE.groups(config):
        for training in plan.work(STAGE, group).trainings:
            finetune.train(training)
        work = plan.work(STAGE, group)
        if work.conditions:
            apply.test(group.only(work.conditions))


def training(config: Experiment, fold: int = 0) -> Training:
    """Give a training of the first group."""
    return STAGE.trainings(STAGE.groups(config)[0])[fold]


def curve(one: Training) -> list[dict[str, str]]:
    """Read a training's curve, without its times."""
    with open(one.directory / "curve.csv", encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def result(one: Training) -> tuple[bytes, list[dict[str, str]]]:
    """Read all that a training's settings decide."""
    return (one.directory / WEIGHTS).read_bytes(), curve(one)


def write_experiment(recipe: Path, config: Experiment) -> None:
    """Write a configuration file that says what settings say, and its plan."""
    shown = dataclasses.asdict(config)
    (recipe / "conf/experiment.yaml").write_text(
        yaml.safe_dump({name: shown[name] for name in ("corpora", "encoders", "vary", "split", "probe", "finetune")})
    )
    write_plan(config, [unit for group in STAGE.groups(config) for unit in plan.work(STAGE, group).units])


def write_plan(config: Experiment, units: Sequence[str]) -> None:
    """Write the plan that jobs divide."""
    path = config.exp / STAGE.name / plan.NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{unit}\n" for unit in units))


def start(*options: str, processes: int = 1) -> subprocess.Popen:
    """Start the training of what is planned, in one process or under torchrun."""
    launch = ["-m"] if processes == 1 else ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m"]
    environment = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *launch, "local.finetune.train", *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
