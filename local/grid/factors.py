"""The factors: everything that one condition may do differently from another.

A condition is a stage and a value of each of its factors. A factor that has a ``field`` takes its value from there
(``probe.normalise``); every factor can take several values side by side through ``vary``. To add one, give it a line in
``FACTORS``; where frozen features are to be treated in a new way, name the module that does it (local/probe/scale.py).
Older results, which were made before there was such a factor, are read as at its default and stay valid.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from local.experiment import Experiment
from utils.config_fields import check_words
from utils.errors import UserError
from utils.registry import hint

Value = Any  # what YAML holds: a string, a number, a truth value, or a tuple of strings
PROBE, FINETUNE, SED = STAGES = ("probe", "finetune", "sed")
OUTSIDE = "outside"  # makes no systems, but conditions of what others say (local/outside)
# Sections whose fields may vary: other fields change what all conditions share.
_VARIABLE = (*STAGES, "split.scheme", "losses")


@dataclass(frozen=True)
class Factor:
    """One thing that may differ between conditions.

    Attributes
    ----------
    name : str
        Column of the tables, and word in the names of directories.
    stages : tuple of str
        Those that know it.
    field : str
        Of the experiment, which gives its value; empty for one that the stage or ``vary`` alone sets.
    default : value
        At which it is not mentioned. Of a factor with a field: the field's own default.
    phrase : str
        How tables call a value, with ``{value}`` in it.
    seeded : bool
        Whether other values draw other random numbers. What only treats the same draws differently is not: its
        conditions then differ in nothing else.
    module : str
        Of the probes: the module that carries it out (its ``fit``), where the value is not the default.
    sees_test : bool or tuple
        Whether training looks at the train list of the test corpus, where the value is not the default, or is among
        these: conditions with other test corpora then share no training.
    control : bool
        Whether other values ask what explains a result, or use more of the test corpus than a system would be given:
        such conditions are never the one that dev prefers, and stand in no headline by themselves.
    """

    name: str
    stages: tuple[str, ...] = (*STAGES, OUTSIDE)
    field: str = ""
    default: Value = None
    phrase: str = ""
    seeded: bool = False
    module: str = ""
    sees_test: bool | tuple[Value, ...] = False
    control: bool = False

    def says(self, value: Value) -> str:
        """Call a value as tables do; nothing at the default."""
        if value == self.default:
            return ""
        return (self.phrase or f"{self.name} {{value}}").format(value=show(value))

    def looks(self, value: Value) -> bool:
        """Whether training looks at the test corpus, see ``sees_test``."""
        among = self.sees_test if isinstance(self.sees_test, tuple) else (value,) * self.sees_test
        return value != self.default and value in among


# In the order of names and columns. The first five make a condition; the default of the others is not mentioned.
FACTORS = {
    factor.name: factor
    for factor in (
        Factor("encoder", default=""),
        Factor("method"),
        Factor("source", (FINETUNE,), default=(), phrase="after {value}", seeded=True),
        Factor("train", default=()),
        Factor("test"),
        Factor("emotions", field="emotions"),
        Factor("labels", field="labels"),
        Factor("split", (PROBE, FINETUNE, OUTSIDE), "split.scheme"),
        Factor("cross_dev", (PROBE, FINETUNE), "probe.cross_dev", phrase="dev of the {value}"),
        Factor("select", (PROBE,), "probe.select", phrase="chosen by {value}"),
        Factor("shots", (PROBE,), "probe.shots", phrase="{value} shots", sees_test=True),
        Factor("normalise", (PROBE,), "probe.normalise", phrase="standardised {value}"),
        Factor("utterances", (PROBE,), "probe.utterances", phrase="on {value} utterances"),
        Factor(
            "project", (PROBE,), "probe.project", phrase="on {value}", module="local.probe.steps.project", control=True
        ),
        Factor(
            "adapt", (PROBE,), "probe.adapt", phrase="adapted without labels by {value}",
            module="local.probe.steps.adapt", sees_test=("coral", "coral+em"), control=True,
        ),
        Factor(
            "erase", (PROBE,), "probe.erase", phrase="erased: {value}", module="local.probe.steps.erase", control=True
        ),
        Factor("loss", (PROBE, FINETUNE), "losses.loss", phrase="with {value}"),
        Factor("sampler", (PROBE, FINETUNE), "losses.sampler", phrase="batches of {value}"),
        Factor("layer", (FINETUNE,), "finetune.layer", phrase="layer {value}"),
        Factor("pooling", (FINETUNE,), "finetune.pooling"),
        Factor("head", (FINETUNE,), "finetune.head"),
        Factor("carry_head", (FINETUNE,), "finetune.carry_head", phrase="heads kept from fold to fold"),
        Factor("init", (FINETUNE,), "finetune.published_init", phrase="published start"),
        Factor("precision", (FINETUNE,), "finetune.precision"),
        Factor("decoder", (SED,), "sed.decoder"),
    )
}  # fmt: skip
CORPORA = ("source", "train", "test")  # factors whose values are corpora
_ASKED = ("encoder", "method", *CORPORA)  # factors that stages list themselves


def known(stage: str) -> list[Factor]:
    """List the factors that a stage knows, in their order, defaults filled in from the experiment's schema."""
    return [_with_default(factor) for factor in FACTORS.values() if stage in factor.stages]


