"""What the features stage has to do: which utterances, in which batches, and whether it is already done.

Nothing here imports torch, so that a rerun with nothing to do takes no time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from local import encoders
from local.encoders import EncoderSpec, needs
from local.experiment import Experiment
from utils import data_dir, stamp
from utils.data_dir import Utterance
from utils.errors import UserError
from utils.table import read_table

# What makes features, beside the module of the encoder's kind.
CODE = ["local.features.extract", "local.features.merge"]
_TABLES = ("wav.scp", "segments", "utt2spk", "utt2emo", "utt2dur", "utt2digest")  # the last for what is heard


@dataclass(frozen=True)
class Work:
    """One encoder's features of one corpus."""

    encoder: EncoderSpec
    corpus: str  # name of a data directory
    experiment: Experiment  # which emotions count, and how the stage runs

    @property
    def data(self) -> Path:
        """The corpus's data directory."""
        return Path("data") / self.corpus

    @property
    def directory(self) -> Path:
        """Where the features go."""
        return Path("dump") / self.encoder.name / self.corpus

    def shards(self, nj: int) -> Path:
        """Where the parts of ``nj`` jobs are until they are merged."""
        return self.directory / f"shard.{nj}"

    def stamp(self) -> dict:
        """Say what the features are made from; see :mod:`utils.stamp`."""
        tables = [self.data / name for name in _TABLES if (self.data / name).exists()]
        tables += [path for path in [needs.table(self.encoder, self.data)] if path]
        # Relative, so that a recipe that is moved with its checkout stays valid.
        files = [os.path.relpath(path) for path in self.encoder.files()]
        config = {
            "encoder": self.encoder.identity() | {"layers": self.encoder.layers, "dim": self.encoder.dim},
            "features.precision": self.experiment.features.precision,
            "features.storage": self.experiment.features.storage,
            "emotions": sorted(self.experiment.emotions),
        }
        return stamp.make(config, [*CODE, self.encoder.module], [*tables, *files])

    def why_stale(self) -> str | None:
        """Tell why the features must be made; None when they are up to date."""
        return stamp.why_stale(self.directory, self.stamp())

    def utterances(self) -> list[Utterance]:
        """List the utterances with one of the experiment's emotions, in the data directory's order, at least one."""
        emotion = data_dir.read_utt2(self.data, "emo")
        wanted = set(self.experiment.emotions)
        chosen = [utterance for utterance in data_dir.read_utterances(self.data) if emotion[utterance.id] in wanted]
        if not chosen:
            raise UserError(f"{self.data}/utt2emo: no utterance is {' or '.join(self.experiment.emotions)}")
        return chosen

    def inputs(self) -> Callable[[list[Utterance]], list] | None:
        """Give what turns a batch into the encoder's input, where that is no audio."""
        path = needs.table(self.encoder, self.data)
        if path is None:
            return None
        values = read_table(path)
        return lambda batch: [values[utterance.id] for utterance in batch]

    def batches(self) -> list[list[Utterance]]:
        """Group the utterances by length, the longest first, ``features.batch_seconds`` at a time.

        How the work is cut into jobs has no influence, so neither has it on the features.
        """
        return group(self.utterances(), self.experiment.features.batch_seconds, self.data)


def all_work(experiment: Experiment, only: str | None = None) -> list[Work]:
    """List the work of an experiment, or of one of its encoders, done or not: by encoder, then by corpus.

    Of encoders side by side (``a+b``) each is listed, once. What an encoder cannot represent (local.encoders.needs) is
    in the list: the plan says so.

    Raises
    ------
    UserError
        The encoder is not of the experiment or not in the registry.
    """
    specs = {part.name: part for name in experiment.encoders for part in encoders.spec(name).parts}
    if only is not None and only not in specs:
        raise UserError(f"--encoder {only}: not of this experiment; its encoders: {', '.join(specs)}")
    wanted = [spec for name, spec in specs.items() if only in (None, name)]
    return [Work(spec, corpus, experiment) for spec in wanted for corpus in experiment.corpora]


def group(utterances: Iterable[Utterance], seconds: float, source: Path) -> list[list[Utterance]]:
    """Sort utterances by length, the longest first, and cut them into batches of at most so many seconds.

    A longer utterance is a batch of its own. ``source`` is their data directory, for messages.

    Raises
    ------
    UserError
        An utterance's length is not known.
    """
    utterances = list(utterances)
    for utterance in utterances:
        if utterance.duration is None:
            raise UserError(f"{source}/utt2dur: no such file, so the length of {utterance.id} is not known; "
                            f"run the data stage again")  # fmt: skip
    batches: list[list[Utterance]] = []
    room = 0.0
    for utterance in sorted(utterances, key=lambda utterance: (-utterance.duration, utterance.id)):
        if not batches or utterance.duration > room:
            batches.append([])
            room = seconds
        batches[-1].append(utterance)
        room -= utterance.duration
    return batches
