"""How long conditions will take of which none has been made: by a short measurement of what they are made of.

Of stage 3, a head of each kind and size is trained on noise; of stage 4, a classifier of each strategy takes two
updates and scores a few utterances. That is multiplied by what is asked for: folds, seeds, layers, utterances, epochs.
Where early stopping would end a training sooner, or the layer is still to be chosen, it is the most that it can take.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from local import encoders
from local.experiment import Experiment
from local.finetune.conditions import STAGE as FINETUNE
from local.finetune.strategies import Design
from local.grid.conditions import Group
from local.losses import ALIGNED
from local.plan import sizes, stand_in, told
from local.probe import selection
from local.probe.conditions import STAGE as PROBE
from local.probe.conditions import seeds as seeds_of
from utils import device
from utils.errors import UserError

_SEEN, _EPOCHS = 600, 2  # utterances and epochs that a head is timed on
_TUNED = 4  # utterances that a classifier is timed on
_ROW = 100  # bytes of an utterance's posteriors in a condition's directory
_FRAME = 1024  # bytes of a frame that training keeps in stage 4: 512 channels in 16 bits
_FRAMES = 50  # a second


@dataclass(frozen=True)
class Tuned:
    """What a classifier of stage 4 takes: seconds for each second of audio, once, an update and a score; and bytes."""

    once: float
    update: float
    score: float
    memory: int
    model: int


def describe(stage: str, groups: Sequence[Group], settings: Experiment, ngpu: int) -> Iterator[str]:
    """Say what a stage's conditions cost of which fewer have finished than show a pace; give the bytes.

    Parameters
    ----------
    stage : str
        Its name.
    groups : sequence of Group
        With the conditions that are left.
    settings : Experiment
        Which asks for them.
    ngpu : int
        How many GPUs there are to be used.
    """
    number = sum(len(group.conditions) for group in groups)
    unknown = [name for group in groups for name in group.corpora if not sizes.of(name, settings).utterances]
    later = "how long is known when 3 have finished: --plan then says it"
    try:
        if unknown or stage not in (PROBE.name, FINETUNE.name):
            raise UserError(sizes.of(unknown[0], settings).told if unknown else "")
        if stage == PROBE.name:
            jobs, seconds, size, how = len(groups), *_probes(groups, settings)
        else:
            jobs = sum(_folds(group) * len({*group.first.experiment.finetune.seeds}) for group in groups)
            seconds, size, how = yield from _tunings(groups, settings, ngpu)
    except UserError as error:
        yield f"  {stage:<9} {number} condition{'s' * (number != 1)}; {later}" + (f" ({error})" if str(error) else "")
        return 0
    yield (
        f"  {stage:<9} at most {told.time(seconds)} for {number} condition{'s' * (number != 1)} "
        f"in up to {jobs} job{'s' * (jobs != 1)}, {how}; "
        f"{told.size(size)} of disk"
    )
    return size


def _folds(group: Group) -> int:
    split = group.first.experiment.split
    return group.folds or split.folds * split.repeats


def _probes(groups: Sequence[Group], settings: Experiment) -> tuple[float, float, str]:
    """Add up the heads of stage 3: seconds on all cores, and bytes."""
    measured: dict[tuple, float] = {}
    total, size, memory = 0.0, 0.0, 0.0
    for group in groups:
        lead = group.first
        if lead.method == ALIGNED:
            raise UserError(f"head {ALIGNED}")
        spec, probe = encoders.spec(lead.encoder), lead.experiment.probe
        train, dev, _ = sizes.parts(lead.train, settings)
        nested = _nested(lead, settings)
        # Shots are trained on alone, and nested choice trains on parts of train and dev, and then on all of both.
        train = lead.factors["shots"] or train + (dev if nested else 0)
        grid = tuple(probe.logreg_grid or [probe.logreg_c]) if lead.method == "logreg" else ()
        key = lead.method, spec.dim, grid
        if key not in measured:
            measured[key] = told.alone(_head, *key, probe, len(lead.factors["emotions"]))
        epochs = 1 if grid else probe.epochs
        # Each of the inner folds leaves one part of all out.
        times = selection.INNER if nested else 1
        heads = _folds(group) * len(seeds_of(lead)) * spec.layers
        total += heads * train * epochs * times * measured[key]
        # All that is trained on, what is tested on, and a fold's share of it laid out anew.
        held = sum(sizes.of(name, settings).utterances for name in {*group.learnt, lead.test})
        memory = max(memory, 2 * 4 * held * spec.layers * spec.dim)
        for condition in group.conditions:
            tested = sizes.of(condition.test, settings).utterances
            size += _ROW * tested * len(seeds_of(lead)) * condition.experiment.split.repeats
    cores = os.cpu_count() or 1
    how = f"each head timed on noise, steps and shots as if plain, on {cores} cores; {told.size(memory)} of memory"
    return total / cores, size, how


def _nested(lead: object, settings: Experiment) -> bool:
    wanted = lead.factors["select"]
    if wanted == "auto":
        speakers = sum(sizes.of(name, settings).speakers for name in lead.train)
        share = 1 - 1 / lead.experiment.split.folds
        return lead.dev == lead.train and speakers * share < selection.FEW
    return wanted != selection.DEV


def _head(method: str, dim: int, grid: tuple[float, ...], probe: object, classes: int) -> float:
    """Train a head on noise; give the seconds of one core for an utterance and an epoch."""
    import torch

    from local.probe import logreg
    from local.probe.descent import Lesson, train
    from local.probe.group import AT_ONCE
    from local.probe.heads import HEADS, Linear

    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    layers = 1 if method == "logreg" else AT_ONCE
    x = torch.randn(layers, _SEEN, dim, generator=draw)
    # A weak trace of what is to be learnt, as in speech.
    y = (x[0, :, :classes] + torch.randn(_SEEN, classes, generator=draw)).argmax(1)
    lesson = Lesson(x, y, x[:, : _SEEN // 5].contiguous(), y[: _SEEN // 5])
    begin = time.process_time()
    if method == "logreg":
        logreg.train_together([lesson], grid)
        epochs = 1
    else:
        epochs = _EPOCHS
        head = HEADS.get(method, Linear)(dim, classes)
        train(head, x, y, lesson.dev_x, lesson.dev_y, dataclasses.replace(probe, epochs=epochs), (0, 0))
    return (time.process_time() - begin) / (layers * _SEEN * epochs)


def _tunings(groups: Sequence[Group], settings: Experiment, ngpu: int) -> Iterator[str]:
    """Add up the trainings of stage 4: seconds and bytes; say what each strategy on each encoder takes."""
    measured: dict[tuple, Tuned] = {}
    once: dict[tuple, float] = {}  # what is computed once an utterance, whatever is trained on it
    found: dict[tuple, list[tuple[float, Tuned]]] = {}
    size = 0.0
    for group in groups:
        lead, options, spec = group.first, group.first.experiment.finetune, encoders.spec(group.first.encoder)
        design, absent = _design(group, spec), bool(stand_in.lacking(spec))
        corpora = {name: sizes.of(name, settings) for name in group.corpora}
        each = sum(own.seconds for own in corpora.values()) / sum(own.utterances for own in corpora.values())
        key = stand_in.shape(spec) if absent else lead.encoder, design
        if key not in measured:
            measured[key] = told.alone(_classifier, spec, design, lead.factors["emotions"], each, options, ngpu)
        own, trainings = measured[key], _folds(group) * len({*options.seeds})
        cost = trainings * each * _training(group, own, settings)
        found.setdefault((lead.encoder, lead.method, absent), []).append((cost, own))
        frozen = design.strategy == "head"  # then means are kept, not frames
        for name, corpus in corpora.items():
            if (lead.encoder, frozen and design, name) not in once:
                once[lead.encoder, frozen and design, name] = corpus.seconds * own.once
                size += 0 if frozen else corpus.seconds * _FRAMES * _FRAME
        size += trainings * own.model
    total = sum(once.values())
    for (encoder, method, absent), costs in found.items():
        sought = sum(cost for cost, _ in costs)
        total += sought
        whence = ", random weights of its size" if absent else ""
        memory = told.size(max(own.memory for _, own in costs))
        yield f"    {encoder}, {method}: at most {told.time(sought)} ({len(costs)} groups{whence}), {memory} of memory"
    how = f"{told.time(sum(once.values()))} of it once an utterance; all epochs, and all blocks where a layer is open"
    return total, size, how


def _design(group: Group, spec: encoders.EncoderSpec) -> Design:
    """Say how a classifier is built, with all blocks where its layer is still to be chosen."""
    factors = group.first.factors
    layer = int(factors["layer"]) if str(factors["layer"]).isdecimal() else spec.layers - 1
    return Design(layer, group.first.method, *(factors[name] for name in ("pooling", "head", "init")))


def _training(group: Group, own: Tuned, settings: Experiment) -> float:
    """Give what a training of all epochs, and its tests, cost, in seconds for each second of an utterance."""
    lead, cost = group.first, 0.0
    for train, dev in ((lead.source, lead.source), (lead.train, lead.dev)):
        if train:
            updated, scored = sizes.parts(train, settings)[0], sizes.parts(dev, settings)[1]
            cost += lead.experiment.finetune.epochs * (updated * own.update + scored * own.score)
    return cost + sum(sizes.parts((one.test,), settings)[2] for one in group.conditions) * own.score


def _classifier(
    spec: encoders.EncoderSpec, design: Design, emotions: Sequence[str], each: float, options: object, ngpu: int
) -> Tuned:
    """Build a classifier, and take two updates on noise, the second of which is timed."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    where = device.choose(1, ngpu)
    import torch
    from torch.nn import functional

    from local.finetune.model import EmotionClassifier

    with stand_in.present(spec) as own:
        classifier = EmotionClassifier(own, emotions, design, device=where, precision=options.precision)
    waves = stand_in.noise(stand_in.utterances(each, _TUNED))
    audio = each * _TUNED
    classifier.features(waves[0])
    begin = time.monotonic()
    rows = [torch.from_numpy(classifier.features(wave)) for wave in waves]
    once = time.monotonic() - begin
    inputs, lengths = torch.cat(rows).to(where), [len(one) for one in rows]
    labels = torch.arange(_TUNED, device=where) % len(emotions)
    optimiser = torch.optim.AdamW(classifier.trainable().values(), lr=options.lr)
    for _ in range(2):
        begin = time.monotonic()
        classifier.train()
        optimiser.zero_grad()
        functional.cross_entropy(classifier(inputs, lengths).float(), labels).backward()
        optimiser.step()
        if where != "cpu":
            torch.cuda.synchronize()
        update = time.monotonic() - begin
    begin = time.monotonic()
    with torch.no_grad():
        classifier.eval()(inputs, lengths).cpu()
    score = time.monotonic() - begin
    model = sum(4 * weight.numel() for weight in classifier.trainable().values())
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Tuned(once / audio, update / audio, score / audio, memory, model)
