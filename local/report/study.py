"""A published study's figures beside ours.

``study.reference`` of the experiment names a CSV file of the recipe with the columns ``encoder``, ``setting``,
``source``, ``train``, ``test``, ``method`` and ``ua`` (percent), and perhaps ``folds``: what the study's logs say of
each fold, in percent, with blanks between (empty where nobody knows). Lines that begin with ``#`` say where the figures
are from. Names are the experiment's, as exp/results.csv has them: corpora joined by ``+``. In a smoke run, each name
means what stands for it.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from local import corpora, encoders
from local.experiment import Experiment
from local.report.conditions import Result
from local.report.material import Inputs
from local.report.tables.cells import DASH, Cell, Table, code, parameters, result_cell
from local.results.languages import setting
from utils.errors import UserError
from utils.table import read_text

COLUMNS = ("encoder", "setting", "source", "train", "test", "method", "ua")
FOLDS = "folds"  # a further column, which a file may have
ROUNDING = 0.15  # points by which a mean of logged folds may miss what is printed of it with one decimal
STAND_IN = "STAND-IN, says nothing about the study"


@dataclass(frozen=True)
class Published:
    """One published figure.

    Attributes
    ----------
    encoder, setting : str
    source, train : tuple of str
        Corpora of a first stage of training (or none) and of training, in alphabetical order.
    test, method : str
    ua : float
        Percent.
    folds : tuple of float
        What the study's logs say of each fold, in percent; empty where that is not known.
    """

    encoder: str
    setting: str
    source: tuple[str, ...]
    train: tuple[str, ...]
    test: str
    method: str
    ua: float
    folds: tuple[float, ...] = ()

    @property
    def logged(self) -> float:
        """The mean that the comparison is with: that of the logs where they are known, else what was published."""
        return statistics.fmean(self.folds) if self.folds else self.ua

    @property
    def doubtful(self) -> bool:
        """Whether the logs do not support what was published."""
        return abs(self.logged - self.ua) > ROUNDING

    @property
    def half(self) -> float:
        """Half the width of the mean's 95% interval over folds, in points (Student's t); 0 where folds are not known.

        Folds share training data, so that it is rather too narrow.
        """
        if len(self.folds) < 2:
            return 0.0
        from scipy import stats

        number = len(self.folds)
        return float(stats.t.ppf(0.975, number - 1)) * statistics.stdev(self.folds) / math.sqrt(number)

    def __str__(self) -> str:
        """Print it in percent: with the deviation of the folds, and what the logs say where they do not support it."""
        spread = f" ± {statistics.stdev(self.folds):.1f}" if len(self.folds) > 1 else ""
        return f"{self.ua:.1f} (logs: {self.logged:.1f}{spread})" if self.doubtful else f"{self.ua:.1f}{spread}"

    @property
    def key(self) -> tuple:
        """What tells the condition; the parts of a strategy may come in any order."""
        return self.encoder, frozenset(self.method.split("+")), self.source, self.train, self.test

    @property
    def how(self) -> str:
        """The method, and after what it began."""
        return f"{self.method} after {'+'.join(self.source)}" if self.source else self.method

    def with_stand_ins(self, stand_ins: dict[str, str]) -> Published:
        """Put stand-ins in the place of the encoder and the corpora."""

        def replaced(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(sorted(stand_ins.get(name, name) for name in names))

        return replace(
            self, encoder=stand_ins.get(self.encoder, self.encoder), source=replaced(self.source),
            train=replaced(self.train), test=stand_ins.get(self.test, self.test),
        )  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Published figures, and what they are compared with.

    Attributes
    ----------
    experiment : Experiment
    source : str
        Where the figures are from, in words.
    rows : list of (Published, Published)
        As published, and as it is run: in a smoke run, with stand-ins.
    """

    experiment: Experiment
    source: str
    rows: list[tuple[Published, Published]]


