"""An epoch of LoRA+BA+WG against the procedure of study A's published code, and the memory that training takes.

wav2vec 2.0 base (random weights) cut behind block 6; LoRA of rank 8 on q, k, v, out and both feed-forward matrices,
bottleneck adapters 768-48-768 behind the feed-forward layers, a gate a dimension on the blocks' input, head
768-128-16-4, all drawn as the published code draws them; AdamW; 48 training and 6 dev utterances whose lengths are
spread evenly from 2 to 6 s, as in the study eight to one. They are cut from EmoDB (``$XSER_TEST_CORPORA``) or, without
it, from the bundled corpus.

Ours is stage 4: :func:`local.finetune.fit.fit` with batches of 16. Counted is an epoch of the Trainer by the clock,
with its pass over dev and its checkpoint, and a tenth of what filling the cache with the front end's output took, as if
the cache served ten epochs; it serves all epochs of all folds and seeds, so the note gives the ratio without it too.

The published procedure makes an update after every utterance and runs the whole waveform through the convolutions each
time. It is given all that does not change it: transformers' own forward (scaled dot-product attention), no gradient
through the frozen convolutions, waveforms in memory, no checkpoints, as many threads. Layer drop and masked spans,
which ours has not, are off. In the bfloat16 row it stays in float32; that row needs a processor with bfloat16
instructions.

Before that, both have the same weights and no dropout, and their losses of a batch must agree to 1e-3.

Memory is the peak of a process that trains for two updates of 16 utterances of 6 s, loading and filling the cache
included. The reference runs the 16 one after another for one loss; at its batch size of 1, it needs less.
"""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from torch import nn
from torch.nn.functional import cross_entropy

from local import encoders
from local.encoders.loading import has_native_bf16
from local.experiment import Finetune
from local.finetune.data import Examples
from local.finetune.fit import fit
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from local.finetune.trainer import Leg, Run
from tests.conftest import REPO
from utils import audio
from utils.data_dir import Utterance
from utils.errors import UserError
from utils.feature_cache import InputCache

ENCODER, BLOCKS, DIM = "random_base", 12, 768
EMOTIONS = ["angry", "happy", "neutral", "sad"]
STRATEGY, LAYER, BATCH = "lora+ba+wg", 6, 16
TRAIN, DEV, SECONDS = 48, 6, (2.0, 6.0)
# Epochs that share the cost of the cache, and what is trained to measure one.
SHARING, MEASURED = 10, 3
TOLERANCE = 1e-3
TARGETS = {"fp32": ("finetune_epoch_vs_published", 2.5), "bf16": ("finetune_epoch_vs_published_bf16", 2.5)}


def run(work: Path) -> list[dict]:
    """Measure time and memory.

    Parameters
    ----------
    work : Path
        Speech, a checkpoint, caches and models are written here.

    Returns
    -------
    list of dict
        A row for the epoch, one for it in bfloat16 where the processor has it, and two for memory.
    """
    work = work / "finetune"
    write_encoder(work)
    for part, number, seconds in (("train", TRAIN, SECONDS), ("dev", DEV, SECONDS), ("batch", BATCH, (6.0, 6.0))):
        write_speech(work / part, np.linspace(*seconds, number))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        difference = compare_losses()
        memory = memory_rows(work)
        rows = [epoch_row("fp32", f"losses of {BATCH} utterances differ by {difference:.1e}")]
        if has_native_bf16("cpu"):
            rows.append(epoch_row("bf16", "ours in bfloat16, the reference in float32"))
        else:
            print("finetune_epoch_vs_published_bf16: not measured: this processor has no bfloat16 instructions")
    return [*rows, *memory]


def write_encoder(work: Path) -> None:
    """Write wav2vec 2.0 base with random weights, and the registry that names it."""
    (work / "conf").mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()).save_pretrained(work / "checkpoint")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(work / "checkpoint")
    entry = f"{ENCODER}: {{source: ./checkpoint, layers: {BLOCKS + 1}, dim: {DIM}}}\n"
    (work / "conf/encoders.yaml").write_text(entry, encoding="utf-8")


