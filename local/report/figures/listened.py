"""People beside models: UA of both on the same utterances, and those utterances one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from local.report.figures.drawing import BLUE, CYCLE, MARKERS, VERMILLION, Figure, broken
from local.report.listened import Beside, Listened, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from local.report.scores import Score

SHOWN = 10  # models
LETTERS = 34  # of a line of their names


def figures(found: Listened | None) -> Iterator[Figure]:
    """Give one figure, if there are people and models."""
    if found is None or found.best is None or not found.items:
        return
    best = found.best
    caption = (
        f"Left: UA with 95% intervals for other speakers; people (orange) and, on the same {best.n} utterances, models "
        f"(blue; hollow: baselines; in brackets, where several, what they are trained on), at most {SHOWN}. Right: "
        f"every utterance, by the share of people who recognised it and the mean posterior that `{best.system}`, the "
        "best by test, gives its emotion; slightly scattered sideways."
    )
    yield Figure("people", "People beside models", caption, lambda: _draw(found, best))


def _draw(found: Listened, best: Beside) -> Drawing:
    import matplotlib.pyplot as plt

    lines = _lines(found, best)
    height = max(3.6, 1.2 + 0.2 * sum(name.count("\n") + 1 for name, *_ in lines))
    drawing, (left, right) = plt.subplots(1, 2, figsize=(7.6, height), width_ratios=(1.15, 1))
    _scores(left, lines)
    rows = [r for r in found.items if (r["people"], r["corpus"], r["system"], r["train"])
            == (best.people, best.corpus, best.system, best.train)]  # fmt: skip
    rng = np.random.default_rng(0)
    for place, emotion in enumerate(dict.fromkeys(row["emotion"] for row in sorted(rows, key=lambda r: r["emotion"]))):
        own = [row for row in rows if row["emotion"] == emotion]
        x, y = (100 * np.array([float(row[name]) for row in own]) for name in ("recognised", "model_posterior"))
        right.scatter(x + rng.uniform(-0.8, 0.8, len(x)), y, s=13, alpha=0.65, color=CYCLE[place],
                      marker=MARKERS[place], lw=0, label=emotion)  # fmt: skip
    right.set(xlabel="people who recognised it (%)", ylabel="posterior of its emotion (%)", ylim=(-3, 103))
    right.set_title(broken(best.system, LETTERS))
    right.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.2 * (3.6 / height)), ncols=4, fontsize=8, handletextpad=0.2,
        columnspacing=1,
    )  # fmt: skip
    right.grid(color="#e6e6e6", lw=0.7)
    right.set_axisbelow(True)
    return drawing


def _lines(found: Listened, best: Beside) -> list[tuple[str, Score, str, str]]:
    """Give people and models with their scores, and the colours of each one's edge and face."""
    people = {f"people, {row['clips']} ({row['n']})": score(row, "ua") for row in found.rates}
    if not people:
        same = (best.corpus, best.system, best.train)
        people = {own.people: own.theirs for own in found.beside if (own.corpus, own.system, own.train) == same}
    models = sorted((r for r in found.beside if (r.people, r.corpus) == (best.people, best.corpus)),
                    key=lambda row: -row.ours.ua)[:SHOWN]  # fmt: skip
    lines = [(name, own, VERMILLION, VERMILLION) for name, own in people.items()]
    several = len({row.train for row in models}) > 1
    names = [f"{row.system} ({row.train})" if several else row.system for row in models]
    lines += [(broken(name, LETTERS), row.ours, BLUE, "white" if row.baseline else BLUE)
              for name, row in zip(names, models, strict=True)]  # fmt: skip
    return lines


def _scores(axes: Axes, lines: list[tuple[str, Score, str, str]]) -> None:
    for place, (_, own, colour, face) in enumerate(lines):
        axes.plot([100 * own.lo, 100 * own.hi], [place, place], color=colour, lw=1.6, zorder=2)
        axes.plot([100 * own.ua], [place], "o", mfc=face, mec=colour, ms=5.5, mew=1.3, zorder=3, clip_on=False)
    axes.set_yticks(range(len(lines)), [name for name, *_ in lines])
    axes.set(xlabel="UA (%)", xlim=(0, 100))
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e6e6e6", lw=0.7)
    axes.set_axisbelow(True)