def load(experiment: Experiment) -> Study | None:
    """Read the published figures that an experiment names; None where it names none.

    Raises
    ------
    UserError
        The file is missing or malformed, or a row of it does not fit the experiment.
    """
    if not experiment.study.reference:
        return None
    path = Path(experiment.study.reference)
    lines = read_text(path).splitlines()
    source = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    stand_ins = experiment.study.stand_ins if experiment.study.smoke else {}
    rows: dict[tuple, tuple[Published, Published]] = {}
    body = [(place, line) for place, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    columns = body[0][1].split(",") if body else []
    if columns not in (list(COLUMNS), [*COLUMNS, FOLDS]):
        raise UserError(f"{path}: expected the header {','.join(COLUMNS)}")
    for place, line in body[1:]:
        origin = f"{path}:{place}: '{line}'"
        published = _read(next(csv.reader([line])), origin)
        run = published.with_stand_ins(stand_ins)
        _check(run, experiment, origin)
        if run.key in rows:
            raise UserError(f"{origin} is there twice")
        rows[run.key] = published, run
    if not rows:
        raise UserError(f"{path}: holds no figures")
    return Study(experiment, source, list(rows.values()))


def _read(fields: list[str], origin: str) -> Published:
    try:
        encoder, kind, source, train, test, method, ua, *folds = fields
        (logged,) = folds or [""]
        first = tuple(sorted(source.split("+"))) if source else ()
        known = tuple(map(float, logged.split()))
        return Published(encoder, kind, first, tuple(sorted(train.split("+"))), test, method, float(ua), known)
    except ValueError:
        raise UserError(
            f"{origin}: expected {', '.join(COLUMNS)}, the last a number (and {FOLDS}, numbers with blanks between)"
        ) from None


def _check(row: Published, experiment: Experiment, origin: str) -> None:
    """Refuse a row that no condition of the experiment can answer."""
    if row.encoder not in experiment.encoders:
        raise UserError(f"{origin}: the experiment has no encoder '{row.encoder}'; add it to encoders, or mend the row")
    for corpus in (*row.source, *row.train, row.test):
        if corpus not in experiment.corpora:
            raise UserError(f"{origin}: the experiment has no corpus '{corpus}'; add it to corpora, or mend the row")
    heard = sorted({corpora.spec(corpus).language for corpus in (*row.source, *row.train)})
    derived = setting(encoders.spec(row.encoder).languages, heard, corpora.spec(row.test).language)
    if row.setting != derived:
        raise UserError(f"{origin}: by the languages of its encoder and corpora its setting is {derived}; mend the row")


def asked(experiment: Experiment) -> str:
    """Say what the experiment will ask when it is run, in a Markdown sentence."""
    own = experiment.finetune
    strategies = dict.fromkeys(name for grid in (own, *own.also) for name in grid.strategies)
    return (
        f"Corpora {code(experiment.corpora)}, encoders {code(experiment.encoders)}; heads of frozen layers "
        f"{code(experiment.probe.heads)}" + (f", strategies of tuning {code(strategies)}." if strategies else ".")
    )


def beside(study: Study, inputs: Inputs | None) -> Table:
    """Set every published figure beside ours.

    Parameters
    ----------
    study : Study
        The figures.
    inputs : Inputs or None
        Our results; None before there are any.

    Returns
    -------
    Table
    """
    smoke = study.experiment.study.smoke
    results = {_key(result): result for result in inputs.results} if inputs else {}
    rows = []
    for published, run in study.rows:
        result = results.get(run.key)
        names = (published.encoder, "+".join(published.train), published.test, published.how)
        standing = (run.encoder, "+".join(run.train), run.test, run.how)
        encoder, train, test, method = (
            Cell(name if name == own else f"{name} (here {own})") for name, own in zip(names, standing, strict=True)
        )
        row = [encoder, Cell(published.setting), train, test, method, Cell(str(published), value=published.ua)]
        rows.append(row + _ours(published, result, smoke))
    ours = f"ours ({STAND_IN})" if smoke else "ours"
    header = ["encoder", "setting", "train", "test", "method", "published", ours, "n", "speakers", "parameters"]
    title = "Beside the published figures"
    caption = (
        f"UA in percent. *published*: {study.source.rstrip('.') or study.experiment.study.reference}. *ours*: of the "
        f"same condition [95% interval], on n utterances of so many speakers, pooled over folds; – was not run. "
        f"*parameters*: that we train."
    )
    if smoke:
        title = "SMOKE RUN: beside the published figures, those of stand-ins, which say nothing about the study"
        caption += " **Stand-ins ran in the place of corpora and encoders, so there is no difference to be shown.**"
    else:
        header.append("ours − published")
        caption += (
            " *±*: deviation over the study's folds, where its logs are known; *logs*: what they say where they do not "
            "support what is printed. *ours − published*: in points, to the mean of the logs where they are known, "
            "whose uncertainty over folds is in the interval then; else the interval is that of ours."
        )
    return Table("study", title, caption, header, rows, made_by="finetune" if inputs else "data")


def _ours(published: Published, result: Result | None, smoke: bool) -> list[Cell]:
    if result is None:
        return [DASH] * (4 if smoke else 5)
    cells = [result_cell(result), Cell(str(result.n_test)), Cell(str(result.speakers)), parameters([result])]
    if not smoke:
        own, theirs, half = result.headline, published.logged / 100, published.half / 100
        # Zou and Donner (2008): the squares of the distances from the two means to their ends add up.
        low, high = (math.hypot(own.ua - end, half) for end in (own.lo, own.hi))
        ahead = replace(own, ua=own.ua - theirs, lo=own.ua - low - theirs, hi=own.ua + high - theirs)
        cells.append(Cell(ahead.signed(), value=100 * ahead.ua))
    return cells


def _key(result: Result) -> tuple:
    methods = frozenset(result.factors["method"].split("+"))
    return result.system.encoder, methods, result.source, tuple(sorted(result.train)), result.test
