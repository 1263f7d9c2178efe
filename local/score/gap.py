"""What the gap between corpora is made of: rows of exp/gap.csv, a row a zero-shot pair and part.

A head that was trained on other corpora than it is tested on falls behind one of the test corpus. That drop is split,
in this order, on the same utterances; another order would give other parts:

- ``priors``: zero-shot with a bias for each class, less zero-shot: what a change of the classes' frequencies, or of
  thresholds, takes away. The biases know labels, so they are an **oracle's**; those of a speaker come from the other
  speakers (utils/biases.py);
- ``shift``: the same on adapted features (``adapt: coral``; or, in rows of their own, standardised per corpus), less
  that: what moves or turns as a whole, and is mended without labels;
- ``concept``: the head that was trained on the test corpus, less that: emotions lie elsewhere in the same features;
- ``drop``: these three together, the head of the test corpus less zero-shot.

Beside it stand ``representation``, the encoder tuned on the test corpus (stage 4) less the head that was trained on it:
of the strategies that were run, that which trains most parameters, so that no test chooses; and ``control``, what an
oracle's biases give that head, for which nothing has changed.

``via`` names what mended the shift. A part may be below 0: that step made it worse. One that was not run has no value,
and ``missing`` says so; without the shift's, ``concept`` holds both. Rows with ``train`` and ``test`` ``*`` are means
over the pairs of single corpora, of one language and of two (``languages``) apart. Intervals are over speakers, for
these biases, and not corrected for their number: they describe, and test nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from local.experiment import Score
from local.grid.factors import freeze, known
from local.results.read import HEAD_ALONE, Described
from local.score import compare
from local.score.compare import Pair
from local.score.tabulate import Names, Scored, contaminated, number
from utils import biases, uncertain
from utils.intervals import Blocks

SUMMED = ("priors", "shift", "concept")
PARTS = (*SUMMED, "drop", "representation", "control")
ORACLE = (*SUMMED, "control")  # parts of which a level knows labels of the test
CORAL, PER_CORPUS = "coral", "per-corpus"
# What a zero-shot condition may set without ceasing to be plain: the other factors are at their defaults.
_FREE = ("encoder", "method", "train", "test", "emotions", "labels", "split", "select", "normalise")
_LEAST = 5e-6  # posteriors have five decimals
_TIE = 1e-6


def columns(names: Names) -> list[str]:
    """Header of exp/gap.csv."""
    return [
        *("recipe", "system", "encoder", "method", "train", "test", "languages", "via", "part", "before", "after"),
        *("value", "lo", "hi", "se", "df", "no_interval", "missing", "oracle", "n", "speakers", "resampled", "pairs"),
        *("tuned", *names.header, "contaminated"),
    ]


@dataclass(frozen=True)
class Split:
    """The parts of one pair's drop.

    Attributes
    ----------
    zero : Scored
        Zero-shot.
    via : str
        What mends the shift; empty where nothing was run.
    parts : dict of str to Pair
        By :data:`PARTS`: the level after the step, and before; what was not run is left out.
    tuned : str
        The strategy behind ``representation``.
    """

    zero: Scored
    via: str
    parts: dict[str, Pair]
    tuned: str

    @property
    def languages(self) -> str:
        """``same`` or ``other``: whether the test's language is trained on."""
        meta = self.zero.condition.meta
        return "same" if meta["test_language"] in meta["train_languages"] else "other"


def rows(scored: Sequence[Scored], blocks: Mapping[str, Blocks], names: Names, score: Score) -> list[dict]:
    """Split every zero-shot pair's drop.

    Parameters
    ----------
    scored : sequence of Scored
        All conditions.
    blocks : mapping of str to Blocks
        By test corpus.
    names : Names
        How tables call systems.
    score : Score
        Confidence.

    Returns
    -------
    list of dict
        Pairs in the order of conditions, and behind them means.
    """
    found = list(splits(scored, blocks))
    made = [row for one in found for row in _rows([one], names, score)]
    means: dict[tuple, list[Split]] = {}
    for one in found:
        if len(one.zero.condition.factors["train"]) == 1:
            means.setdefault((one.zero.condition.system, one.via, one.languages), []).append(one)
    return made + [row for own in means.values() if len(own) > 1 for row in _rows(own, names, score)]


