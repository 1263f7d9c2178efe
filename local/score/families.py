"""Which systems are compared, and in which family of tests: before a run as after it.

Compared are systems that differ in one factor: encoders under the same method, methods on the same encoder, and so on.
Rows with ``train`` and ``test`` ``*`` compare means over all ``within`` or all ``across`` conditions, with the speakers
of all test corpora: they have the power that one small corpus lacks.

A family of tests is what one table shows (``family``; local/report/tables):

- ``means within``, ``means across``, ``means joint``: all comparisons of means of one group of conditions;
- ``encoders <method>``: encoders in all conditions of one method, the table of that method;
- ``shortcuts <method>``, ``shortcut means within`` and so on: systems beside those without ears (an encoder's kind says
  so), in all conditions of one method, and by means; two without ears are not compared;
- ``gains``: what each strategy gains over the simpler one that it contains, the table of strategies;
- ``<factor>, <stage>``: other values of one factor, in single conditions;
- ``outside within, <system>``, ``outside means within, <system>`` and so on: a system from outside beside each of ours
  that is trained on the test corpus, or on others, in single conditions and by means; ``outside shortcuts ...`` beside
  those without ears; controls and shots aside;
- ``language``, ``language by corpus``: encoders of one language each (local/score/language.py);
- ``shots <system>``, ``shots <system>, languages``, ``shots means``: few utterances of the test corpus beside a source,
  and alone (local/score/shots.py). Numbers of shots are compared with none, not with each other;
- ``ablation means``, ``ablation``: losses, and what else might do as well, beside cross entropy alone
  (local/score/ablation.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from local.encoders import needs
from local.grid.factors import OUTSIDE, freeze, known, show
from local.losses import PLAIN
from local.results.read import HEAD_ALONE, Described
from local.score.tabulate import Names

Own = TypeVar("Own", bound=Described)
SHOTS = "shots"  # the factor


@dataclass(frozen=True)
class Comparison:
    """Two systems in one condition, or by the mean over several.

    Attributes
    ----------
    labels : dict
        The first columns of its row, the last of them ``family``.
    pairs : list of tuple of int
        Places of conditions that are set side by side (usually one pair), each on the same utterances.
    """

    labels: dict[str, str]
    pairs: list[tuple[int, int]]


def in_order(conditions: Sequence[Own]) -> list[Own]:
    """Sort conditions by stage and system, then by test and training corpora, each as manifests first name them."""
    named = list(dict.fromkeys((one.stage, one.system) for one in conditions))
    corpora = list(dict.fromkeys(one.test for one in conditions))
    corpora += [name for one in conditions for name in one.factors["train"] if name not in corpora]

    def place(one: Described) -> tuple:
        train = one.factors["train"]
        return (
            named.index((one.stage, one.system)), corpora.index(one.test), len(train),
            [corpora.index(name) for name in train],
        )  # fmt: skip

    return sorted(conditions, key=place)


def systems(conditions: Sequence[Described], names: Names) -> list[Comparison]:
    """List what exp/significance.csv compares.

    Parameters
    ----------
    conditions : sequence of Described
        All conditions, in the order of tables.
    names : Names
        How tables call systems.

    Returns
    -------
    list of Comparison
        In the order of the conditions; the means last.
    """
    deaf = {name for name in {one.factors["encoder"] for one in conditions} if not needs.hears(name)}
    tables: dict[tuple[str, str, str], list[int]] = {}
    for place, one in enumerate(conditions):
        tables.setdefault((one.stage, one.train, one.test), []).append(place)
    found: list[Comparison] = []
    means: dict[tuple, list[tuple[int, int]]] = {}
    for (stage, train, test), places in tables.items():
        for first, second in itertools.combinations(places, 2):
            a, b = conditions[first], conditions[second]
            factor, pair = _differing(a, b), {a.factors["encoder"], b.factors["encoder"]}
            if factor is None or pair <= deaf or (factor == SHOTS and all(map(_shots, (a, b)))):
                continue
            kind = "shortcut " if pair & deaf else ""
            settings = dict.fromkeys((a.meta["setting"], b.meta["setting"]))
            labels = {"stage": stage, "train": train, "test": test, "setting": "/".join(settings)}
            labels |= {"a": names.system(a), "b": names.system(b), "family": _family(a, b, factor, kind, names)}
            found.append(Comparison(labels, [(first, second)]))
            means.setdefault((stage, a.group, labels["a"], labels["b"], kind), []).append((first, second))
    for (stage, group, a, b, kind), pairs in means.items():
        if len(pairs) > 1:
            labels = {"stage": stage, "train": "*", "test": "*", "setting": group, "a": a, "b": b}
            found.append(Comparison(labels | {"family": f"{kind}means {group}"}, pairs))
    return found + _beside(conditions, deaf, names)


def _beside(conditions: Sequence[Described], deaf: set[str], names: Names) -> list[Comparison]:
    """Set systems from outside beside ours on the same corpora; ``train`` and ``setting`` are those of ours."""
    found: list[Comparison] = []
    means: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
    ours = [place for place, one in enumerate(conditions) if one.stage != OUTSIDE and not _shots(one)]
    ours = [place for place in ours if not _control(conditions[place])]
    for first, a in enumerate(conditions):
        for second in ours if a.stage == OUTSIDE else ():
            b = conditions[second]
            if all(a.factors[name] == b.factors[name] for name in ("test", "emotions", "labels", "split")):
                labels = {"stage": OUTSIDE, "train": b.train, "test": b.test, "setting": b.meta["setting"]}
                labels |= {"a": names.system(a), "b": names.system(b)}
                kind = "shortcuts " if b.factors["encoder"] in deaf else ""
                family = f"{OUTSIDE} {kind}{b.group}, {labels['a']}"
                found.append(Comparison(labels | {"family": family}, [(first, second)]))
                means.setdefault((labels["a"], labels["b"], b.group, kind), []).append((first, second))
    for (a, b, group, kind), pairs in means.items():
        if len(pairs) > 1:
            labels = {"stage": OUTSIDE, "train": "*", "test": "*", "setting": group, "a": a, "b": b}
            found.append(Comparison(labels | {"family": f"{OUTSIDE} {kind}means {group}, {a}"}, pairs))
    return found


def _control(one: Described) -> bool:
    """Whether a factor makes it a control; see ``Factor.control``."""
    given = ((factor, freeze(one.factors.get(factor.name, factor.default))) for factor in known(one.stage))
    return any(factor.control and value != factor.default for factor, value in given)


def _differing(a: Described, b: Described) -> str | None:
    """Name the factor in which two systems differ, if it is one."""
    ours, theirs = dict(a.system), dict(b.system)
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    return differing[0] if len(differing) == 1 else None


def _family(a: Described, b: Described, factor: str, kind: str, names: Names) -> str:
    """Name the table that shows a comparison in a single condition; ``kind``: that one of two encoders has no ears."""
    if factor == "encoder":
        return f"{'shortcuts' if kind else 'encoders'} {names.system(a, encoder='')}"
    values = [dict(own.system)[factor] for own in (a, b)]
    simpler = {"method": HEAD_ALONE, "source": ()}.get(factor)
    if a.stage == "finetune" and simpler in values:
        return "gains"
    return f"{factor}, {a.stage}"


def shots(conditions: Sequence[Described], names: Names) -> list[Comparison]:
    """List what exp/shots.csv compares: the same few utterances of a test corpus, beside a source and alone.

    Parameters
    ----------
    conditions : sequence of Described
        All conditions, in the order of tables.
    names : Names
        How tables call systems.

    Returns
    -------
    list of Comparison
        First of each pair is the condition with a source. Of two languages, those of as many corpora of the first as
        were trained on together; where no language has two corpora, pairs of languages are pairs of corpora.
    """
    alone = {(one.stage, one.system, one.test): p for p, one in enumerate(conditions) if one.group == "within"}
    single: dict[tuple, list[tuple[int, int]]] = {}
    spoken: dict[tuple, list[tuple[int, int]]] = {}
    means: dict[tuple, list[tuple[int, int]]] = {}
    for place, one in enumerate(conditions):
        other = alone.get((one.stage, one.system, one.test))
        if _shots(one) and one.group == "across" and other is not None:
            key = one.stage, names.system(one), f"shots {names.system(one, **{SHOTS: 0})}"
            single[(*key, one.train, one.test)] = [(place, other)]
            means.setdefault((*key[:2], "shots means", "*", "*"), []).append((place, other))
            heard = one.meta["train_languages"]
            if len(heard) == 1 and heard[0] != one.meta["test_language"]:
                own = (*key[:2], f"{key[2]}, languages", heard[0], one.meta["test_language"])
                spoken.setdefault(own, []).append((place, other))
    for key, pairs in spoken.items():
        most = max(len(conditions[place].factors["train"]) for place, _ in pairs)
        spoken[key] = [pair for pair in pairs if len(conditions[pair[0]].factors["train"]) == most]
    pooled = spoken if any(len(pairs) > 1 for pairs in spoken.values()) else {}
    return [
        Comparison({"stage": stage, "system": system, "train": train, "test": test, "family": family}, pairs)
        for (stage, system, family, train, test), pairs in (single | pooled | means).items()
    ]


def _shots(one: Described) -> int:
    return one.factors.get(SHOTS, 0)


def languages(conditions: Sequence[Described], names: Names) -> list[Comparison]:
    """List what exp/language.csv compares: its three questions, wherever there are encoders to answer them.

    Parameters
    ----------
    conditions : sequence of Described
        All conditions, in the order of tables.
    names : Names
        How tables call systems.

    Returns
    -------
    list of Comparison
        First of each pair is the encoder whose language is that of the question, second one of another language.
    """
    members: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
    for question, first, second in _comparable(conditions):
        one = conditions[first]
        for test in ("*", one.test):
            key = one.stage, question, names.system(one, encoder=""), test
            members.setdefault(key, []).append((first, second))
    found = []
    for (stage, question, method, test), pairs in members.items():
        labels = {"stage": stage, "question": question, "method": method, "test": test}
        family = "language" if test == "*" else "language by corpus"
        found.append(Comparison(labels | {"family": family}, pairs))
    return found


def _comparable(conditions: Sequence[Described]) -> Iterator[tuple[str, int, int]]:
    """Yield questions with an encoder of the language that they are about and one of another."""
    alike: dict[tuple, list[int]] = {}
    for place, one in enumerate(conditions):
        if len(one.meta["encoder_languages"]) == 1 and len(one.meta["train_languages"]) == 1:
            rest = tuple((name, value) for name, value in one.system if name != "encoder")
            alike.setdefault((one.stage, rest, one.train, one.test), []).append(place)
    for places in alike.values():
        meta = conditions[places[0]].meta
        train, test = meta["train_languages"][0], meta["test_language"]
        spoken = {place: conditions[place].meta["encoder_languages"][0] for place in places}
        others = [place for place in places if spoken[place] not in (train, test)]
        for question, language in (("own", test),) if train == test else (("train", train), ("test", test)):
            for place in places:
                if spoken[place] == language:
                    yield from ((question, place, other) for other in others)


def ablation(conditions: Sequence[Described], names: Names) -> list[Comparison]:
    """List what exp/ablation.csv compares: each system beside cross entropy alone, and means over tested corpora.

    Parameters
    ----------
    conditions : sequence of Described
        All conditions, in the order of tables.
    names : Names
        How tables call systems.

    Returns
    -------
    list of Comparison
        First of each pair is the other system. None where no condition has a loss beside the cross entropy.
    """
    shaped = {_but_loss(one) for one in conditions if one.factors.get("loss", PLAIN) != PLAIN}
    found: list[Comparison] = []
    means: dict[tuple, list[tuple[int, int]]] = {}
    plain = [
        place for place, one in enumerate(conditions)
        if one.factors.get("loss", PLAIN) == PLAIN and one.group == "across" and _but_loss(one) in shaped
    ]  # fmt: skip
    for second in plain:
        base = conditions[second]
        for first, one in enumerate(conditions):
            factor = _instead(one, base)
            if factor is None or (first in plain and first < second):  # of two that losses stand beside, once
                continue
            value = "" if factor == "train" else show(dict(one.system)[factor])
            labels = {"stage": one.stage, "train": base.train, "test": base.test, "factor": factor, "value": value}
            labels |= {"a": names.system(one), "b": names.system(base)}
            found.append(Comparison(labels | {"family": "ablation"}, [(first, second)]))
            key = tuple((labels | {"train": "*", "test": "*"}).items())
            means.setdefault(key, []).append((first, second))
    many = [(key, pairs) for key, pairs in means.items() if len(pairs) > 1]
    return [Comparison(dict(key) | {"family": "ablation means"}, pairs) for key, pairs in many] + found


def _but_loss(one: Described) -> tuple:
    return one.stage, one.train, one.test, tuple(item for item in one.system if item[0] != "loss")


def _instead(one: Described, base: Described) -> str | None:
    """Name what a condition has in the place of what cross entropy alone has, if it is one thing."""
    if (one.stage, one.test) != (base.stage, base.test):
        return None
    ours, theirs = dict(one.system), dict(base.system)
    if one.group == "within":  # one corpus leaves no training language to leave out
        return "train" if ours | {"select": ""} == theirs | {"select": ""} else None
    factor = _differing(one, base) if one.train == base.train else None
    return factor if factor not in ("encoder", "method", SHOTS) else None