def write_speech(folder: Path, lengths: np.ndarray) -> None:
    """Cut utterances of some lengths in seconds from speech that is laid end to end, over and over."""
    root = os.environ.get("XSER_TEST_CORPORA")
    found = sorted(Path(root).glob("emodb/wav/*.wav") if root else (REPO / "egs/mini/corpus/de").glob("*.ogg"))
    if not found:
        raise UserError(f"{root}: no emodb/wav/*.wav; correct XSER_TEST_CORPORA, or unset it for the bundled speech")
    speech = np.concatenate([audio.load(path) for path in found[::5]])
    ends = np.cumsum(np.round(lengths * audio.SAMPLE_RATE).astype(int))
    folder.mkdir()
    for number, wave in enumerate(np.split(np.resize(speech, ends[-1]), ends[:-1])):
        soundfile.write(folder / f"{number:03d}.wav", wave, audio.SAMPLE_RATE)


def examples(folder: str) -> Examples:
    """List what :func:`write_speech` wrote, each utterance with some emotion."""
    paths = sorted(Path(folder).glob("*.wav"))
    utterances = [Utterance(f"s-{path.stem}", "s", path.stem, str(path), 0.0, None, None) for path in paths]
    persons, languages = (["one"] * len(paths) for _ in range(2))
    return Examples(utterances, np.arange(len(paths)) % len(EMOTIONS), persons, languages)


