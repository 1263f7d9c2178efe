"""What a stage has to do, why, and which share of it is whose: for every stage that makes conditions.

A stage's module ``conditions`` holds a :class:`Stage`. Its command ``plan`` prints what is stale and why, and writes
the manifest, and the plan that jobs divide among themselves; its command ``train`` does a job's share.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local import experiment
from local.experiment import Experiment
from local.grid import manifest
from local.grid.conditions import Condition, Group, Training, expand, groups
from utils import stamp
from utils.atomic import atomic_file
from utils.errors import UserError

NAME = "plan"
_SHOWN = 4  # names a line


@dataclass(frozen=True)
class Stage:
    """What a stage tells about itself.

    Attributes
    ----------
    name : str
    asked : callable
        Of an experiment that varies nothing: its own factors of every condition, in order.
    stamp : callable
        Of a group and one of its conditions: what the result is made from (utils.stamp).
    trainings : callable
        Of a group: its trainings; none in a stage that keeps no models.
    training_stamp : callable
        Of a training: what the model is made from.
    needs : callable
        Of a group: the finished directories that it cannot do without, and the stage that makes each.
    """

    name: str
    asked: Callable[[Experiment], Iterable[Mapping]]
    stamp: Callable[[Group, Condition], dict]
    needs: Callable[[Group], Mapping[Path, str]]
    trainings: Callable[[Group], list[Training]] = lambda group: []
    training_stamp: Callable[[Training], dict] = lambda training: {}

    def conditions(self, settings: Experiment) -> list[Condition]:
        """List the conditions that an experiment asks for."""
        return expand(self.name, settings, self.asked)

    def groups(self, settings: Experiment) -> list[Group]:
        """List the groups of these conditions."""
        return groups(self.conditions(settings))


@dataclass(frozen=True)
class Work:
    """What is to be done of a group.

    Attributes
    ----------
    group : Group
    trainings : dict of Training to str
        Those that have to be made, and why.
    conditions : dict of Condition to str
        Those that have to be tested, and why.
    settings : dict of Condition to str
        Digests of what is asked of all its conditions.
    """

    group: Group
    trainings: dict[Training, str]
    conditions: dict[Condition, str]
    settings: dict[Condition, str]

    @property
    def units(self) -> list[str]:
        """Names of what jobs divide among themselves: trainings, or else the testing of the group."""
        if self.trainings:
            return [str(training.directory) for training in self.trainings]
        return [str(self.group.directory)] if self.conditions else []


def work(stage: Stage, group: Group) -> Work:
    """Find what has to be done of a group, by a stage that is about to do it.

    Raises
    ------
    UserError
        What it is made from is not finished.
    """
    found = foresee(stage, group)
    if found.units:
        for folder, maker in stage.needs(group).items():
            if not (folder / stamp.NAME).is_file():
                raise UserError(f"{folder}: not finished (no {stamp.NAME}); run the {maker} stage first")
    return found


def foresee(stage: Stage, group: Group) -> Work:
    """Find what has to be done of a group, whether or not it can be done yet.

    Raises
    ------
    UserError
        What is to be done follows from what is not finished.
    """
    stale = {}
    for training in stage.trainings(group):
        reason = stamp.why_stale(training.directory, stage.training_stamp(training))
        if reason:
            stale[training] = reason
    tests, asked = {}, {}
    for condition in group.conditions:
        made_from = stage.stamp(group, condition)
        asked[condition] = manifest.digest(made_from["config"])
        reason = stamp.why_stale(condition.directory, made_from)
        if reason or stale:
            tests[condition] = reason or "a model of it is to be trained"
    return Work(group, stale, tests, asked)


def command(stage: Stage, description: str | None) -> None:
    """Run a stage's command ``plan``: write manifest and plan, print what will be done, and how many units there are.

    Parameters
    ----------
    stage : Stage
        Whose.
    description : str
        The command's docstring.
    """
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    works = laid_out(stage, settings)
    # Groups whose conditions differ in what decides nothing here (dev of the target, within a corpus) share models.
    units = list(dict.fromkeys(unit for one in works for unit in one.units))
    folder = settings.exp / stage.name
    if units or folder.is_dir():
        with atomic_file(folder / NAME) as file:
            file.writelines(f"{unit}\n" for unit in units)
    print(len(units))


def laid_out(stage: Stage, settings: Experiment) -> list[Work]:
    """Find what a stage has to do, say so on standard error, and write its manifest.

    Raises
    ------
    UserError
        What is asked for makes no sense, or what it is made from is not finished.
    """
    conditions = stage.conditions(settings)
    works = [work(stage, group) for group in groups(conditions)]
    for line in describe(stage.name, works):
        print(line, file=sys.stderr)
    asked = {condition: digest for one in works for condition, digest in one.settings.items()}
    folder = settings.exp / stage.name
    # Without conditions there is no manifest, so that a stage which is not asked for leaves nothing.
    if conditions or (folder / manifest.NAME).is_file():
        entries = [manifest.Entry(one.directory, one.identity, asked[one]) for one in conditions]
        manifest.write(folder, entries)
    return works


def describe(stage: str, works: Iterable[Work]) -> list[str]:
    """Put into words what is skipped and what is made, and why: a line for every reason."""
    works = list(works)
    valid = sum(len(one.group.conditions) - len(one.conditions) for one in works)
    lines = [f"{stage}: {_count(valid)} up to date, skipped"] if valid else []
    reasons: dict[str, dict[str, None]] = {}  # names in order, each once: groups may share trainings
    for one in works:
        for training, reason in one.trainings.items():
            reasons.setdefault(f"to be trained, {reason}", {})[str(training.directory)] = None
        for condition, reason in one.conditions.items():
            reasons.setdefault(f"to be made, {reason}", {})[condition.name] = None
    for reason, names in reasons.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        lines.append(f"{stage}: {len(names)} {reason}: {' '.join(list(names)[:_SHOWN])}{more}")
    return lines


def _count(number: int) -> str:
    return "1 condition is" if number == 1 else f"{number} conditions are"
