"""What is still to be made will cost on this machine: hours, memory and disk, by stage.

Of stage 2, from a short measurement: every encoder whose features are to be made, and whose checkpoint is here, runs
for a few seconds in a process of its own. Of stages that make conditions, from the pace of those that are finished, as
they were made, and their size; before the first few have finished nothing is said.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from local import encoders
from local.encoders import EncoderSpec, needs
from local.experiment import Experiment
from local.features.work import Work, all_work
from local.grid import plan
from local.plan.work import STAGES
from utils import device, stamp
from utils.errors import UserError

_BYTES = 4  # of a feature
_SAMPLE = 2  # batches a core that are timed
_FEW = 3  # finished conditions, of which a pace can be told
_PAUSE, _PAUSE_S = 20, 600.0  # a gap between two that is so many times the others, and so many seconds, is a pause


@dataclass(frozen=True)
class Measured:
    """What an encoder's short run showed: seconds of audio it takes in a second, and the most memory, in bytes."""

    speed: float
    memory: int


def describe(settings: Experiment, ngpu: int = 0) -> Iterator[str]:
    """Yield lines: of each encoder with features to be made, their sum, and each stage that makes conditions."""
    yield "Cost, on this machine (jobs beside one another share it)"
    disk = yield from _features(settings, ngpu)
    for stage in STAGES:
        disk += yield from _conditions(stage, settings)
    free = shutil.disk_usage(".").free
    yield f"  disk      {_size(disk)} more, {_size(free)} are free" + ("" if disk < free else ": FREE SOME FIRST")


def _features(settings: Experiment, ngpu: int) -> Iterator[str]:
    """Say what stage 2 costs; give the bytes."""
    todo: dict[str, list[Work]] = {}
    for work in all_work(settings):
        if (work.data / stamp.NAME).is_file() and not needs.unavailable(work.encoder, work.data) and _stale(work):
            todo.setdefault(work.encoder.name, []).append(work)
    disk, hours, unknown = 0, 0.0, 0
    for name, works in todo.items():
        spec = works[0].encoder
        try:
            utterances = [one for work in works for one in work.utterances()]
        except UserError as error:
            yield f"    {name}: not known ({error})"
            continue
        size, audio = _BYTES * len(utterances) * spec.layers * spec.dim, sum(one.duration or 0 for one in utterances)
        disk += size
        found = measure(works[0], ngpu)
        said = f"not measured ({found})"
        if isinstance(found, Measured):
            hours += audio / found.speed / 3600
            said = f"{_time(audio / found.speed)} ({found.speed:.0f} x real time), {_size(found.memory)} of memory"
        unknown += not isinstance(found, Measured)
        yield f"    {name}: {len(utterances)} utterances, {audio / 3600:.2f} h: {said}, {_size(size)} of disk"
    if todo:
        rest = f" and {unknown} encoders that were not measured" if unknown else ""
        yield f"  features  {_time(3600 * hours)}{rest}, {_size(disk)} of disk"
    return disk


def measure(work: Work, ngpu: int = 0) -> Measured | str:
    """Run an encoder for a few seconds on some of a corpus, in a process of its own; say why where that fails."""
    try:
        work.encoder.check_present()
        if work.encoder.source and work.encoder.folder is None:
            _check_fetched(work.encoder)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_measure, work, ngpu).result()
    except UserError as error:
        return str(error).split("; ")[0]


def _measure(work: Work, ngpu: int) -> Measured:
    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing
    where = device.choose(1, ngpu)
    import torch

    from local.features import pipeline

    encoder = encoders.load(work.encoder, where, work.experiment.features.precision)
    threads = torch.get_num_threads() if where == "cpu" else 1
    batches = work.batches()
    # Spread over all lengths, so that they are no longer or shorter than usual.
    sample = batches[:: math.ceil(len(batches) / (_SAMPLE * threads + 1))]
    workers, decode = work.experiment.features.workers, work.inputs() or pipeline.load
    list(pipeline.run(encoder, sample[:1], threads, workers, decode))  # what only the first batch pays for
    timed = sample[1:] or sample
    begin = time.monotonic()
    list(pipeline.run(encoder, timed, threads, workers, decode))
    seconds = max(time.monotonic() - begin, 1e-6)
    audio = sum(utterance.duration for batch in timed for utterance in batch)
    return Measured(audio / seconds, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _check_fetched(spec: EncoderSpec) -> None:
    from huggingface_hub import try_to_load_from_cache

    names = ("config.json", "config.yaml")
    if not any(isinstance(try_to_load_from_cache(spec.source, name, revision=spec.revision), str) for name in names):
        raise UserError(f"{spec.source} has not been fetched yet")


def _conditions(stage: plan.Stage, settings: Experiment) -> Iterator[str]:
    """Say what a stage's conditions cost, by those that are finished; give the bytes."""
    left = 0
    for group in stage.groups(settings):
        try:
            left += len(plan.foresee(stage, group).conditions)
        except UserError:
            left += len(group.conditions)
    if not left:
        return 0
    folder = settings.exp / stage.name
    finished = [path.stat().st_mtime for path in folder.glob(f"*/{stamp.NAME}")]
    pace = seconds_each(finished)
    if pace is None:
        yield f"  {stage.name:<9} {left} conditions; how long is known when {_FEW} have finished: --plan then says it"
        return 0
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) * left // len(finished)
    yield (
        f"  {stage.name:<9} {_time(left * pace)} for {left} conditions, at the pace of the {len(finished)} that are "
        f"finished; {_size(size)} of disk"
    )
    return size


def seconds_each(finished: Sequence[float]) -> float | None:
    """Work out how long a condition takes from when others were finished, pauses left out; None for too few.

    Examples
    --------
    >>> seconds_each([10, 12, 14, 9000, 9002])
    2.0
    """
    if len(finished) < _FEW:
        return None
    times = sorted(finished)
    gaps = sorted(after - before for before, after in zip(times, times[1:]))  # noqa: B905 (pairs of neighbours)
    # Conditions of a group finish together, so that most gaps may be small: few can be pauses.
    usual = gaps[: -max(1, len(gaps) // 20)]
    return statistics.fmean(gap for gap in gaps if gap <= max(_PAUSE_S, _PAUSE * usual[-1]))


def _stale(work: Work) -> bool:
    try:
        return work.why_stale() is not None
    except UserError:
        return True


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(number: float) -> str:
    return f"{number / 2**20:.1f} MiB" if number < 2**30 else f"{number / 2**30:.1f} GiB"
