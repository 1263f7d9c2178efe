"""The features stage on real files against the encoder's own forward passes.

wav2vec 2.0 base (94M parameters, random weights), files of three corpora. ``extraction_vs_encoder`` is what the
stage costs (decoding, resampling, sorting, writing, merging) over the forward passes of the same batches from
memory: ours / reference, so less is better. ``extraction_vs_single`` is transformers' own forward of one file at a
time, from memory, over the whole stage: more is better. The three take turns on slices of the files, so that what
else the machine does meets them alike.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from local import encoders
from local.encoders import EncoderSpec
from local.encoders.transformer import Transformer
from local.experiment import Experiment
from local.features import extract, merge, pipeline
from local.features.work import Work
from utils import ark, audio
from utils.errors import UserError

REPO = Path(__file__).resolve().parents[2]
PATTERNS = ("emodb/wav/*.wav", "urdu/*/*.wav", "nemo/**/*.wav")
FILES, SLICES, ROUNDS = 60, 3, 2
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2}


def run(work: Path) -> list[dict]:
    """Measure in float32, below ``work``; two rows."""
    return measured(work, "fp32")


@functools.lru_cache(maxsize=2)
def measured(work: Path, precision: str) -> list[dict]:
    """Measure, once in a process: bench_layerwise.py needs the same figures.

    Parameters
    ----------
    work : Path
        Data directories and features are written here.
    precision : str
        ``fp32``, or ``bf16`` for the stage and its batches; one file at a time always runs in float32.

    Returns
    -------
    list of dict
        Two rows.
    """
    encoder = make_encoder(precision)
    encoder.pooled([np.zeros(16000, dtype=np.float32)])
    alone = fastest_threads(encoder)
    with _chdir(work):
        works = [write_part(number, encoder) for number in range(SLICES)]
        length = sum(one.duration for part in works for one in part.utterances())
        rounds = [[measure(part, encoder, alone) for part in works] for _ in range(ROUNDS)]
    # Of the rounds of a slice the faster counts: what slows one down is not ours.
    best = np.min(rounds, axis=0).sum(axis=0)
    (stage, forward, single), (stage_cpu, forward_cpu, single_cpu) = best.T
    what = (
        f"{FILES} files, {length:.0f} s of audio; faster of {ROUNDS} rounds; loading the encoder is in neither side; "
        f"processor seconds: stage {stage_cpu:.1f}, forward {forward_cpu:.1f}, one by one {single_cpu:.1f}"
    )
    threads = torch.get_num_threads()
    return [
        {
            "name": "extraction_vs_encoder", "ours_s": stage, "reference_s": forward, "ratio": stage / forward,
            "target": 1.15, "note": f"at most; ours / forward passes of the same batches, {threads} at a time; {what}",
        },
        {
            "name": "extraction_vs_single", "ours_s": stage, "reference_s": single, "ratio": single / stage,
            "target": 1.0,
            "note": f"reference: one by one in {alone} thread(s), the faster of 1 and {threads}; {what}",
        },
    ]  # fmt: skip


def make_encoder(precision: str) -> Transformer:
    """Build wav2vec 2.0 base with random weights."""
    import transformers

    torch.manual_seed(0)
    model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config())
    spec = EncoderSpec("random", source="./random", init="random", layers=13, dim=768)
    return Transformer(spec, model, normalise=True, device="cpu", precision=precision)


def write_part(number: int, encoder: Transformer) -> Work:
    """Write the data directory of one slice of the files, mixed lengths and rates."""
    root = Path(os.environ.get("XSER_TEST_CORPORA", REPO.parent / "shared" / "corpora"))
    found = [sorted(root.glob(pattern)) for pattern in PATTERNS]
    if not all(found):
        raise UserError(f"{root}: no real speech (emodb, urdu, nemo); set XSER_TEST_CORPORA")
    chosen = [path for paths in found for path in paths[:: max(1, len(paths) * 3 // FILES)][: FILES // 3]]
    folder = Path("data") / f"part{number}"
    folder.mkdir(parents=True)
    rows = {f"s-{index:03d}": path for index, path in enumerate(chosen[number::SLICES])}
    tables = {
        "wav.scp": rows,
        "utt2spk": dict.fromkeys(rows, "s"),
        "utt2emo": dict.fromkeys(rows, "sad"),
        "utt2dur": {key: f"{audio.info(path).duration:.6f}" for key, path in rows.items()},
    }
    for name, table in tables.items():
        (folder / name).write_text("".join(f"{key} {value}\n" for key, value in table.items()), encoding="utf-8")
    return Work(encoder.spec, folder.name, Experiment(corpora=[folder.name], encoders=[encoder.spec.name]))


def fastest_threads(encoder: Transformer) -> int:
    """Tell whether one file at a time is faster in all threads or, on a busy machine, in one."""
    waves = {str(length): np.zeros(16000 * length, dtype=np.float32) for length in (2, 3)}
    candidates = (1, torch.get_num_threads())
    trials = [_timed(functools.partial(_single, encoder, waves, {}, threads))[0] for threads in candidates * 2]
    return min(candidates, key=lambda threads: min(trials[candidates.index(threads) :: 2]))


def measure(part: Work, encoder: Transformer, alone: int) -> list[tuple[float, float]]:
    """Measure the stage, the forward passes of its batches, and files one by one; check that they agree.

    Returns
    -------
    list of (float, float)
        Seconds by the clock and by the processor, of each of the three.
    """
    batches = part.batches()
    waves = {one.id: one.load() for one in itertools.chain(*batches)}
    (part.directory / ".done").unlink(missing_ok=True)

    def stage() -> None:
        with mock.patch.object(encoders, "load", return_value=encoder):
            extract.extract([part], 1, 1, "cpu")
        merge.merge(part, 1)

    def forward() -> None:
        threads, workers = torch.get_num_threads(), part.experiment.features.workers
        list(pipeline.run(encoder, batches, threads, workers, lambda batch: [waves[one.id] for one in batch]))

    want: dict[str, np.ndarray] = {}
    times = [_timed(stage), _timed(forward), _timed(lambda: _single(encoder, waves, want, alone))]
    got = ark.read_all(part.directory / "feats.scp", sorted(want))
    difference = max(np.abs(row - want[key]).max() for key, row in zip(sorted(want), got, strict=True))
    if difference > TOLERANCE[encoder.precision]:
        raise UserError(f"the stage and one file at a time differ by {difference:.2e}")
    return times


def _single(encoder: Transformer, waves: dict[str, np.ndarray], out: dict[str, np.ndarray], threads: int) -> None:
    """Pool every hidden state of every file as one would without this project."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with torch.inference_mode():
        for key, wave in waves.items():
            scaled = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
            states = encoder.model(torch.from_numpy(scaled)[None], output_hidden_states=True).hidden_states
            out[key] = torch.stack([state[0].mean(dim=0) for state in states]).numpy()
    torch.set_num_threads(before)


def _timed(function: Callable[[], None]) -> tuple[float, float]:
    begin = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


@contextlib.contextmanager
def _chdir(folder: Path) -> Iterator[None]:
    """contextlib.chdir, which Python 3.10 lacks."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
