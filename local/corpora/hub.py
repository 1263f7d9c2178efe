"""Datasets of the Hugging Face hub, or in its formats, as a folder that local/corpora/table.py reads.

An entry of ``conf/corpora.yaml`` says which, and which of its columns is what::

    mycorpus:
      module: table
      language: it
      licence: CC BY 4.0
      download:
        - hf: someone/italian-emotions          # or a folder with parquet files or an audiofolder: /..., ./... or ~/...
          revision: 0123abc                     # pin it: what a hub id names may change
          split: train                          # default: all
          columns: {emotion: label, speaker: speaker_id, gender: sex}

``columns`` maps the table's columns (``emotion`` and ``speaker``, and any other of local/corpora/table.py) to the
dataset's; ``audio``, if it is called otherwise, too. ``utils/install.sh --extra hf`` installs what this needs. Audio is
written as the dataset holds it, undecoded. Code that a dataset brings along is not run.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.corpora.sources import AUDIO
from utils.errors import UserError
from utils.registry import hint

if TYPE_CHECKING:
    import datasets

_COLUMNS = (
    "audio", "emotion", "speaker", "person", "language", "gender", "text", "sentence", "session", "start", "end",
    "utterance",
)  # fmt: skip
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}


@dataclass(frozen=True)
class Dataset:
    """An item of ``download`` that is a dataset."""

    hf: str  # id on the hub, or a folder, which then begins with /, ./, ../ or ~
    columns: dict[str, str] = field(default_factory=dict)  # of the table: the dataset's
    config: str = ""  # which of its configurations, where it has several
    split: str = ""  # which part; empty for all
    revision: str = ""  # of a hub id: a commit or tag


def export(item: Dataset, place: str, folder: Path, cache: Path) -> int:
    """Write a dataset's audio and a ``metadata.tsv`` into a folder, and count its utterances.

    ``place`` names its entry, for messages; what the library keeps goes into ``cache``.

    Raises
    ------
    UserError
        The library or the dataset is not there, or a column is not.
    """
    wanted = {"audio": "audio"} | item.columns
    for name in wanted:
        if name not in _COLUMNS:
            raise UserError(f"{place}: columns: a table has no column {name}; {hint(name, _COLUMNS)}")
    splits = _load(item, place, cache)
    names = [name for name in wanted if name != "audio"]
    used: set[str] = set()
    with open(folder / "metadata.tsv", "w", encoding="utf-8", newline="\n") as file:
        print("path", *names, sep="\t", file=file)
        for split, part in splits.items():
            for row in _rows(part, wanted, f"{place}: {item.hf}, {split}"):
                path = _write(row["audio"], folder / "audio", f"{split}_{len(used) + 1:06d}", used)
                print(path.relative_to(folder).as_posix(), *(row[name] for name in names), sep="\t", file=file)
    return len(used)


def _load(item: Dataset, place: str, cache: Path) -> dict[str, datasets.Dataset]:
    """Load the dataset's parts, by their names."""
    try:
        import datasets
    except ImportError:
        raise UserError(f"{place}: {item.hf} needs the library datasets; utils/install.sh --extra hf") from None
    path, is_local = item.hf, item.hf.startswith(("/", "./", "../", "~"))
    if is_local:
        path = str(Path(item.hf).expanduser().resolve())
        if not Path(path).is_dir():
            raise UserError(f"{place}: hf: there is no folder {path}")
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        with _as_stored(datasets.Audio):
            loaded = datasets.load_dataset(
                path, item.config or None, split=item.split or None, revision=item.revision or None,
                cache_dir=str(cache),
            )  # fmt: skip
    # A hub that is out of reach, a name that it does not have, and files that are no dataset.
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{place}: {item.hf} cannot be loaded: {said[:300]}") from error
    return {item.split: loaded} if isinstance(loaded, datasets.Dataset) else dict(loaded)


@contextlib.contextmanager
def _as_stored(feature: type[datasets.Audio]) -> Iterator[None]:
    """Let the library take audio as it is: to note a mere path of an audiofolder, it wants torchcodec and ffmpeg."""
    original = feature.encode_example
    feature.encode_example = lambda _, value: value if isinstance(value, dict) else {"bytes": None, "path": str(value)}
    try:
        yield
    finally:
        feature.encode_example = original


def _rows(part: datasets.Dataset, wanted: dict[str, str], place: str) -> Iterator[dict[str, Any]]:
    """Yield what the columns hold by the table's names: words without tabs, and the audio as it is stored."""
    import datasets

    for name in ("emotion", "speaker", *wanted):
        if wanted.get(name) not in part.features:
            raise UserError(f"{place}: columns.{name} is {wanted.get(name, 'missing')}; "
                            f"the dataset has {', '.join(part.features)}")  # fmt: skip
    audio = wanted["audio"]
    if not isinstance(part.features[audio], datasets.Audio):
        raise UserError(f"{place}: the column {audio} holds {part.features[audio]}, no audio; see columns.audio")
    classes = {
        name: part.features[column] for name, column in wanted.items()
        if isinstance(part.features[column], datasets.ClassLabel)
    }  # fmt: skip
    for row in part.cast_column(audio, datasets.Audio(decode=False)):
        found = {name: row[column] for name, column in wanted.items()}
        for name, feature in classes.items():
            number = found[name]
            found[name] = "" if number is None or number < 0 else feature.int2str(number)
        yield {
            name: value if name == "audio" else "" if value is None else " ".join(str(value).split())
            for name, value in found.items()
        }


def _write(audio: dict[str, Any] | None, folder: Path, default: str, used: set[str]) -> Path:
    """Write one recording under the name it has in the dataset, made unique, and say where."""
    source = Path((audio or {}).get("path") or "")
    content = (audio or {}).get("bytes")
    suffix = source.suffix.lower() if source.suffix.lower() in AUDIO else ""
    if content is not None and not suffix:
        suffix = next((word for magic, word in _MAGIC.items() if content.startswith(magic)), ".wav")
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in source.stem) or default
    stem = stem if stem not in used else f"{stem}_{default}"
    used.add(stem)
    path = folder / f"{stem}{suffix or '.wav'}"
    folder.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    elif suffix and source.is_file():
        shutil.copyfile(source, path)
    # Else there is no such file, which stage 1 counts among what is excluded.
    return path
