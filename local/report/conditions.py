"""A condition of stage 3 or 4 as the report reads it: what it was, how it scored, and what makes that uncertain."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local.grid.factors import freeze, known
from local.report.scores import Score, System
from local.results import heard
from local.results.read import group_of

GROUPS = ("within", "across", "joint")
# What makes a headline uncertain: columns of exp/results.csv and how tables call them.
SPREAD = {"speaker_se": "SE speakers", "seed_sd": "SD seeds", "partition_sd": "SD partitions"}


@dataclass(frozen=True)
class Epoch:
    """A line of a learning curve; ``train_ua``, in the course of the epoch, is NaN where it was not noted."""

    epoch: int
    train_ua: float
    dev_loss: float
    dev_ua: float


@dataclass(frozen=True)
class Result:
    """A condition: its headline (the layers that dev chose) and, of a probe, its score at every layer.

    Attributes
    ----------
    system : System
    stage : str
        ``probe``, ``finetune`` or ``outside``.
    factors : dict
        All that tells it from others (local/grid/factors.py).
    dev : tuple of str
        Corpora whose dev lists chose.
    setting : str
    headline : Score
    wa, macro_f1 : float
    recalls : dict of str to (float or None)
        Of each emotion, None where the test has none.
    spread : dict of str to float
        What makes the headline uncertain, of :data:`SPREAD` those that are known.
    n_test, speakers : int
        Of the test.
    resampled : str
        What the interval counts: ``speaker`` or ``utterance``.
    shared : bool
        Whether speakers of the test are in training or dev too, says the audit.
    layers : dict of int to Score
    selected : dict of int to int
        Layer to the number of fold x seed runs in which dev chose it, or in which a tuned encoder was cut behind it.
    tied : int
        Runs in which several layers had the best dev UA.
    dev_ua : float
        Of what dev chose, mean over runs.
    counts : list of list of int
        The headline's confusions, reference down.
    params : int
        Trained parameters.
    languages, contaminated : tuple of str
        Of the encoder's training: its languages, and the condition's corpora that it heard (local/results/heard.py).
    one_speaker : bool
    voices_seen : int
        Tested people whose voice is in the train list of the fold that tests them.
    words : str
        What its head is or its strategy trains, in few words; may be empty.
    curves : list of list of Epoch
        Of two-stage training, and where heads that are kept stand beside fresh ones, a curve a fold and seed.
    """

    system: System
    stage: str
    factors: dict[str, Any]
    dev: tuple[str, ...]
    setting: str
    headline: Score
    spread: dict[str, float]
    wa: float
    macro_f1: float
    recalls: dict[str, float | None]
    n_test: int
    speakers: int
    resampled: str
    shared: bool
    layers: dict[int, Score]
    selected: dict[int, int]
    tied: int
    dev_ua: float
    counts: list[list[int]]
    params: int
    languages: tuple[str, ...]
    contaminated: tuple[str, ...]
    one_speaker: bool
    voices_seen: int
    words: str = ""
    curves: list[list[Epoch]] = field(default_factory=list)

    @property
    def train(self) -> tuple[str, ...]:
        """Corpora that train it."""
        return tuple(self.factors["train"])

    @property
    def test(self) -> str:
        """The corpus that it is tested on."""
        return self.factors["test"]

    @property
    def source(self) -> tuple[str, ...]:
        """Corpora of the first stage of two-stage training; else empty."""
        return tuple(self.factors.get("source", ()))

    @property
    def cross_dev(self) -> str:
        """Whose dev lists chose across corpora."""
        return self.factors.get("cross_dev", "")

    @property
    def control(self) -> bool:
        """Whether it is a control (``Factor.control``), or its folds alone let tested speakers be heard."""
        values = ((factor, freeze(self.factors.get(factor.name, factor.default))) for factor in known(self.stage))
        return self.shared or any(factor.control and value != factor.default for factor, value in values)

    @property
    def scheme(self) -> str:
        """The split scheme."""
        return self.factors["split"]

    @cached_property
    def heard(self) -> dict[str, str]:
        """Corpora that the encoder heard, and how: a value of ``local.results.heard.HOW``."""
        return heard.read(self.contaminated)

    @property
    def tuned(self) -> bool:
        """Whether it is of stage 4, not of stage 3."""
        return self.stage == "finetune"

    @property
    def pair(self) -> str:
        """What it is trained and tested on, in words."""
        return f"{'+'.join(self.train)} to {self.test}"

    @property
    def group(self) -> str:
        """``within``, ``across`` or ``joint``; ``outside`` of a system from there."""
        return group_of(self.train, self.test)
