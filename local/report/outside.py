"""Systems from outside as objects: conditions, means and tests beside ours, of stage 5 (docs/outside.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.report.conditions import Result
from local.report.scores import Score, System

if TYPE_CHECKING:
    from local.report.material import Comparison


@dataclass(frozen=True)
class Outside:
    """All of it, which no other table or figure holds.

    Attributes
    ----------
    results : list of Result
    means : dict of System to Score
        Over all corpora that each is tested on.
    tests : list of Comparison
        First of each is a system from outside; ``train`` and ``setting`` are those of the other.
    """

    results: list[Result] = field(default_factory=list)
    means: dict[System, Score] = field(default_factory=dict)
    tests: list[Comparison] = field(default_factory=list)

    def of(self, system: System) -> list[Result]:
        """Results of one."""
        return [result for result in self.results if result.system == system]

    @property
    def corpora(self) -> dict[tuple[str, ...], list[System]]:
        """Systems by the corpora that they are tested on: means over others do not compare."""
        found: dict[tuple[str, ...], list[System]] = {}
        for system in self.means:
            found.setdefault(tuple(result.test for result in self.of(system)), []).append(system)
        return found

    def beside(self, system: System, others: Iterable[System], group: str) -> list[Comparison]:
        """List a system's tests with others of a group: of means or, where there are none, of the one condition."""
        wanted = set(others)
        own = [c for c in self.tests if c.a == system and c.b in wanted]
        means = [c for c in own if c.train is None and c.setting == group]
        named = {c.b for c in means}
        return means + [c for c in own if c.train and c.group == group and c.b not in named]
