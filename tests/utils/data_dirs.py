"""Small data directories for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.data_dir import write_data_dir
from utils.table import format_table

RATE = 16000


def tables(audio: Path, speakers: int = 3, each: int = 4, segments: bool = False) -> dict[str, dict[str, str]]:
    """Make tables with one audio file an utterance, or, with ``segments``, one a speaker, all really there."""
    import soundfile

    audio.mkdir(parents=True, exist_ok=True)
    made: dict[str, dict[str, str]] = {name: {} for name in ("utt2spk", "wav.scp", "utt2emo", "utt2lang", "utt2dur")}
    made |= {"spk2gender": {}, "text": {}} | ({"segments": {}} if segments else {})
    for s in range(speakers):
        speaker = f"c_s{s}"
        made["spk2gender"][speaker] = "fm"[s % 2]
        for u in range(each):
            utterance, length = f"{speaker}-u{u}", 0.1 + 0.01 * ((5 * u + s) % 7)
            recording = f"{speaker}-all" if segments else utterance
            path = audio / f"{recording}.wav"
            if not path.exists():
                samples = np.sin(np.arange(RATE * each if segments else round(length * RATE)) / 20)
                soundfile.write(path, samples.astype("float32"), RATE)
            made["wav.scp"][recording] = str(path)
            made["utt2spk"][utterance] = speaker
            made["utt2emo"][utterance] = ("angry", "very happy")[u % 2]
            made["utt2lang"][utterance] = "zh"
            made["utt2dur"][utterance] = f"{length:.3f}"
            made["text"][utterance] = f"satz nummer {u} 你好" if u or not segments else ""
            if segments:
                made["segments"][utterance] = f"{recording} {u / 2} {u / 2 + length:.3f}"
    return made


def data_dir(root: Path, **options) -> Path:
    """Write the directory ``root/data`` with its audio beside it."""
    write_data_dir(root / "data", tables(root / "audio", **options))
    return root / "data"


def snapshot(directory: Path) -> dict[str, str]:
    """Read every file directly in a directory."""
    return {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir() if path.is_file()}


def write_table(path: Path, table: dict[str, str]) -> None:
    """Write one table."""
    path.write_bytes(format_table(path, table).encode())
