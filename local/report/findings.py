"""What was asked, what was found, and what limits it: sentences whose every number comes from the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from local.report.material import Inputs, Result, System
from local.report.tables import breakdown, comparisons, language, shortcuts
from local.report.tables.cells import MARKS, code, joint_marks, marks, null_note, p_value, unseen, with_method
from local.results.read import HEAD_ALONE
from utils.significance import EXACT_BLOCKS

STANDARDISED = {
    "none": "not at all",
    "train": "by the training lists",
    "per-corpus": "each corpus by its own training lists (of the test corpus: without labels)",
}
CHOSEN = {
    "dev": "by the dev list of each fold",
    "nested": "by inner folds of train and dev lists (*dev UA* is of these), and heads then trained on both",
}
FEW_SPEAKERS = 10  # below, a percentile bootstrap's interval is clearly too narrow (utils/intervals.py)


def asked(inputs: Inputs) -> list[str]:
    """Say what was run, in a few Markdown sentences.

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
    several = "across" in trained or "joint" in trained
    lines = [
        f"How well do {_count(len(inputs.emotions), 'emotion')} ({', '.join(inputs.emotions)}) come out of "
        f"{_question(inputs, several)}",
        f"**Corpora**: {corpora}.",
        *(f"**Choices on emotions** (`conf/emotions.yaml`): {code(own)}." for own in inputs.values("labels") if own),
        *_systems(inputs),
        f"**Conditions**: {len(inputs.results)} ({share}), each with "
        f"{_count(inputs.folds, 'fold')} (scheme {code(inputs.values('split'))}) and "
        f"{_count(inputs.seeds, 'seed')}{_standardised(inputs)}.",
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


def _question(inputs: Inputs, several: bool) -> str:
    """What is asked of the representations."""
    parts = ["at which layer"] if inputs.heads else []
    parts += ["what is gained by tuning the encoder"] if inputs.strategies else []
    parts += ["what is lost when the training and the test corpus differ"] if several else []
    frozen = "frozen speech representations" if inputs.heads else "speech representations"
    return f"{frozen}, {', '.join(parts[:-1])}{', ' if len(parts) > 1 else ''}and {parts[-1]}?"


def _systems(inputs: Inputs) -> list[str]:
    """Which encoders are used frozen, and which are tuned and how."""
    frozen, tuned = (
        list(dict.fromkeys(result.system.encoder for result in inputs.results if result.tuned == kind))
        for kind in (False, True)
    )
    lines = []
    if frozen:
        lines.append(
            f"**Encoders** (frozen): {code(frozen)}. **Heads**, on the mean over time of one layer: "
            f"{_explained(inputs, inputs.heads)}."
        )
    if tuned:
        named = {"probe": "the layer that the probes' dev chose", "last": "its last layer"}
        layers = " or ".join(named.get(value, f"layer {value}") for value in inputs.values("layer"))
        heads, pooled = (" or ".join(inputs.values(factor)) for factor in ("head", "pooling"))
        lines.append(
            f"**Encoders** (tuned): {code(tuned)}, each cut behind {layers}, with a {heads} head on its {pooled} over "
            "time. **Strategies**: "
            f"{_explained(inputs, inputs.strategies)}."
        )
    return lines


def _explained(inputs: Inputs, methods: Mapping[str, str]) -> str:
    """List methods, each with what its conditions say of it in words, where they do."""
    sources = {result.system.method: "+".join(result.source) for result in inputs.results if result.source}
    named = []
    for method, words in methods.items():
        parts = [words, f"in two stages, first on {sources[method]}" if method in sources else ""]
        said = "; ".join(filter(None, parts))
        named.append(f"`{method}` ({said})" if said else f"`{method}`")
    return ", ".join(named)


def _standardised(inputs: Inputs) -> str:
    if not inputs.heads:
        return ""
    features = "features of frozen encoders" if inputs.strategies else "features"
    return f"; {features} standardised: {', or '.join(STANDARDISED[value] for value in inputs.values('normalise'))}"


def found(inputs: Inputs) -> list[str]:
    """Say what came out, in Markdown sentences.

    Parameters
    ----------
    inputs : Inputs
        All results.

    Returns
    -------
    list of str
    """
    lines = []
    for group, words in (("within", "Within corpora"), ("across", "Across corpora")):
        lines += _best(inputs, group, words)
    parts = (
        _tuning, shortcuts.sentences, language.sentences, _drop, _extremes, _layers, _confusion, _chance, _significant
    )  # fmt: skip
    for part in parts:
        lines += part(inputs)
    return lines + breakdown.sentences(inputs)


def _best(inputs: Inputs, group: str, words: str) -> list[str]:
    """Rank the encoders under the method that dev prefers."""
    scores = inputs.comparable(group)
    if not scores:
        return []
    methods = list(dict.fromkeys(system.method for system in scores))
    under = {method: [system for system in scores if system.method == method] for method in methods}
    method = max(methods, key=lambda method: inputs.dev_ua(under[method], group))
    ranked = sorted(under[method], key=lambda system: -scores[system].ua)
    top = ranked[0]
    number = len(inputs.of(top, group))
    over = f"mean over {number} conditions" if number > 1 else "one condition"
    head = f" {with_method(inputs, method)}" if len(inputs.methods) > 1 else ""
    head += f" (of {len(methods)} the best by dev UA)" if len(methods) > 1 else ""
    verb = f"has the highest UA (of {len(ranked)} encoders, by test)" if len(ranked) > 1 else "has a UA of"
    reached = f"{verb}{head}: **{scores[top]}**" if len(ranked) > 1 else f"{verb} **{scores[top]}**{head}"
    lines = [f"**{words}**, {_named(inputs, top, group)} {reached} ({over})."]
    for position, system in (("Next", ranked[1:2]), ("Last", ranked[2:][-1:])):
        for other in system:
            behind = _behind(inputs, top, other, group)
            lines.append(f"{position} is {_named(inputs, other, group)} with {scores[other]}{behind}.")
    return [" ".join(lines)]


def _named(inputs: Inputs, system: System, group: str) -> str:
    return f"`{system.encoder}`{joint_marks(inputs.of(system, group))}"


def _behind(inputs: Inputs, top: System, other: System, group: str) -> str:
    """How far the other is behind, from the paired comparison of the two."""
    results = inputs.of(top, group)
    one = len(results) == 1
    found = inputs.compared(results[0], other) if one else inputs.compared_means(top, other, group)
    if found is None:
        return ""
    null = null_note(found, inputs.level)
    return f", {found.ahead(top)} points behind (Holm-corrected p {_equals(found.adjusted)}{null})"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _tuning(inputs: Inputs) -> list[str]:
    """What each strategy gains over training the head alone, and a first stage of training over none."""
    parts = []
    for method, baseline in comparisons.baselines(inputs).items():
        gains = comparisons.gains(inputs, method)
        if not gains:
            continue
        least, most = (pick(gains, key=lambda gain: gain[1].ua) for pick in (min, max))
        clear = [(gain, test) for _, gain, test in gains if test.adjusted < inputs.level]
        better, worse = (sum(sign * gain.ua > 0 for gain, _ in clear) for sign in (1, -1))
        ends = [f"{gain} points (`{r.system.encoder}`, {_pair(r)})" for r, gain, _ in (least, most)]
        between = f"between {ends[0]} and {ends[1]}" if len(gains) > 1 else ends[0]
        over = "" if baseline == HEAD_ALONE else f" over `{baseline}`"
        seen = unseen((test for _, _, test in gains), inputs.level)
        parts.append(
            f"`{method}`{over} {between}; significantly better in {better}, worse in {worse} of "
            f"{_count(len(gains), 'condition')}{f' (elsewhere {seen})' if seen else ''}"
        )
    lead = "**Tuning gains**, over training the head alone where nothing else is named"
    return [f"{lead}: {'. '.join(parts)}."] if parts else []


def _drop(inputs: Inputs) -> list[str]:
    drops = inputs.comparable("drop")
    if not drops:
        return []
    least, most = (pick(drops, key=lambda system: drops[system].ua) for pick in (min, max))
    if len(drops) == 1:
        cost = f"`{inputs.name(least)}` {drops[least]} points"
        return [f"**Training on another corpus costs** {cost}, mean over test corpora."]
    return [
        f"**Training on another corpus costs** between {drops[least]} points (`{inputs.name(least)}`) and "
        f"{drops[most]} points (`{inputs.name(most)}`), mean over test corpora."
    ]


def _extremes(inputs: Inputs) -> list[str]:
    """Best and worst transfer of the system that dev prefers across corpora."""
    scores = inputs.comparable("across")
    if not scores:
        return []
    system = max(scores, key=lambda s: inputs.dev_ua([s], "across"))
    pairs = sorted(inputs.of(system, "across"), key=lambda result: -result.headline.ua)
    if len(pairs) < 2:
        return []
    ends = [f"{_pair(result)} (UA {result.headline}{marks(result)})" for result in (pairs[0], pairs[-1])]
    which = f" (of {len(scores)} systems the best by dev UA)" if len(scores) > 1 else ""
    return [f"With `{inputs.name(system)}`{which}, transfer is best from {ends[0]} and worst from {ends[1]}."]


def _pair(result: Result) -> str:
    return f"{'+'.join(result.train)} to {result.test}"


def _layers(inputs: Inputs) -> list[str]:
    """Which layers dev chose, over all trainings of an encoder, each counted once wherever it is tested."""
    parts = []
    for encoder in inputs.encoders:
        results = [result for result in inputs.results if result.system.encoder == encoder and not result.tuned]
        last = max((layer for result in results for layer in result.layers), default=0)
        if last == 0:
            continue
        trainings = inputs.selections(results)
        chosen = sum((Counter(result.selected) for result in trainings), Counter())
        ordered = sorted(chosen.elements())
        layer, times = max(chosen.items(), key=lambda item: (item[1], -item[0]))
        parts.append(
            f"`{encoder}` layer {layer} most often ({times} of {len(ordered)} selections; median "
            f"{ordered[len(ordered) // 2]} of {last}; {sum(result.tied for result in trainings)} with ties)"
        )
    rule = "A selection is one of a fold and seed of a training; ties in dev UA were broken by dev loss"
    return [f"**Layers**: dev chose {'; '.join(parts)}. {rule}."] if parts else []


def _confusion(inputs: Inputs) -> list[str]:
    """Most frequent confusion, mean over conditions of the row-normalised tables."""
    parts = []
    for group in ("within", "across"):
        chosen = [result for result in inputs.results if result.group == group]
        shares: Counter[tuple[str, str]] = Counter()
        for result in chosen:
            for emotion, row in zip(inputs.emotions, result.counts, strict=True):
                for other, count in zip(inputs.emotions, row, strict=True):
                    if other != emotion and sum(row):
                        shares[emotion, other] += count / sum(row) / len(chosen)
        if shares:
            (emotion, other), share = max(shares.items(), key=lambda item: item[1])
            parts.append(f"{group} corpora {emotion} as {other} ({100 * share:.0f}% of {emotion} utterances)")
    return [f"**Most frequent confusion**, mean over all conditions: {'; '.join(parts)}."] if parts else []


def _chance(inputs: Inputs) -> list[str]:
    weak = [result for result in inputs.results if not result.headline.lo > inputs.chance]
    if not weak:
        return [f"**Chance**: every condition's interval lies above guessing ({100 * inputs.chance:.0f}%)."]
    return [
        f"**Chance**: {len(weak)} of {len(inputs.results)} conditions were not shown to be above guessing "
        f"({100 * inputs.chance:.0f}%): their interval reaches down to it, or they have none"
        + (f" ({_listed(inputs, weak)})." if len(weak) <= 6 else ".")
    ]


def _listed(inputs: Inputs, results: Sequence[Result]) -> str:
    return ", ".join(f"`{inputs.name(result.system)}` {_pair(result)}" for result in results)


def _significant(inputs: Inputs) -> list[str]:
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


def caveats(inputs: Inputs) -> list[str]:
    """Say what a reader must know before believing the numbers, in Markdown sentences.

    Parameters
    ----------
    inputs : Inputs
        All results.

    Returns
    -------
    list of str
    """
    lines = [f"{mark} {text}: {_which(inputs, mark)}." for mark, text in MARKS.items() if _which(inputs, mark)]
    synthetic = [corpus.name for corpus in inputs.corpora.values() if corpus.synthetic]
    if synthetic:
        lines.append(
            f"**Synthetic speech**: {', '.join(synthetic)}. Scores on it show that the recipe works; they say nothing "
            f"about how people express emotions."
        )
    few = sorted({r.test for r in inputs.results if r.resampled == "speaker" and r.speakers < FEW_SPEAKERS})
    if few and inputs.experiment.score.interval == "bootstrap":
        counts = {result.test: result.speakers for result in inputs.results}
        lines.append(
            f"Intervals from fewer than {FEW_SPEAKERS} speakers are too narrow (a bootstrap over 4 speakers holds the "
            f"truth in about 81 of 100 cases instead of 95): "
            f"{', '.join(f'{name} ({counts[name]} speakers)' for name in inputs.corpora if name in few)}."
        )
    without = {r.headline.reason: r.test for r in inputs.results if r.headline.reason}
    if without:
        lines.append(f"No interval: {'; '.join(f'{reason} ({test})' for reason, test in without.items())}.")
    if inputs.seeds > 1:
        lines.append(
            f"Intervals cover the choice of test speakers and that of {inputs.seeds} seeds; tests, which are of these "
            "trained models, that of speakers. Neither covers what other training speakers would have changed."
        )
    else:
        lines.append(
            "Intervals and tests cover the choice of test speakers. They do not cover what other training speakers, or "
            "more seeds, would have changed."
        )
    lines.append(
        "Systems named for a method are those that dev prefers; the best of several encoders is the best by test. No "
        "means are compared whose conditions are on other corpora."
    )
    return lines


def _which(inputs: Inputs, mark: str) -> str:
    """Say what a mark is on; empty if on nothing."""
    marked = [result for result in inputs.results if mark in marks(result)]
    if not marked:
        return ""
    if mark in "†‡":
        heard: dict[str, set[str]] = {}
        for result in marked:
            side = {result.test} if mark == "†" else set(result.train)
            heard.setdefault(result.system.encoder, set()).update(side & set(result.contaminated))
        return "; ".join(f"`{encoder}` heard {', '.join(sorted(names))}" for encoder, names in heard.items())
    if mark == "¶":
        return ", ".join(name for name, corpus in inputs.corpora.items() if corpus.speakers == 1)
    if mark == "‖":
        return ", ".join(dict.fromkeys(f"{result.test} ({result.scheme} folds)" for result in marked))
    # Of a factor that varies, the methods that the mark is on; the others are without it.
    methods = list(dict.fromkeys(result.system.method for result in marked))
    which = "all conditions across corpora"
    return which if len(methods) == len(inputs.methods) else f"{which} of {code(methods)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
