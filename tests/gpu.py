"""Hold every path that a GPU takes to what the CPU gives; see tests/gpu.sh.

The recipe egs/mini, cut down, is run by the driver in two copies of the repository, one with ``--ngpu 0``, one with
``--ngpu 1``, and what they write is compared. Random numbers of dropout are drawn by the device, so where there is
dropout (every tuning but that of a head, diarization with a tuned encoder, pre-training) learning curves agree by
their course alone, within 15 %; elsewhere to 1 %. Features agree to a share of their root mean square: 0.2 % in fp32
(cuDNN convolves in TF32) and 5 % in bf16.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.integration.conftest import Checkout
from utils import ark

NO_GPU = 3
SETTINGS = (
    "corpora=[mini_de]", "encoders=[mini, packed, general]",
    "split.folds=3", "split.cap.train=6", "split.cap.dev=2", "split.cap.test=2",
    "pretrain=[{name: fresh, data: [mini_de]}]",
    "finetune.encoders=[mini]", "finetune.pairs=[within]", "finetune.layer=last", "finetune.epochs=3",
    "finetune.lr=1e-3", "finetune.batch_size=8",
    "sed.corpora=[mini_de]", "sed.test=[]", "sed.modes=[frozen, tuned]", "sed.epochs=2",
)  # fmt: skip
EXACT, COURSE = 0.01, 0.15
Curves = list[list[float]]
FEATURES = {"fp32": 0.002, "bf16": 0.05}


class Side:
    """A copy of the repository in which the recipe is run on one device."""

    def __init__(self, root: Path, ngpu: int, small: bool):
        self.recipe, self.ngpu = root / "egs/mini", ngpu
        Checkout(root)
        (self.recipe / "conf/encoders.yaml").write_text("".join(_random_encoders(self.recipe, small)))
        pretrain = self.recipe / "conf/pretrain.yaml"
        pretrain.write_text(re.sub(r"steps: \d+", "steps: 20", pretrain.read_text()))

    def start(self, stage: str, *settings: str) -> subprocess.Popen:
        """Start a stage; it is the leader of a group of processes."""
        options = [
            word for one in (*SETTINGS, "encoders=[mini, packed, general]", *settings) for word in ("--set", one)
        ]
        command = ["bash", self.recipe / "run.sh", "--stage", stage, "--stop-stage", stage, "--ngpu", str(self.ngpu)]
        return subprocess.Popen(
            [*command, *options], env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, stage: str, *settings: str) -> float:
        """Run a stage; return the seconds it took."""
        begin = time.monotonic()
        process = self.start(stage, *settings)
        output, _ = process.communicate()
        if process.returncode:
            logs = sorted(self.recipe.rglob("log/*.log"), key=lambda path: path.stat().st_mtime)
            sys.exit(f"{output}\n{logs[-1].read_text() if logs else ''}\nstage {stage} failed in {self.recipe}")
        return time.monotonic() - begin

    def tune(self, strategy: str, *settings: str) -> Curves:
        """Tune an encoder anew; return the curves."""
        shutil.rmtree(self.recipe / "exp/finetune", ignore_errors=True)
        self.run("finetune", f"finetune.strategies=[{strategy}]", *settings)
        return self.curves("exp/finetune/models")

    def curves(self, folder: str, name: str = "curve.csv") -> Curves:
        """Read the learning curves below a folder: losses on dev, an epoch each."""
        found = []
        for path in sorted((self.recipe / folder).rglob(name)):
            with open(path, encoding="utf-8", newline="") as file:
                found.append([float(row["dev_loss"]) for row in csv.DictReader(file)])
        return found

    def features(self, encoder: str) -> np.ndarray:
        """Read an encoder's features, (utterances, layers, dim)."""
        scp = self.recipe / "dump" / encoder / "mini_de/feats.scp"
        entries = {key: str(self.recipe / value) for key, value in ark.read_scp(scp).items()}
        return np.stack([ark.load_mat(value) for value in entries.values()])

    def rate(self, encoder: str) -> str:
        """Tell how fast an encoder ran, as the log says that is its own or that it shares."""
        paths = sorted((self.recipe / "dump/log").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        logs = "".join(path.read_text() for path in paths)
        return "".join(re.findall(rf"^{re.escape(encoder)} on .*?([\d.]+ x real time)", logs, re.MULTILINE)[-1:])


class Report:
    """Prints comparisons as they are made."""

    failed = 0

    def line(self, what: str, difference: float, tolerance: float, note: str = "") -> None:
        """Compare."""
        good = difference <= tolerance
        self.failed += not good
        verdict = "ok" if good else "FAILED"
        print(f"{verdict:6} {what:44} differs by {difference:.2e}, at most {tolerance:g}  {note}", flush=True)

    def curves(self, what: str, ours: Curves, theirs: Curves, tolerance: float, note: str = "") -> None:
        """Compare learning curves, epoch by epoch; a training may stop earlier than its fellow."""
        pairs = [(a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=False)]
        worst = max((abs(a - b) / b for a, b in pairs), default=float("inf"))
        self.line(what, worst, tolerance, note)


def _random_encoders(recipe: Path, small: bool) -> list[str]:
    """Make checkpoints of either path's architecture, as large as the published ones; yield their entries."""
    import transformers

    from tests.local.encoders.checkpoints import DIM, LAYERS, write_checkpoint

    if small:
        for name, variant in (("packed", "wavlm-base"), ("general", "whisper")):
            write_checkpoint(recipe / "encoders" / name, variant)
        layers, dim = LAYERS, DIM
    else:
        transformers.WavLMConfig().save_pretrained(recipe / "encoders/packed")
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(recipe / "encoders/packed")
        size = {f"{part}_{name}": n for part in ("encoder", "decoder")
                for name, n in (("layers", 12), ("attention_heads", 12), ("ffn_dim", 3072))}  # fmt: skip
        transformers.WhisperConfig(d_model=768, **size).save_pretrained(recipe / "encoders/general")
        transformers.WhisperFeatureExtractor().save_pretrained(recipe / "encoders/general")
        layers, dim = 13, 768
    fields = f"init: random, layers: {layers}, dim: {dim}"
    return [f"{name}: {{source: ./encoders/{name}, {fields}}}\n" for name in ("packed", "general")]


def extraction(cpu: Side, gpu: Side, report: Report) -> None:
    """Stage 2: features of both paths in fp32 and bf16, pre-training."""
    for side in (cpu, gpu):
        side.run("data")
        side.run("features")
    pairs = cpu.curves("exp/pretrain", "loss.csv"), gpu.curves("exp/pretrain", "loss.csv")
    report.curves("pre-training, 20 steps", *pairs[::-1], COURSE)
    want = {name: cpu.features(name) for name in ("mini", "packed", "general")}
    for precision, tolerance in FEATURES.items():
        if precision != "fp32":
            gpu.run("features", f"features.precision={precision}")
        for name, features in want.items():
            made = json.loads((gpu.recipe / "dump" / name / "mini_de/info.json").read_text())["precision"]
            scale = np.sqrt((features**2).mean(axis=(0, 2), keepdims=True))
            difference = np.sqrt((((gpu.features(name) - features) / scale) ** 2).mean())
            report.line(f"features of {name}, {precision}", difference, tolerance, f"{gpu.rate(name)} in {made}")


def tuning(cpu: Side, gpu: Side, report: Report) -> None:
    """Stage 4: strategies, precisions, checkpointing, an interruption, export."""
    want = {}
    for strategy, tolerance in (("head", EXACT), ("lora", COURSE), ("full", COURSE)):
        want[strategy] = cpu.tune(strategy)
        begin = time.monotonic()
        ours = gpu.tune(strategy)
        report.curves(f"tuning: {strategy}", ours, want[strategy], tolerance, f"{time.monotonic() - begin:.0f} s")
    report.curves(
        "tuning: full with checkpointing, the same device", gpu.tune("full", "finetune.checkpointing=true"), ours,
        EXACT,
    )  # fmt: skip
    for precision in ("bf16", "fp16") if gpu.ngpu else ("bf16",):
        ours = gpu.tune("full", f"finetune.precision={precision}")
        report.curves(f"tuning: full in {precision}", ours, want["full"], COURSE)
    whole = gpu.tune("lora")
    shutil.rmtree(gpu.recipe / "exp/finetune")
    process = gpu.start("finetune", "finetune.strategies=[lora]")
    while process.poll() is None and not list((gpu.recipe / "exp/finetune").rglob("trainer_state.json")):
        time.sleep(0.05)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    gpu.run("finetune", "finetune.strategies=[lora]")
    note = "" if killed else "it had ended before it could be interrupted"
    report.curves("tuning: lora, interrupted and gone on", gpu.curves("exp/finetune/models"), whole, EXACT, note)
    _export(gpu, report)


def _export(side: Side, report: Report) -> None:
    """A tuned model's posteriors on the CPU, on the device, and by transformers alone on the device."""
    import torch
    import transformers

    from local.finetune.model import EmotionClassifier
    from local.finetune.predict import predict

    device = "cuda:0" if side.ngpu else "cpu"
    model = next((side.recipe / "exp/finetune/models").rglob("config.json")).parent
    files = [str(path) for path in sorted(side.recipe.rglob("corpus/de/*.wav"))[:8]]
    here, there = (
        np.stack([result.posteriors for result in predict(EmotionClassifier.load(model, where), files)])
        for where in ("cpu", device)
    )
    report.line("a tuned model's posteriors", float(np.abs(here - there).max()), FEATURES["fp32"])
    out = side.recipe / "exported"
    subprocess.run(
        [sys.executable, "-m", "local.finetune.export", "--model", model, "--out", out],
        cwd=side.recipe, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    classify = transformers.pipeline("audio-classification", model=str(out), device=torch.device(device), top_k=None)
    emotions = EmotionClassifier.load(model).emotions
    scores = [{row["label"]: row["score"] for row in classify(path)} for path in files]
    exported = np.array([[row[emotion] for emotion in emotions] for row in scores])
    report.line("the exported model's posteriors", float(np.abs(exported - here).max()), FEATURES["fp32"])


def diarization(cpu: Side, gpu: Side, report: Report) -> None:
    """Stage 6: a frozen encoder with either classifier, and a tuned one."""
    for mode, tolerance in (("frozen", EXACT), ("context", COURSE), ("tuned", COURSE)):
        curves, seconds = [], 0.0
        for side in (cpu, gpu):
            shutil.rmtree(side.recipe / "exp/sed", ignore_errors=True)
            seconds = side.run("sed", "sed.encoders=[mini]", f"sed.modes=[{mode}]", "sed.sets=[single]")
            curves.append(side.curves("exp/sed/models"))
        report.curves(f"diarization: {mode}", *curves[::-1], tolerance, f"{seconds:.0f} s")


CHECKS = {"extraction": extraction, "tuning": tuning, "diarization": diarization}


def main() -> int:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="what is held to the CPU")
    parser.add_argument("--small", action="store_true", help="tiny models in place of those of 90 million parameters")
    parser.add_argument("--only", choices=CHECKS, nargs="+", default=list(CHECKS), help="some of the checks")
    arguments = parser.parse_args()
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is seen: check nvidia-smi, CUDA_VISIBLE_DEVICES and that torch is a CUDA build", file=sys.stderr)
        return NO_GPU
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "the CPU against itself"
    print(f"torch {torch.__version__}, {name}", flush=True)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="gpu.") as folder:
        cpu = Side(Path(folder, "cpu"), 0, arguments.small)
        gpu = Side(Path(folder, "gpu"), int(arguments.device == "cuda"), arguments.small)
        if "extraction" not in arguments.only:
            for side in (cpu, gpu):
                side.run("data")
        for check in arguments.only:
            CHECKS[check](cpu, gpu, report)
    print(f"{report.failed} comparisons failed" if report.failed else "all within tolerance")
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