def splits(scored: Sequence[Scored], blocks: Mapping[str, Blocks]) -> Iterator[Split]:
    """Find zero-shot pairs and what their drops are split by; parameters as of :func:`rows`."""
    by_factors = {_identity(one.condition): one for one in scored}

    def like(one: Scored, **changed: object) -> Scored | None:
        other = by_factors.get(_identity(one.condition, changed))
        # What was tested on other utterances is no step from there.
        return other if other and set(other.condition.tested) == set(one.condition.tested) else None

    biased: dict[int, Scored] = {}

    def oracle(one: Scored | None) -> Scored | None:
        if one and id(one) not in biased:
            biased[id(one)] = with_biases(one)
        return one and biased[id(one)]

    for zero in scored:
        if not _plain(zero.condition) or (_per_corpus(zero) and like(zero, normalise="train")):
            continue
        corpus = blocks[zero.condition.test]
        mended = {CORAL: like(zero, adapt=CORAL)}
        if not _per_corpus(zero):
            mended[PER_CORPUS] = like(zero, normalise=PER_CORPUS)
        target, tuned = like(zero, train=[zero.condition.test]), _tuned(scored, zero)
        for via, level in [(via, one) for via, one in mended.items() if one] or [("", None)]:
            before = oracle(level) or oracle(zero)
            steps = {
                "priors": (oracle(zero), zero), "shift": (oracle(level), oracle(zero)), "concept": (target, before),
                "drop": (target, zero), "representation": (tuned, target), "control": (oracle(target), target),
            }  # fmt: skip
            parts = {part: compare.pair(a, b, corpus) for part, (a, b) in steps.items() if a and b}
            yield Split(zero, via, parts, tuned.condition.factors["method"] if tuned else "")


def with_biases(one: Scored) -> Scored:
    """Score a condition's headline with an oracle's biases, held out by speaker."""
    condition = one.condition
    scores = np.log(np.maximum(condition.posteriors.astype(float), _LEAST))
    # Of posteriors that rounding made equal, the head knew the larger.
    scores += _TIE * np.eye(scores.shape[-1])[condition.hypotheses[:, -1]]
    said = biases.held_out(scores, condition.reference, one.blocks)
    return replace(one, correct=said == condition.reference)


def _identity(condition: Described, changed: Mapping[str, object] | None = None) -> tuple[str, frozenset]:
    """Identify a condition by the factors that are not at their defaults."""
    default = {factor.name: factor.default for factor in known(condition.stage)}
    factors = {name: freeze(value) for name, value in (condition.factors | (changed or {})).items()}
    return condition.stage, frozenset(item for item in factors.items() if item[1] != default.get(item[0], "none"))


def _plain(condition: Described) -> bool:
    """Whether it is zero-shot with nothing done about it."""
    special = {name for name, _ in _identity(condition)[1]}
    return condition.stage == "probe" and condition.group == "across" and special <= set(_FREE)


def _per_corpus(one: Scored) -> bool:
    return one.condition.factors["normalise"] == PER_CORPUS


def _tuned(scored: Iterable[Scored], zero: Scored) -> Scored | None:
    """Find the encoder tuned on the test corpus: by the strategy that trains most."""
    shared = ("encoder", "test", "emotions", "labels", "split")
    own = zero.condition
    found = [
        one for one in scored
        if one.condition.stage == "finetune" and one.condition.group == "within"
        and one.condition.factors["method"] != HEAD_ALONE and not one.condition.factors.get("source")
        and all(one.condition.factors.get(name) == own.factors.get(name) for name in shared)
        and set(one.condition.tested) == set(own.tested)
    ]  # fmt: skip
    return max(found, key=lambda one: one.condition.meta["params"], default=None)


def _rows(members: Sequence[Split], names: Names, score: Score) -> list[dict]:
    """Write out one pair's parts, or the means over several pairs'."""
    first = members[0].zero.condition
    alone = len(members) == 1
    common = names.values(*(one.zero.condition for one in members)) | {
        "recipe": names.recipe, "system": names.system(first), "encoder": first.factors["encoder"],
        "method": first.factors["method"], "train": first.train if alone else "*", "test": first.test if alone else "*",
        "languages": members[0].languages, "via": members[0].via,
        "contaminated": contaminated(one.zero.condition for one in members),
    }  # fmt: skip
    whole = [one for one in members if "drop" in one.parts]
    made = []
    for part in PARTS:
        own = whole if part in (*SUMMED, "drop") and whole else members  # so that means add up too
        pairs = [one.parts[part] for one in own if part in one.parts]
        row = common | {"part": part, "oracle": int(part in ORACLE), "pairs": len(pairs)}
        if part == "representation":
            row["tuned"] = "/".join(dict.fromkeys(one.tuned for one in own if one.tuned))
        made.append(row | (_estimate(pairs, score) if pairs else {"missing": _missing(part)}))
    return made


def _estimate(pairs: Sequence[Pair], score: Score) -> dict:
    found = uncertain.combine([pair.difference for pair in pairs], None, score.confidence)
    before, after = (float(np.mean([getattr(pair, side) for pair in pairs])) for side in ("ua_b", "ua_a"))
    tested = {pair.a.test: (pair.n, pair.speakers) for pair in pairs}
    return {
        "before": number(before), "after": number(after), "value": number(after - before), "lo": number(found.low),
        "hi": number(found.high), "se": number(found.se), "df": number(found.df), "no_interval": found.reason,
        "n": sum(n for n, _ in tested.values()), "speakers": sum(own for _, own in tested.values()),
        "resampled": found.unit,
    }  # fmt: skip


def _missing(part: str) -> str:
    if part == "shift":
        return "no condition with adapt=coral or normalise=per-corpus: in concept"
    return "no encoder tuned on the test corpus" if part == "representation" else "no head trained on the test corpus"
