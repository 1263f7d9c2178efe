"""What every stage is asked for, and what of it is to be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import shorten

from local import encoders
from local.experiment import Experiment
from local.features.work import all_work as all_features
from local.finetune.conditions import STAGE as FINETUNE
from local.grid import plan
from local.grid.factors import schemes
from local.grid.plan import Stage
from local.pretrain.work import all_work as all_pretraining
from local.probe.conditions import STAGE as PROBE
from local.sed.conditions import STAGE as SED
from utils import stamp
from utils.errors import UserError

STAGES = (PROBE, FINETUNE, SED)  # that make conditions
_LONGEST = 80  # of a reason


def describe(settings: Experiment) -> Iterator[str]:
    """Yield a line a stage: what is asked for, what of it is up to date, and why the rest is not."""
    yield "Work"
    lacking = missing(settings)
    prepared = len(settings.prepared)
    yield _line("data", {"corpora": (prepared, Counter({"not prepared, or not cut into folds": len(lacking)}))})
    pretrained, features = Counter(), Counter()
    for one in all_pretraining(settings):
        pretrained[_reason(one.why_stale)] += 1
    if pretrained:
        yield _line("pretrain", {"encoders": (pretrained.total(), pretrained)})
    for one in all_features(settings):
        features[encoders.unavailable(one.encoder) or _reason(one.why_stale)] += 1
    yield _line("features", {"encoders x corpora": (features.total(), features)})
    for stage in STAGES:
        yield from _conditions(stage, settings)


def missing(settings: Experiment) -> list[str]:
    """List the corpora that stage 1 has not prepared or not cut into all folds that are asked for."""
    found = []
    for name in settings.prepared:
        folder = Path("data", name)
        cut = [folder / "folds" / scheme for scheme in schemes(settings) if name in settings.folded]
        if not all((one / stamp.NAME).is_file() for one in (folder, *cut)):
            found.append(name)
    return found


def _conditions(stage: Stage, settings: Experiment) -> Iterator[str]:
    """Count a stage's conditions and trainings; nothing for a stage that is not asked for."""
    trainings: dict[str, str] = {}
    conditions: list[str] = []
    for group in stage.groups(settings):
        try:
            found, otherwise = plan.foresee(stage, group), ""
        except UserError as error:
            found, otherwise = None, str(error)
        for one in stage.trainings(group):
            trainings[str(one.directory)] = found.trainings.get(one, "") if found else otherwise
        conditions += [found.conditions.get(one, "") if found else otherwise for one in group.conditions]
    if conditions:
        parts = {"conditions": (len(conditions), Counter(conditions))}
        if trainings:
            parts["trainings"] = len(trainings), Counter(trainings.values())
        yield _line(stage.name, parts)


def _reason(why_stale: Callable[[], str | None]) -> str:
    """Ask why something is to be made; nothing where it is not."""
    try:
        return why_stale() or ""
    except UserError as error:
        return str(error)


def _line(stage: str, parts: dict[str, tuple[int, Counter[str]]]) -> str:
    said, told = [], None
    for what, (asked, reasons) in parts.items():
        stale = {reason: count for reason, count in reasons.most_common() if reason and count}
        if not stale:
            said.append(f"all {asked} {what} up to date")
            continue
        more = f", and {len(stale) - 1} other reasons" if len(stale) > 1 else ""
        why = f" ({shorten(next(iter(stale)), _LONGEST, placeholder=' ...')}{more})"
        said.append(f"{sum(stale.values())} of {asked} {what} to be made{why if why != told else ''}")
        told = why
    return f"  {stage:<9} {'; '.join(said)}"
