"""A job's part of an encoder's features of a corpus: written utterance by utterance, so that it can be resumed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np

from utils.ark import ArkWriter
from utils.atomic import atomic_file
from utils.errors import UserError


class Shard:
    """What one job, counted from 1, has made: ``feats.<job>.{ark,scp}``, ``excluded.<job>.tsv`` and ``job.<job>.json``.

    Opening it drops what an earlier run left there if that was made from something else (``stamp``), and what is
    damaged. The folder is for all jobs of one division of the work; ``done`` are the utterances written or excluded.
    """

    def __init__(self, folder: Path, job: int, stamp: dict):
        self._folder, self._job, self._stamp = folder, job, stamp
        self._excluded_path = folder / f"excluded.{job}.tsv"
        if _read_job(folder, job).get("stamp") != stamp:
            for name in (f"job.{job}.json", f"feats.{job}.scp", f"feats.{job}.ark", self._excluded_path.name):
                (folder / name).unlink(missing_ok=True)
            self.note(None)
        self._writer = ArkWriter(folder / f"feats.{job}")
        excluded = _read_excluded(self._excluded_path)
        with atomic_file(self._excluded_path) as file:
            file.writelines(f"{utterance}\t{reason}\n" for utterance, reason in excluded.items())
        self.done = self._writer.done | set(excluded)

    def note(self, precision: str | None, commit: str = "") -> None:
        """Note what the encoder really runs in, and the commit of its checkpoint (``Encoder.commit``)."""
        with atomic_file(self._folder / f"job.{self._job}.json") as file:
            json.dump({"stamp": self._stamp, "precision": precision, "commit": commit}, file)

    def write(self, utterance: str, matrix: np.ndarray) -> None:
        """Add an utterance's features, shape (layers, dim); excluded if they are not finite."""
        if np.isfinite(matrix).all():
            self._writer.write(utterance, matrix)
            self.done.add(utterance)
        else:
            self.exclude(utterance, "its features are not finite")

    def exclude(self, utterance: str, reason: str) -> None:
        """Note an utterance that can have no features."""
        with open(self._excluded_path, "a", encoding="utf-8") as file:
            file.write(f"{utterance}\t{reason}\n")
        self.done.add(utterance)

    def close(self) -> None:
        """Close the files."""
        self._writer.close()


def read(folder: Path, job: int, stamp: dict) -> tuple[Path, dict[str, str], str | None, str]:
    """Read what a job has made, with the arguments of :class:`Shard`: its scp file, exclusions, precision and commit.

    Exclusions are utterance to reason; the precision is None if the job had nothing to do.

    Raises
    ------
    UserError
        The job has not run, or ran on something else.
    """
    note = _read_job(folder, job)
    if note.get("stamp") != stamp:
        what = "has not run" if not note else "made its part from other data, settings or code"
        raise UserError(f"{folder}: job {job} {what}; run local.features.extract with the same options")
    excluded = _read_excluded(folder / f"excluded.{job}.tsv")
    return folder / f"feats.{job}.scp", excluded, note["precision"], note["commit"]


def _read_job(folder: Path, job: int) -> dict:
    with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
        found = json.loads((folder / f"job.{job}.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and {"stamp", "precision", "commit"} <= found.keys() else {}
    return {}


def _read_excluded(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [line[:-1].split("\t") for line in lines if line.count("\t") == 1 and line.endswith("\n")]
    return dict(rows)
