"""A recipe with three made-up corpora of short tones, prepared and cut into folds, and its server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from utils.data_dir import write_data_dir
from utils.folds import write_folds
from utils.registry import REPO
from utils.rttm import Segment, write_rttm

EMOTIONS = ("angry", "happy", "neutral", "sad")
LISTEN = {
    "corpora": ["toy_de", "toy_zh"], "segments": ["toy_sed"], "each": 1, "practice": 1, "attention": 1, "headphones": 1,
    "rest": 5, "listeners": 3, "groups": ["de", "zh"], "languages": ["en", "de", "zh"],
}  # fmt: skip


def write_corpus(root: Path, name: str, language: str, emotions: tuple[str, ...], folds: int = 3, seconds: float = 0.3):
    """Write data/<name>: three speakers, two sentences of every emotion each; every fold tests another speaker."""
    names = ("wav.scp", "utt2spk", "utt2emo", "utt2lang", "utt2sent")
    tables: dict[str, dict[str, str]] = {table: {} for table in names}
    segments = []
    for place, emotion in enumerate(emotions):
        for speaker in "abc":
            for sentence in "12":
                utt = f"{name}_{speaker}-{sentence}-{emotion}"
                pitch = 150 + 40 * place + 10 * "abc".index(speaker) + 3 * int(sentence) + len(name)
                samples = 0.3 * np.sin(2 * np.pi * pitch * np.arange(int(16000 * seconds)) / 16000)
                path = root / "wav" / f"{utt}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, samples, 16000)
                for table, value in zip(
                    tables, (path, f"{name}_{speaker}", emotion, language, f"{name}_s{sentence}"), strict=True
                ):
                    tables[table][utt] = str(value)
                segments += [Segment(utt, 0.0, seconds / 2, emotion), Segment(utt, seconds / 2, seconds, "neutral")]
    data = root / "data" / name
    write_data_dir(data, tables)
    if folds:
        parts = []
        for number in range(folds):
            turned = "abc"[number:] + "abc"[:number]
            part = dict(zip(turned, ("test", "dev", "train"), strict=True))
            fold: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
            for utt, speaker in tables["utt2spk"].items():
                fold[part[speaker[-1]]].append(utt)
            parts.append(fold)
        write_folds(data / "folds" / "speaker", parts)
    else:
        write_rttm(data / "ref.rttm", segments)
    (data / ".done").write_text("{}")


def write_world(root: Path, **listen: object) -> Path:
    """Write the recipe, with other settings of ``listen`` where they are named."""
    write_corpus(root, "toy_de", "de", EMOTIONS)
    write_corpus(root, "toy_zh", "zh", EMOTIONS)
    write_corpus(root, "toy_sed", "en", ("angry", "happy", "sad"), folds=0, seconds=0.8)
    config = {"corpora": ["toy_de", "toy_zh"], "encoders": ["logmel"], "listen": LISTEN | listen}
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf" / "experiment.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return root


def command(root: Path, module: str, *options: str) -> subprocess.CompletedProcess:
    """Run a module in the recipe's folder."""
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    words = [sys.executable, "-m", module, *options]
    return subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=120)


@dataclass
class Server:
    """A server that runs in the recipe's folder."""

    process: subprocess.Popen
    links: dict[str, str]  # by listener

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers, and end them with the module."""
    running: list[subprocess.Popen] = []

    def start(root: Path, port: int = 0) -> Server:
        environment = os.environ | {"PYTHONPATH": str(REPO)}
        words = [sys.executable, "-m", "local.listen.server", "--set", f"listen.port={port or free_port()}"]
        # A file: a pipe that nobody reads holds a server up that says more than it takes.
        log = root / "server.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(words, cwd=root, env=environment, stdout=file, stderr=subprocess.STDOUT)
        running.append(process)
        end = time.monotonic() + 60
        while "\nserving" not in (said := log.read_text()) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        links = dict(re.findall(r"^(\w+)\t(http://\S+)$", said, re.MULTILINE))
        assert links, said
        return Server(process, links)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe, clips chosen."""
    root = write_world(tmp_path_factory.mktemp("listen") / "toy")
    done = command(root, "local.listen.clips")
    assert done.returncode == 0, done.stderr
    return root
