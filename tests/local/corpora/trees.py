"""Small corpora for tests: audio that tests make, under the names that corpora really use."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import soundfile

from local.corpora.prepare import prepare
from local.corpora.registry import CorpusSpec, spec


def speech(path: Path, seconds: float = 0.25, rate: int = 16000, **options: object) -> Path:
    """Write noise that depends on the path's name, so that no two files are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(path.name.encode())).standard_normal(round(seconds * rate))
    soundfile.write(path, 0.1 * noise, rate, **options)
    return path


def cut_short(path: Path) -> None:
    """Truncate a file, as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def prepared(root: Path, data_dir: Path, corpus: str | CorpusSpec) -> Path:
    """Prepare a corpus and return its data directory."""
    prepare(spec(corpus) if isinstance(corpus, str) else corpus, root, data_dir)
    return data_dir


def table(data_dir: Path, name: str) -> dict[str, str]:
    """Read one table."""
    lines = (data_dir / name).read_text(encoding="utf-8").splitlines()
    return dict((line.split(" ", 1) + [""])[:2] for line in lines)


def excluded(data_dir: Path) -> dict[str, str]:
    """Read the exclusions: item to reason."""
    header, *lines = (data_dir / "excluded.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "item\treason"
    rows = [line.split("\t") for line in lines]
    assert len({item for item, _ in rows}) == len(rows)
    return dict(rows)


def files(data_dir: Path) -> set[str]:
    """List the files of a data directory."""
    return {path.name for path in data_dir.iterdir()}
