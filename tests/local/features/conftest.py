"""A recipe with two corpora of synthetic audio and a small random checkpoint, to run the features stage in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import experiment
from local.encoders import needs
from local.experiment import Experiment, Features
from local.features import extract, merge
from local.features.work import Work, all_work
from tests.local.encoders.checkpoints import write_checkpoint

EMOTIONS = ("angry", "happy", "neutral", "sad", "bored")


def write_corpus(folder: Path, name: str, lengths: list[int], rate: int = 16000) -> None:
    """Write a data directory of noises of the given numbers of samples; every fifth utterance is bored."""
    rng = np.random.default_rng([len(name), len(lengths)])
    audio, data = folder / "audio" / name, folder / "data" / name
    audio.mkdir(parents=True)
    data.mkdir(parents=True)
    rows = []
    for number, samples in enumerate(lengths):
        utterance = f"{name}_s{number % 2}-u{number:03d}"
        path = audio / f"{utterance}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(samples), rate, subtype="PCM_16")
        rows.append((utterance, path, samples / rate, EMOTIONS[number % 5]))
    rows.sort()
    tables = {
        "wav.scp": [f"{utterance} {path}" for utterance, path, _, _ in rows],
        "utt2spk": [f"{utterance} {utterance.split('-')[0]}" for utterance, _, _, _ in rows],
        "utt2dur": [f"{utterance} {seconds:.6f}" for utterance, _, seconds, _ in rows],
        "utt2emo": [f"{utterance} {emotion}" for utterance, _, _, emotion in rows],
    }
    for table, lines in tables.items():
        (data / table).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@dataclass
class Recipe:
    """A recipe's folder, which is the working directory."""

    folder: Path

    def experiment(self, **fields: object) -> Experiment:
        """Give the experiment; batches are short, so that there are several."""
        default = {"corpora": ["one", "two"], "encoders": ["small"], "features": Features(batch_seconds=2.0)}
        return Experiment(**(default | fields))

    def works(self, **fields: object) -> list[Work]:
        """List the work of that experiment."""
        return all_work(self.experiment(**fields))

    def run(self, nj: int = 1, **fields: object) -> list[Work]:
        """Extract and merge."""
        works = self.works(**fields)
        for name in dict.fromkeys(work.encoder.name for work in works):
            mine = [work for work in works if work.encoder.name == name]
            for job in range(1, nj + 1):
                extract.extract(mine, job, nj, "cpu")
            for work in mine:
                if work.why_stale() is not None and not needs.unavailable(work.encoder, work.data):
                    merge.merge(work, nj)
        return works


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe with the corpora ``one`` and ``two`` and the encoder ``small``."""
    rng = np.random.default_rng(0)
    write_corpus(tmp_path, "one", [int(n) for n in rng.integers(6000, 30000, 20)])
    write_corpus(tmp_path, "two", [int(n) for n in rng.integers(9000, 60000, 10)], rate=24000)
    write_checkpoint(tmp_path / "small", "wav2vec2-base")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/encoders.yaml").write_text("small: {source: ./small, layers: 4, dim: 32, pretrained_on: [two]}\n")
    (tmp_path / "conf/experiment.yaml").write_text(
        "corpora: [one, two]\nencoders: [logmel, small]\nfeatures: {batch_seconds: 2.0}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert experiment.REPO.is_dir()
    return Recipe(tmp_path)