class Published(nn.Module):
    """The classifier as a loop over transformers' forwards, written without any module of this project.

    Parameters
    ----------
    layer : int
        The last block.
    strategy : str
        ``STRATEGY``, or ``full`` (which trains what ours does).
    """

    def __init__(self, layer: int, strategy: str):
        super().__init__()
        self.model = transformers.Wav2Vec2Model.from_pretrained("checkpoint", layerdrop=0.0, apply_spec_augment=False)
        self.model.requires_grad_(False)
        self.model.freeze_feature_encoder()
        encoder = self.model.encoder
        encoder.layers = encoder.layers[:layer]
        self.head = nn.Sequential(
            nn.Linear(DIM, 128), nn.ReLU(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, len(EMOTIONS))
        )
        if strategy == "full":
            for part in (self.model.feature_projection, encoder.layer_norm, encoder.layers):
                part.requires_grad_(True)
        else:
            self._adapt()

    def _adapt(self) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        blocks = self.model.encoder.layers
        matrices = ["q_proj", "k_proj", "v_proj", "out_proj", "intermediate_dense", "output_dense"]
        inject_adapter_in_model(LoraConfig(r=8, lora_alpha=16, lora_dropout=0.1, target_modules=matrices), blocks)
        self.gates = nn.ParameterList(torch.ones(DIM) for _ in blocks)
        self.bottlenecks = nn.ModuleList(
            nn.Sequential(nn.Linear(DIM, DIM // 16), nn.ReLU(), nn.Linear(DIM // 16, DIM)) for _ in blocks
        )
        for block, gate, bottleneck in zip(blocks, self.gates, self.bottlenecks, strict=True):
            block.register_forward_pre_hook(lambda _, args, gate=gate: (torch.sigmoid(gate) * args[0], *args[1:]))
            block.feed_forward.register_forward_hook(lambda _, args, out, bottleneck=bottleneck: out + bottleneck(out))

    def forward(self, waves: list[torch.Tensor]) -> torch.Tensor:
        """Score waveforms, each of shape (samples,); returns (utterances, emotions)."""
        states = [self.model(wave[None]).last_hidden_state[0] for wave in waves]
        return self.head(torch.stack([state.mean(dim=0) for state in states]))

    def update(self, optimiser: torch.optim.Optimizer, waves: list[torch.Tensor], labels: torch.Tensor) -> float:
        """Train on a batch, in training mode; returns the seconds that the optimiser took."""
        optimiser.zero_grad()
        cross_entropy(self(waves), labels).backward()
        begin = time.perf_counter()
        optimiser.step()
        return time.perf_counter() - begin

    def optimiser(self) -> torch.optim.Optimizer:
        """Make AdamW with the study's settings."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-5)


def read_waves(part: Examples) -> list[torch.Tensor]:
    """Read waveforms as the checkpoint wants them, by transformers' own means."""
    scale = transformers.Wav2Vec2FeatureExtractor.from_pretrained("checkpoint")
    waves = [utterance.load() for utterance in part.utterances]
    return [scale(wave, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt").input_values[0] for wave in waves]


def design(strategy: str, layer: int) -> Design:
    """Describe our classifier."""
    return Design(layer, strategy, head="mlp", published_init=True)


def compare_losses() -> float:
    """Give the difference of both sides' loss of one batch, and refuse to measure things that differ."""
    part = examples("train")
    rows = np.linspace(0, len(part.labels) - 1, min(BATCH, len(part.labels))).astype(int)
    part = part.some(rows)
    labels = torch.from_numpy(part.labels)
    ours = EmotionClassifier(encoders.spec(ENCODER), EMOTIONS, design(STRATEGY, LAYER))
    reference = Published(LAYER, STRATEGY).eval()
    generator = torch.Generator().manual_seed(0)
    copied = {}
    with torch.no_grad():
        for name, parameter in ours.trainable().items():
            # Zeros would keep LoRA, and a head's small weights the utterance, from having any effect on the loss.
            if "lora_B" in name:
                parameter.normal_(std=0.02, generator=generator)
            elif re.match(r"head\.\d+\.weight", name):
                parameter.normal_(std=0.3, generator=generator)
            copied[_place(name)] = parameter
        wanted = {name for name, parameter in reference.named_parameters() if parameter.requires_grad}
        if set(copied) != wanted:
            raise UserError(f"ours trains other weights than the reference: {sorted(set(copied) ^ wanted)[:4]}")
        reference.load_state_dict(copied, strict=False)
        # In 16 bits, as training reads them.
        inputs = [ours.features(utterance.load()).astype(np.float16) for utterance in part.utterances]
        packed = torch.from_numpy(np.concatenate(inputs).astype(np.float32))
        scores = ours(packed, [len(one) for one in inputs]), reference(read_waves(part))
        losses = [float(cross_entropy(one, labels)) for one in scores]
    if scores[1].std(dim=0).max() < 100 * TOLERANCE:
        raise UserError("all utterances have the same scores, so that equal losses would show nothing")
    if abs(losses[0] - losses[1]) > TOLERANCE:
        raise UserError(f"losses differ: ours {losses[0]:.5f}, reference {losses[1]:.5f}")
    return abs(losses[0] - losses[1])


def _place(name: str) -> str:
    """Name the reference's counterpart of one of our parameters."""
    block = re.search(r"layers\.(\d+)\.", name)
    number = block[1] if block else ""
    if name.endswith("input_gate.logits"):
        return f"gates.{number}"
    if found := re.search(r"\.(down|up)\.(\w+)$", name):
        return f"bottlenecks.{number}.{0 if found[1] == 'down' else 2}.{found[2]}"
    return name.replace("feed_forward.feed_forward.", "feed_forward.")


def epoch_row(precision: str, remark: str) -> dict:
    """Measure an epoch of both sides."""
    train, dev = examples("train"), examples("dev")
    reference = [published_epoch(train, dev)]
    ours, filling = our_epochs(train, dev, precision)
    reference.append(published_epoch(train, dev))
    (theirs, updates), own = min(reference), min(ours)
    counted = own + filling / SHARING
    name, target = TARGETS[precision]
    length = sum(soundfile.info(one.source).duration for one in train.utterances)
    return {
        "name": name, "ours_s": counted, "reference_s": theirs, "ratio": theirs / counted, "target": target,
        "note": (
            f"ours: an epoch of {own:.1f} s, the faster of {_list(ours)}, and a tenth of {filling:.1f} s for the "
            f"cache; reference: the faster of {_list([seconds for seconds, _ in reference])}, before and after ours, "
            f"of which {updates:.1f} s went into {TRAIN} updates of AdamW; ratio without the cache {theirs / own:.2f}, "
            f"with all of it in one epoch {theirs / (own + filling):.2f}; {TRAIN} utterances, {length:.0f} s, and "
            f"{DEV} of dev; {torch.get_num_threads()} threads each; {remark}"
        ),
    }  # fmt: skip


def _list(seconds: list[float]) -> str:
    return " and ".join(f"{one:.1f}" for one in seconds)


def published_epoch(train: Examples, dev: Examples) -> tuple[float, float]:
    """Time an epoch of the published procedure; returns its seconds and those of the optimiser."""
    torch.manual_seed(0)
    published = Published(LAYER, STRATEGY)
    optimiser = published.optimiser()
    waves, dev_waves = read_waves(train), read_waves(dev)
    labels = torch.from_numpy(train.labels)
    published.train().update(optimiser, waves[:1], labels[:1])
    begin, updates = time.perf_counter(), 0.0
    for row in torch.randperm(len(waves)).tolist():
        updates += published.update(optimiser, [waves[row]], labels[row : row + 1])
    published.eval()
    with torch.no_grad():
        for wave in dev_waves:
            published([wave])
    return time.perf_counter() - begin, updates


def our_epochs(train: Examples, dev: Examples, precision: str) -> tuple[list[float], float]:
    """Time epochs of stage 4 but for the first, when the Trainer starts, and the filling of the cache."""
    fill, filling, threads = InputCache.fill, [], torch.get_num_threads()

    def timed(*args: object, **options: object) -> None:
        begin = time.perf_counter()
        fill(*args, **options)
        filling.append(time.perf_counter() - begin)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InputCache, "fill", timed)
        train_ours(train, dev, STRATEGY, LAYER, MEASURED, precision, "cpu")
    if torch.get_num_threads() != threads:
        raise UserError(f"training left torch {torch.get_num_threads()} threads of {threads}; the sides are not equal")
    with open(f"models/{STRATEGY}.{LAYER}.{precision}/curve.csv", encoding="utf-8", newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)][1:], sum(filling)


def train_ours(
    train: Examples, dev: Examples, strategy: str, layer: int, epochs: int, precision: str, device: str
) -> None:
    """Run stage 4's training in the working directory."""
    settings = Finetune(epochs=epochs, patience=epochs, batch_size=BATCH, precision=precision)
    folder, leg = Path(f"models/{strategy}.{layer}.{precision}"), Leg(["speech"], train, dev, 0)
    fit(Run(folder, ENCODER, EMOTIONS, design(strategy, layer), 0, settings, [leg], Path("cache"), device=device))


def memory_rows(work: Path) -> list[dict]:
    """Measure the memory of training, each in a process of its own."""
    lora, full, whole = (
        _peak(work, "ours", *one) for one in ((STRATEGY, LAYER), ("full", LAYER), ("full", BLOCKS))
    )  # fmt: skip
    their_lora, their_full = (_peak(work, "published", strategy, LAYER) for strategy in (STRATEGY, "full"))
    single = _peak(work, "published", STRATEGY, LAYER, 1)
    what = "of the GPU" if torch.cuda.is_available() else "resident"
    note = (
        f"peak memory in MB, {what}, at {BATCH} utterances of 6 s, cut behind block {LAYER}; ours: {STRATEGY} "
        f"{lora:.0f}, full {full:.0f} (ratio {full / lora:.2f}), full with all {BLOCKS} blocks {whole:.0f} (ratio "
        f"{whole / lora:.2f}); reference, a list of single forwards: {their_lora:.0f} and {their_full:.0f}, at its "
        f"batch size of 1 {single:.0f}"
    )
    return [
        {
            "name": name, "ours_mb": ours, "reference_mb": theirs, "ratio": theirs / ours, "target": "stated",
            "note": f"{strategy}; {note}",
        }
        for name, strategy, ours, theirs in (
            ("finetune_memory", STRATEGY, lora, their_lora), ("finetune_memory_full", "full", full, their_full),
        )
    ]  # fmt: skip


def _peak(work: Path, *arguments: object) -> float:
    """Run :func:`main` and return the peak that it prints, in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_finetune", *map(str, arguments)]
    result = subprocess.run(
        command, cwd=work, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True
    )
    if result.returncode:
        raise UserError(f"{' '.join(command)}: {result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    """Train for two updates and print the peak of memory: SIDE STRATEGY LAYER [BATCH]."""
    side, strategy, layer, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int((*sys.argv[4:], BATCH)[0])
    part, device = examples("batch"), "cuda" if torch.cuda.is_available() else "cpu"
    if side == "ours":
        dev = part.some(range(4))
        train_ours(part, dev, strategy, layer, 2, "fp32", device)
    else:
        published = Published(layer, strategy).train().to(device)
        optimiser = published.optimiser()
        waves = [wave.to(device) for wave in read_waves(part)[:size]]
        labels = torch.from_numpy(part.labels[:size]).to(device)
        for _ in range(2):
            published.update(optimiser, waves, labels)
    if device == "cuda":
        print(torch.cuda.max_memory_allocated() / 2**20)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