@functools.cache
def named(stage: str, name: str) -> Factor:
    """Look up a factor of a stage's conditions by its name: a known one, or a field that ``vary`` has made one."""
    if name in FACTORS:
        return _with_default(FACTORS[name])
    return Factor(name, (stage,), default=freeze(getattr(getattr(Experiment.defaults(), stage, None), name, None)))


def grids(experiment: Experiment, stage: str) -> list[Experiment]:
    """List the experiments that an experiment is, for a stage: itself, and one for each of ``probe.also``.

    ``finetune.also`` likewise. The ``also`` of a further grid names all of them in full, the first one too.

    Raises
    ------
    UserError
        One names an encoder that is not of the experiment.
    """
    found, own = [experiment], getattr(experiment, stage)
    further = getattr(own, "also", [])
    names = [field.name for grid in further[:1] for field in dataclasses.fields(grid) if field.name != "vary"]
    first = [{name: getattr(own, name) for name in names}] if further and own.encoders else []
    full = [{name: getattr(grid, name) or getattr(own, name) for name in names} for grid in further]
    for grid, given in zip(further, full, strict=True):
        section = dataclasses.replace(own, **given, also=[type(grid)(**one) for one in first + full])
        found.append(dataclasses.replace(experiment, **{stage: section}, vary=experiment.vary | grid.vary))
    for encoder in [name for grid in found for name in grid.probe.encoders]:
        if encoder not in experiment.encoders:
            near = hint(encoder, experiment.encoders)
            raise UserError(f"probe.encoders: '{encoder}' is not among the experiment's encoders; {near}")
    return found


def variants(experiment: Experiment, stage: str) -> Iterator[tuple[Experiment, dict[Factor, Value]]]:
    """Multiply out what an experiment varies.

    Parameters
    ----------
    experiment : Experiment
        Its ``vary`` names factors or fields, and the values that each takes.
    stage : str
        Of which conditions are to be made; what it does not know is not multiplied.

    Yields
    ------
    (Experiment, dict of Factor to value)
        The experiment with its fields set to one value each, and the values of the factors without a field and of the
        fields that are factors for being varied.

    Raises
    ------
    UserError
        A name is no factor and no field that may vary, or a value is not of its kind.
    """
    axes = []
    for key, values in experiment.vary.items():
        factor = _find(key, experiment)
        if not values:
            raise UserError(f"vary.{key}: name at least one value")
        if stage in factor.stages:
            axes.append([(factor, freeze(value)) for value in dict.fromkeys(map(freeze, values))])
    for chosen in itertools.product(*axes):
        own = experiment
        try:
            for factor, value in chosen:
                if factor.field:
                    own = _set(own, factor.field, value)
            check_words(Experiment, dataclasses.asdict(own))
        except ValueError as error:
            raise UserError(f"vary: {error}") from error
        # A field's value is read back, so that 1 and 1.0 are one.
        given = {factor: freeze(_get(own, factor.field)) if factor.field else value for factor, value in chosen}
        yield own, {factor: value for factor, value in given.items() if factor.name not in FACTORS or not factor.field}


