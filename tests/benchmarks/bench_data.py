"""Preparing a corpus of 50,000 files against decoding it."""

from __future__ import annotations

import contextlib
import io
import os
import time
from pathlib import Path

import numpy as np
import soundfile

from local.corpora.prepare import prepare
from local.corpora.registry import CorpusSpec

FILES, DISTINCT, SECONDS, DECODED = 50_000, 500, 3.0, 2_000
EMOTIONS = ("angry", "happy", "neutral", "sad")


def run(work: Path) -> list[dict]:
    """Make a corpus, prepare it, and decode a part of it.

    Parameters
    ----------
    work : Path
        Scratch folder.

    Returns
    -------
    list of dict
        One row, ``data_50000``.
    """
    root = work / "corpus"
    _make(root)
    spec = CorpusSpec("large", "table", "en")
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        prepare(spec, root / "large.tsv", work / "data" / "large")
    ours = time.perf_counter() - begin
    begin = time.perf_counter()
    for path in sorted(root.glob("wav/*.wav"))[:DECODED]:
        soundfile.read(path, dtype="float32")
    reference = (time.perf_counter() - begin) * FILES / DECODED
    return [
        {
            "name": "data_50000",
            "ours_s": ours,
            "reference_s": reference,
            "ratio": reference / ours,
            "target": "ours in minutes",
            "note": f"stage 1's preparation of {FILES} files (names of {DISTINCT} files of {SECONDS:g} s, read from "
            f"memory, not from a disk), headers only; the reference decodes them one after another, measured on "
            f"{DECODED} and scaled",
        }
    ]


def _make(root: Path) -> None:
    """Write a table and its audio: a few files, each under many names."""
    (root / "wav").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for n in range(DISTINCT):
        soundfile.write(root / f"wav/{n:05d}.wav", 0.1 * noise.standard_normal(round(SECONDS * 16000)), 16000)
    for n in range(DISTINCT, FILES):
        os.link(root / f"wav/{n % DISTINCT:05d}.wav", root / f"wav/{n:05d}.wav")
    rows = [f"wav/{n:05d}.wav\ts{n % 50:02d}\t{EMOTIONS[n // 50 % 4]}" for n in range(FILES)]
    (root / "large.tsv").write_text("\n".join(["path\tspeaker\temotion", *rows]) + "\n")
