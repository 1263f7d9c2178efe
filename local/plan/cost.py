"""What is still to be made will cost on this machine: hours, memory and disk, by stage.

Of stage 2, from a short measurement: every encoder whose features are to be made runs for a few seconds in a process of
its own; what is not here yet has a stand-in (local/plan/stand_in.py), and lines say so. Of stages that make conditions,
from the pace of those that are finished, as they were made, and their size; before the first few have finished, from a
short measurement too (local/plan/forecast.py).
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import encoders
from local.encoders import EncoderSpec, kinds, needs
from local.experiment import Experiment
from local.features import work as features
from local.features.work import Work, all_work
from local.grid import plan
from local.grid.conditions import Group
from local.plan import forecast, sizes, stand_in, told
from local.plan.work import STAGES
from utils import ark, device, stamp
from utils.errors import UserError

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
    yield from _told(settings)
    disk = yield from _features(settings, ngpu)
    for stage in STAGES:
        disk += yield from _conditions(stage, settings, ngpu)
    free = shutil.disk_usage(".").free
    short = "" if disk < free else ": FREE SOME FIRST"
    yield f"  disk      {told.size(disk)} more, {told.size(free)} are free{short}"


def _told(settings: Experiment) -> Iterator[str]:
    """Say whose size is taken from elsewhere than what stage 1 writes."""
    known: dict[str, list[str]] = {}
    for name in settings.corpora:
        known.setdefault(sizes.of(name, settings).told, []).append(name)
    known.pop("", None)
    for whence, names in known.items():
        yield f"    {', '.join(names)}: {whence}"


def _features(settings: Experiment, ngpu: int) -> Iterator[str]:
    """Say what stage 2 costs; give the bytes."""
    todo: dict[str, list[Work]] = {}
    for work in all_work(settings):
        if not needs.unavailable(work.encoder, work.data) and _stale(work):
            todo.setdefault(work.encoder.name, []).append(work)
    disk, hours, unknown = 0, 0.0, 0
    measured: dict[object, Measured | str] = {}
    for name, works in todo.items():
        spec, found = works[0].encoder, [sizes.of(work.corpus, settings) for work in works]
        if not all(one.utterances for one in found):
            yield f"    {name}: not known ({next(one.told for one in found if not one.utterances)})"
            continue
        utterances, audio = sum(one.utterances for one in found), sum(one.seconds for one in found)
        size = ark.BYTES[settings.features.storage] * utterances * spec.layers * spec.dim
        disk += size
        absent = bool(stand_in.lacking(spec))
        key = (spec.layers, spec.dim) if absent else name
        if key not in measured:
            here = [work for work, one in zip(works, found, strict=True) if not one.told]
            measured[key] = measure(spec, here[0] if here else None, audio / utterances, settings, ngpu)
        own = measured[key]
        said = f"not measured ({own})"
        if isinstance(own, Measured):
            hours += audio / own.speed / 3600
            speed = f"{own.speed:.0f} x real time{', random weights of its size' if absent else ''}"
            said = f"{told.time(audio / own.speed)} ({speed}), {told.size(own.memory)} of memory"
        unknown += not isinstance(own, Measured)
        yield f"    {name}: {utterances} utterances, {audio / 3600:.2f} h: {said}, {told.size(size)} of disk"
    if todo:
        others = "1 encoder that was" if unknown == 1 else f"{unknown} encoders that were"
        rest = f" and {others} not measured" if unknown else ""
        yield f"  features  {told.time(3600 * hours)}{rest}, {told.size(disk)} of disk"
    return disk


def measure(
    spec: EncoderSpec, work: Work | None, seconds: float, settings: Experiment, ngpu: int = 0
) -> Measured | str:
    """Run an encoder, or what stands in for it, for a few seconds, in a process of its own; say why where that fails.

    Parameters
    ----------
    spec : EncoderSpec
        Which.
    work : Work, optional
        Whose utterances are run; without it, noise.
    seconds : float
        Of an utterance, on average.
    settings : Experiment
        How stage 2 runs.
    ngpu : int
        How many GPUs there are to be used.
    """
    try:
        if stand_in.lacking(spec):
            stand_in.shape(spec)
        if work is None and kinds.of(spec.kind).tables(spec):
            return "it reads tables that stage 1 will write"
        return told.alone(_measure, spec, work, seconds, settings, ngpu)
    except UserError as error:
        return str(error).split("; ")[0]


def _measure(spec: EncoderSpec, work: Work | None, seconds: float, settings: Experiment, ngpu: int) -> Measured:
    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing
    where = device.choose(1, ngpu)
    import torch

    from local.features import pipeline

    with stand_in.present(spec) as own:
        encoder = encoders.load(own, where, settings.features.precision)
    threads = torch.get_num_threads() if where == "cpu" else 1
    if work:
        batches, decode = work.batches(), work.inputs() or pipeline.load
    else:
        number = math.ceil((_SAMPLE * threads + 1) * settings.features.batch_seconds / seconds)
        made_up = stand_in.utterances(seconds, number)
        batches, decode = features.group(made_up, settings.features.batch_seconds, Path("data")), stand_in.noise
    # Spread over all lengths, so that they are no longer or shorter than usual.
    sample = batches[:: math.ceil(len(batches) / (_SAMPLE * threads + 1))]
    workers = settings.features.workers
    list(pipeline.run(encoder, sample[:1], threads, workers, decode))  # what only the first batch pays for
    timed = sample[1:] or sample
    begin = time.monotonic()
    list(pipeline.run(encoder, timed, threads, workers, decode))
    taken = max(time.monotonic() - begin, 1e-6)
    audio = sum(utterance.duration for batch in timed for utterance in batch)
    return Measured(audio / taken, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _conditions(stage: plan.Stage, settings: Experiment, ngpu: int) -> Iterator[str]:
    """Say what a stage's conditions cost, by those that are finished or else by what is measured; give the bytes."""
    left: list[Group] = []
    for group in stage.groups(settings):
        try:
            own = group.only(plan.foresee(stage, group).conditions)
        except UserError:
            own = group
        left += [own] if own.conditions else []
    if not left:
        return 0
    number, folder = sum(len(group.conditions) for group in left), settings.exp / stage.name
    finished = [path.stat().st_mtime for path in folder.glob(f"*/{stamp.NAME}")]
    pace = seconds_each(finished)
    if pace is None:
        return (yield from forecast.describe(stage.name, left, settings, ngpu))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) * number // len(finished)
    yield (
        f"  {stage.name:<9} {told.time(number * pace)} for {number} condition{'s' * (number != 1)}, at the pace "
        f"of the {len(finished)} that are finished; {told.size(size)} of disk"
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