def values(experiment: Experiment, factors: Iterable[Factor]) -> dict[str, Value]:
    """Read factors that have a field, from an experiment that varies nothing any more."""
    return {factor.name: freeze(_get(experiment, factor.field)) for factor in factors if factor.field}


def schemes(experiment: Experiment) -> list[str]:
    """List the split schemes that an experiment asks for: stage 1 cuts corpora into the folds of each."""
    also = [*experiment.probe.also, *experiment.finetune.also]
    varied = [experiment.vary, *(experiment.vary | grid.vary for grid in also)]
    named = [[value for key in ("split", "split.scheme") for value in vary.get(key, [])] for vary in varied]
    return list(dict.fromkeys(value for own in named for value in own or [experiment.split.scheme]))


def freeze(value: Value) -> Value:
    """Make a value hashable: lists become tuples."""
    return tuple(map(freeze, value)) if isinstance(value, (list, tuple)) else value


def show(value: Value) -> str:
    """Write a value into a name: several, joined by ``+``.

    Examples
    --------
    >>> show(("emodb", "nemo")), show(True), show(0.001)
    ('emodb+nemo', 'true', '0.001')
    """
    if isinstance(value, tuple):
        return "+".join(map(show, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find(key: str, experiment: Experiment) -> Factor:
    """Look up what ``vary`` names: a factor by its name or field, or a field that becomes one."""
    for factor in FACTORS.values():
        if key in (factor.name, factor.field):
            if factor.name in _ASKED:
                raise UserError(f"vary: '{key}' is varied by naming several where the experiment lists them; see pairs")
            if factor.field and not factor.field.startswith(_VARIABLE):
                break
            return _with_default(factor)
    else:
        section, _, name = key.partition(".")
        if section in STAGES and name and hasattr(getattr(experiment, section), name):
            if not isinstance(_get(Experiment.defaults(), key), list):
                return Factor(name, (section,), key, freeze(_get(Experiment.defaults(), key)))
        elif not _is_field(experiment, key):
            raise UserError(f"vary: '{key}' is neither a factor nor a field; {hint(key, list(FACTORS))}")
    raise UserError(
        f"vary: '{key}' cannot vary within one experiment: it is a list already, or changes what all conditions are "
        "made from; run it again with another value and --tag"
    )


def _is_field(experiment: Experiment, key: str) -> bool:
    try:
        _get(experiment, key)
    except AttributeError:
        return False
    return True


@functools.cache
def _with_default(factor: Factor) -> Factor:
    if not factor.field:
        return factor
    return dataclasses.replace(factor, default=freeze(_get(Experiment.defaults(), factor.field)))


def _get(experiment: Any, path: str) -> Value:
    for name in path.split("."):
        experiment = getattr(experiment, name)
    return experiment


def _set(section: Any, path: str, value: Value) -> Any:
    name, _, rest = path.partition(".")
    before = getattr(section, name)
    if rest:
        return dataclasses.replace(section, **{name: _set(before, rest, value)})
    if type(value) is int and isinstance(before, (float, str)):
        value = type(before)(value)
    if before is not None and type(value) is not type(before):
        raise UserError(f"vary: '{value}' is not of the kind of {name}, which is {before!r}")
    return dataclasses.replace(section, **{name: value})
