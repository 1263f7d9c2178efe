"""What was run, and what its tables show, for the page: sentences whose every number comes from the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from local.report.conditions import Result
from local.report.material import Inputs, System
from local.report.tables.cells import code, joint_marks, marks, null_note, p_value, with_method
from local.results.heard import unheard
from utils.significance import EXACT_BLOCKS

_NAMED = 5  # conditions in a sentence
STANDARDISED = {
    "none": "not at all",
    "train": "by the training lists",
    "per-corpus": "each corpus by its own training lists (of the test corpus: without labels)",
}
CHOSEN = {
    "dev": "by the dev list of each fold",
    "nested": "by inner folds of train and dev lists (*dev UA* is of these), and heads then trained on both",
}


def asked(inputs: Inputs) -> list[str]:
    """Say what was run, in Markdown lines.

    Parameters
    ----------
    inputs : Inputs
        All results.

    Returns
    -------
    list of str
    """
    experiment = inputs.experiment
    corpora = "; ".join(corpus.label for corpus in inputs.corpora.values())
    trained = Counter(result.group for result in inputs.results)
    share = ", ".join(f"{count} {group}" for group, count in trained.items())
    lines = [
        f"**Corpora**: {corpora}.",
        *(f"**Choices on emotions** (`conf/emotions.yaml`): {code(own)}." for own in inputs.values("labels") if own),
        *_systems(inputs),
        f"**Conditions**: {len(inputs.results)} ({share}), each with "
        f"{count(inputs.folds, 'fold')} (scheme {code(inputs.values('split'))}) and "
        f"{count(inputs.seeds, 'seed')}{_standardised(inputs)}.",
    ]
    chosen = [CHOSEN[value] for value in inputs.values("select") if value in CHOSEN]
    if chosen:
        lines.append(f"**Layers and epochs of heads** were chosen {'; or '.join(chosen)} (`select`).")
    missing = [name for name in experiment.encoders if name not in inputs.encoders]
    if missing:
        lines.append(f"Named in the experiment but **without results**: {code(missing)}.")
    if any(result.group == "across" for result in inputs.results):
        said = {"source": "the training corpora", "target": "**the test corpus**, labelled"}
        dev = ", or of ".join(said[value] for value in inputs.values("cross_dev"))
        lines.append(f"Across corpora, the layer and the epoch were chosen on dev data of {dev}; never on test data.")
    return lines


def _systems(inputs: Inputs) -> list[str]:
    """Which encoders are used frozen, and which are tuned and how."""
    frozen, tuned = (
        list(dict.fromkeys(result.system.encoder for result in inputs.results if result.tuned == kind))
        for kind in (False, True)
    )
    lines = []
    if frozen:
        lines.append(f"**Encoders** (frozen): {code(frozen)}. **Heads**: {code(inputs.heads)}.")
    if tuned:
        named = {"probe": "the layer that the probes' dev chose", "last": "its last layer"}
        layers = " or ".join(named.get(value, f"layer {value}") for value in inputs.values("layer"))
        heads, pooled = (" or ".join(inputs.values(factor)) for factor in ("head", "pooling"))
        lines.append(
            f"**Encoders** (tuned): {code(tuned)}, each cut behind {layers}, with a {heads} head on its {pooled} over "
            f"time. **Strategies**: {code(inputs.strategies)}."
        )
    return lines


def _standardised(inputs: Inputs) -> str:
    if not inputs.heads:
        return ""
    features = "features of frozen encoders" if inputs.strategies else "features"
    return f"; {features} standardised: {', or '.join(STANDARDISED[value] for value in inputs.values('normalise'))}"


def ranked(inputs: Inputs) -> list[str]:
    """Rank the encoders under the method that dev prefers, a line a group of conditions."""
    lines = []
    for group, words in (("within", "Within corpora"), ("across", "Across corpora")):
        lines += _ranked(inputs, group, words) + _unheard(inputs, group, words)
    return lines


def _ranked(inputs: Inputs, group: str, words: str) -> list[str]:
    scores = inputs.comparable(group)
    if not scores:
        return []
    method = _preferred(inputs, scores, group)
    found = sorted((s for s in scores if s.method == method), key=lambda system: -scores[system].ua)
    methods = inputs.eligible(dict.fromkeys(system.method for system in scores))
    top = found[0]
    number = len(inputs.of(top, group))
    over = f"mean over {number} conditions" if number > 1 else "one condition"
    head = f" {with_method(inputs, method)}" if len(inputs.methods) > 1 else ""
    head += f" (of {len(methods)} the best by dev UA)" if len(methods) > 1 else ""
    verb = f"has the highest UA (of {len(found)} encoders, by test)" if len(found) > 1 else "has a UA of"
    reached = f"{verb}{head}: **{scores[top]}**" if len(found) > 1 else f"{verb} **{scores[top]}**{head}"
    lines = [f"**{words}**, {_named(inputs, top, group)} {reached} ({over})."]
    for position, system in (("Next", found[1:2]), ("Last", found[2:][-1:])):
        for other in system:
            behind = _behind(inputs, top, other, group)
            lines.append(f"{position} is {_named(inputs, other, group)} with {scores[other]}{behind}.")
    return [" ".join(lines)]


def _preferred(inputs: Inputs, scores: Iterable[System], group: str) -> str:
    """The method that dev prefers."""
    under: dict[str, list[System]] = {}
    for system in scores:
        under.setdefault(system.method, []).append(system)
    return max(inputs.eligible(under), key=lambda method: inputs.dev_ua(under[method], group))


def _unheard(inputs: Inputs, group: str, words: str) -> list[str]:
    """Rank them without what any of them may have heard, where that leaves something out."""
    scores = inputs.headlines(unheard(group))
    if not scores:
        return []
    every = inputs.comparable(group)
    method = _preferred(inputs, every, group)
    found = sorted((s for s in scores if s.method == method), key=lambda system: -scores[system].ua)
    gone = [system.encoder for system in every if system.method == method and system not in scores]
    ranks = ", ".join(f"`{system.encoder}` {scores[system]}" for system in found)
    left = f"; nothing is left of {code(gone)}" if gone else ""
    return [f"**{words}, without what any encoder has or may have heard** (†★‡?){left}: {ranks or '–'}."]


def _named(inputs: Inputs, system: System, group: str) -> str:
    return f"`{system.encoder}`{joint_marks(inputs.of(system, group))}"


def _behind(inputs: Inputs, top: System, other: System, group: str) -> str:
    """How far the other is behind, from the paired comparison of the two."""
    found = inputs.tested(top, other, group)
    if found is None:
        return ""
    text = p_value(found.adjusted)
    equals = text if text.startswith("<") else f"= {text}"
    return f", {found.ahead(top)} points behind (Holm-corrected p {equals}{null_note(found, inputs.level)})"


def transfer(inputs: Inputs) -> Iterator[str]:
    """What crossing corpora costs, and the best and worst transfer of the system that dev prefers."""
    drops = inputs.comparable("drop")
    if drops:
        least, most = (pick(drops, key=lambda system: drops[system].ua) for pick in (min, max))
        ends = dict.fromkeys(f"{drops[system]} points (`{inputs.name(system)}`)" for system in (least, most))
        between = "between " if len(ends) > 1 else ""
        yield f"**Training on another corpus costs** {between}{' and '.join(ends)}, mean over test corpora."
    scores = inputs.comparable("across")
    if not scores:
        return
    system = inputs.preferred(scores, "across")
    pairs = sorted(inputs.of(system, "across"), key=lambda result: -result.headline.ua)
    if len(pairs) > 1:
        ends = [f"{result.pair} (UA {result.headline}{marks(result)})" for result in (pairs[0], pairs[-1])]
        number = len({s for s in scores if s.method in inputs.eligible(own.method for own in scores)})
        which = f" (of {number} systems the best by dev UA)" if number > 1 else ""
        yield f"With `{inputs.name(system)}`{which}, transfer is best from {ends[0]} and worst from {ends[1]}."


def confusion(inputs: Inputs) -> list[str]:
    """Most frequent confusion, mean over conditions of the row-normalised tables."""
    parts = []
    for group in ("within", "across"):
        chosen = [result for result in inputs.results if result.group == group]
        shares: Counter[tuple[str, str]] = Counter()
        for result in chosen:
            for emotion, row in zip(inputs.emotions, result.counts, strict=True):
                for other, number in zip(inputs.emotions, row, strict=True):
                    if other != emotion and sum(row):
                        shares[emotion, other] += number / sum(row) / len(chosen)
        if shares:
            (emotion, other), share = max(shares.items(), key=lambda item: item[1])
            parts.append(f"{group} corpora {emotion} as {other} ({100 * share:.0f}% of {emotion} utterances)")
    return [f"**Most frequent confusion**, mean over all conditions: {'; '.join(parts)}."] if parts else []


def chance(inputs: Inputs) -> list[str]:
    """Say how many conditions were not shown to be above guessing."""
    weak = [result for result in inputs.results if not result.headline.lo > inputs.chance]
    under = [result for result in weak if result.headline.hi < inputs.chance]
    if not weak:
        return [f"**Chance**: every condition's interval lies above guessing ({100 * inputs.chance:.0f}%)."]
    named = ", ".join(f"`{inputs.name(result.system)}` {result.pair}" for result in weak)
    return [
        f"**Chance**: {len(weak)} of {len(inputs.results)} conditions were not shown to be above guessing "
        f"({100 * inputs.chance:.0f}%): their interval reaches down to it, or they have none"
        + (f" ({named})." if len(weak) <= 3 else "."),
        *_below(inputs, under),
    ]


def _below(inputs: Inputs, results: Sequence[Result]) -> Iterator[str]:
    """Name the conditions that are worse than guessing, the worst first."""
    if results:
        worst = sorted(results, key=lambda result: result.headline.ua)
        named = "; ".join(f"`{inputs.name(one.system)}` {one.pair} {one.headline}" for one in worst[:_NAMED])
        more = f"; and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
        yield (
            f"**Below chance**: the interval of {count(len(worst), 'condition')} lies below guessing, so that emotions "
            f"are taken for one another: {named}{more}."
        )


def tested(inputs: Inputs) -> list[str]:
    """Say how many single differences are significant, and where none could be."""
    single = [comparison for comparison in inputs.comparisons if comparison.train is not None]
    if not single:
        return []
    level = inputs.level
    clear = sum(comparison.adjusted < level for comparison in single)
    line = f"**Comparisons**: {clear} of {len(single)} pairwise differences are significant (Holm, {level:.2g})."
    reached = {c.test for c in single if c.reachable < level}
    hopeless = [name for name in inputs.corpora if name in {c.test for c in single} - reached]
    if hopeless:
        line += f" On {', '.join(hopeless)} none could be: with so few speakers the smallest possible p is too large."
    # Where patterns of signs are drawn, p cannot fall below one in so many.
    drawn = inputs.experiment.score.permutations
    largest = max((c.tests for c in single if c.speakers > EXACT_BLOCKS), default=0)
    if largest >= level * (drawn + 1):
        line += f" `score.permutations` = {drawn} is too small for {largest} comparisons at a time: raise it."
    return [line]


def count(number: int, word: str) -> str:
    """Count things: ``1 fold``, ``5 folds``."""
    return f"{number} {word}{'' if number == 1 else 's'}"
