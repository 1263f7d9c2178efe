"""What training reads of each utterance in every epoch, computed once and kept on disk in 16 or 32 bits.

All of it lies in one file, ``inputs.f16`` or ``inputs.f32``, a row a frame, which is mapped into memory and read as it
is needed; ``index.json`` says where each utterance's rows are. Utterances are known by their audio, so folds, seeds and
sets that share one share its rows, and audio that has changed is computed anew. Several processes may use a cache at
the same time: one fills it, the others wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from utils.atomic import atomic_file
from utils.data_dir import Utterance
from utils.errors import UserError, named

_INDEX, _LOCK = "index.json", ".lock"


class InputCache:
    """Inputs of one kind, kept as ``float16`` or ``float32`` in a folder, where other kinds' may lie beside them.

    The kind is what they depend on apart from the audio: the same string, the same inputs.
    """

    def __init__(self, folder: str | Path, kind: str, precision: str = "float16"):
        self._folder = Path(folder) / hashlib.sha256(kind.encode()).hexdigest()[:16]
        self._dtype = np.dtype(precision)
        self._data = self._folder / f"inputs.f{8 * self._dtype.itemsize}"
        self._places: dict[str, tuple[int, int]] = {}  # first row and number of rows, in the order of the file
        self._sums: dict[str, int] = {}  # CRC-32 of those rows
        self._keys: dict[Utterance, str] = {}
        self._shape: tuple[int, ...] = ()
        self._rows: np.memmap | None = None

    def fill(
        self, utterances: Sequence[Utterance], compute: Callable[[np.ndarray], np.ndarray], bar: bool, threads: int = 1
    ) -> None:
        """Compute what is not there yet.

        Parameters
        ----------
        utterances : sequence of Utterance
            At least one.
        compute : callable
            Samples (samples,) to input (frames, ...), which is rounded to the precision.
        bar : bool
            Whether to show the progress.
        threads : int
            How many utterances are computed side by side, each on one core.

        Raises
        ------
        UserError
            An utterance cannot be read, or is too short.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._read_index()
            self._keys |= {utterance: _key(utterance) for utterance in utterances}
            missing = {self._keys[one]: one for one in utterances if self._keys[one] not in self._places}
            if missing:
                try:
                    self._append(missing, compute, bar, threads)
                finally:
                    # What an interrupted run has computed counts.
                    with atomic_file(self._folder / _INDEX) as file:
                        json.dump({"shape": self._shape, "places": self._places, "sums": self._sums}, file)
        self._rows = np.memmap(self._data, dtype=self._dtype, mode="r", shape=(self._count(), *self._shape))

    def frames(self, utterance: Utterance) -> int:
        """Count an utterance's frames."""
        return self._places[self._keys[utterance]][1]

    def read(self, utterance: Utterance) -> np.ndarray:
        """Give an utterance's input, shape (frames, ...), without reading it yet."""
        begin, frames = self._places[self._keys[utterance]]
        return self._rows[begin : begin + frames]

    def get(self, utterance: Utterance, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Give the input of any utterance: what is kept of it, else what is computed now, which is not kept."""
        if not self._places:
            self._read_index()
        place = self._places.get(_key(utterance))
        if place is None:
            return self._compute(utterance, compute)
        values = place[1] * int(np.prod(self._shape))
        found = np.fromfile(self._data, self._dtype, values, offset=place[0] * self._row_size())
        return found.reshape(place[1], *self._shape)

    @classmethod
    def damage(cls, folder: Path) -> Iterator[str]:
        """Compare what a folder of one kind keeps with its checksums; say what is not as it was computed."""
        for data in sorted(folder.glob("inputs.f??")):
            cache = cls(folder, "", f"float{data.suffix[2:]}")
            cache._folder, cache._data = folder, data
            try:
                cache._read_index()
            except UserError as error:
                yield str(error)
                continue
            with open(data, "rb") as file:
                for key, (begin, frames) in cache._places.items():
                    file.seek(begin * cache._row_size())
                    if key in cache._sums and zlib.crc32(file.read(frames * cache._row_size())) != cache._sums[key]:
                        yield f"{data} does not have the checksum of what was computed of {key.partition('|')[0]}; " + (
                            cache._again()
                        )

    def _append(
        self, missing: dict[str, Utterance], compute: Callable[[np.ndarray], np.ndarray], bar: bool, threads: int
    ) -> None:
        import torch
        from tqdm import tqdm

        count = self._count()
        with named(self._data), open(self._data, "ab") as file:
            # Rows that the index does not tell of were left by a process that did not live to write it.
            file.truncate(count * self._row_size())
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                inputs = pool.map(lambda utterance: self._compute(utterance, compute), missing.values())
                for key, made in zip(missing, tqdm(inputs, "inputs", len(missing), disable=not bar), strict=True):
                    content = made.tobytes()
                    file.write(content)
                    file.flush()  # a full disk shows before the index tells of them
                    self._shape, self._places[key] = made.shape[1:], (count, len(made))
                    self._sums[key] = zlib.crc32(content)
                    count += len(made)

    def _compute(self, utterance: Utterance, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        try:
            return compute(utterance.load()).astype(self._dtype, copy=False)
        except UserError as error:
            raise UserError(f"{utterance.id}: {error}") from error

    def _row_size(self) -> int:
        """Give the bytes of a row."""
        return int(np.prod(self._shape)) * self._dtype.itemsize

    def _count(self) -> int:
        return sum(frames for _, frames in self._places.values())

    def _read_index(self) -> None:
        path = self._folder / _INDEX
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            self._shape = tuple(index["shape"])
            self._places = {key: (begin, frames) for key, (begin, frames) in index["places"].items()}
            self._sums = dict(index.get("sums", {}))
            whole = not self._places or self._data.stat().st_size >= self._count() * self._row_size()
        except FileNotFoundError as error:
            if Path(error.filename) == path:
                return
            whole = False
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UserError(f"{path}: damaged; {self._again()}") from error
        if not whole:
            raise UserError(f"{self._data}: cut short or missing; {self._again()}")

    def _again(self) -> str:
        return f"remove {self._folder}, it will be made again"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._folder / _LOCK, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _key(utterance: Utterance) -> str:
    """Name an utterance's audio: where it is and, of a file, its size and time of change."""
    key = f"{utterance.source}|{utterance.start}|{utterance.end}"
    path = Path(utterance.source)
    if not utterance.source.rstrip().endswith("|") and path.is_file():
        status = path.stat()
        key += f"|{status.st_size}|{status.st_mtime_ns}"
    return key
