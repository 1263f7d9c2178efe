"""Diarization of files of 3 s to 10 min: seconds of audio a second, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from tests.conftest import REPO

LENGTHS = (3, 30, 120, 600)
SPEECH = REPO / "egs/mini/corpus"

# In a process of its own, so that its memory is its own; the model is loaded before anything is measured.
MEASURE = """
import json, resource, sys, time
import torch
from local import encoders
from local.sed.model import decode
from local.sed.model.diarizer import Diarizer
from utils.audio import load
torch.set_num_threads(int(sys.argv[2]))
emotions = ["angry", "happy", "neutral", "sad"]
model = Diarizer(encoders.load(encoders.spec(sys.argv[1])), emotions, "frozen")
decoder = decode.Decoder("median", 25)
for path in sys.argv[3:]:
    begin = time.perf_counter()
    wave = load(path)
    decode.decode(model.posteriors(wave), "u", len(wave) / 16000, emotions, decoder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([len(wave) / 16000, time.perf_counter() - begin, peak]), flush=True)
"""


def run(work: Path) -> list[dict]:
    """Diarize files of growing length with the shipped encoder and with a random WavLM base.

    Parameters
    ----------
    work : Path
        Scratch folder.

    Returns
    -------
    list of dict
        A row an encoder: seconds for ten minutes of audio, against these ten minutes.
    """
    (work / "conf").mkdir(exist_ok=True)
    _random_wavlm(work)
    paths = [_audio(work / f"{seconds}.flac", seconds) for seconds in LENGTHS]
    rows = []
    for name, encoder in (("sed_rtf_mini", "mini"), ("sed_rtf_wavlm_base", "wavlm_random")):
        # The shortest goes first again, so that what is set up at the first use is no part of its time.
        command = [sys.executable, "-c", MEASURE, encoder, str(os.cpu_count() or 1), paths[0], *paths]
        result = subprocess.run(
            command, cwd=work, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True, check=True
        )
        found = [json.loads(line) for line in result.stdout.splitlines()][1:]
        speeds = ", ".join(f"{audio:.0f} s: {audio / seconds:.1f}" for audio, seconds, _ in found)
        memory = ", ".join(f"{audio:.0f} s: {peak:.0f}" for audio, _, peak in found)
        audio, seconds, _ = found[-1]
        rows.append(
            {
                "name": name, "ours_s": seconds, "reference_s": audio, "ratio": audio / seconds,
                "target": "memory flat",
                "note": f"seconds of audio a second, frozen mode with all layers, decoding included; by length: "
                f"{speeds}; peak memory of the process so far in MB: {memory}",
            }
        )  # fmt: skip
    return rows


def _random_wavlm(work: Path) -> None:
    import transformers

    transformers.WavLMModel(transformers.WavLMConfig()).save_pretrained(work / "wavlm")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(work / "wavlm")
    (work / "conf/encoders.yaml").write_text("wavlm_random: {source: ./wavlm, layers: 13, dim: 768}\n")


def _audio(path: Path, seconds: int) -> str:
    """Write so much of the bundled speech, over and over."""
    speech = np.concatenate([soundfile.read(one, dtype="float32")[0] for one in sorted(SPEECH.glob("de/*.ogg"))])
    soundfile.write(path, np.resize(speech, seconds * 16000), 16000)
    return str(path)
